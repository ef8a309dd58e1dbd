from pathlib import Path

from tests.autoscale.course import Mark
from tests.autoscale.plot import draw, rates
from tests.autoscale.watch import Sample


def _sample(at: float, outcomes: int) -> Sample:
    return Sample(at=at, lag=0, wanted=1, pods=1, ready=1, outcomes=outcomes)


def test_a_rate_is_told_over_the_seconds_before() -> None:
    samples = [_sample(0, 0), _sample(1, 10), _sample(2, 20), _sample(3, 20), _sample(4, 20)]
    assert list(rates(samples, over=2)) == [0, 10, 10, 5, 0]


def test_a_run_is_drawn(tmp_path: Path) -> None:
    draw([_sample(0, 0), _sample(1, 10)], [Mark(at=0.5, what="one evicted")], "a run", tmp_path / "run.svg")
    assert "one evicted" in (tmp_path / "run.svg").read_text("utf-8") or (tmp_path / "run.svg").stat().st_size
