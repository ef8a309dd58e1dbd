import pytest

from tests.workers.trainer.conftest import Gateway
from tests.workers.trainer.records import judgement, record
from workers.trainer.push import push
from workers.trainer.record import Outcome


def test_what_a_run_came_to_reaches_the_gateway(gateway: Gateway) -> None:
    refused = record(judgement=judgement(seconds=2.0), outcome=Outcome.REFUSED)
    push(gateway.url, refused, 12.5)
    assert gateway.path == "/metrics/job/rpbert-trainer"
    samples = gateway.samples
    assert samples["last_run_duration_seconds", ""] == 12.5
    outcomes = {name: samples["last_run_outcome", name] for name in ("published", "refused", "failed")}
    assert outcomes == {"published": 0, "refused": 1, "failed": 0}
    assert samples["annotations", "held_out"] == 60
    assert samples["f1_ratio", "dev,candidate"] == pytest.approx(0.8)
    assert samples["f1_ratio", "held_out,incumbent"] == pytest.approx(0.5)
    assert samples["batch_duration_seconds", "candidate"] == 2
    assert samples["failed_checks", ""] == 1


def test_a_run_that_failed_has_no_figures(gateway: Gateway) -> None:
    push(gateway.url, None, 1.0)
    assert gateway.samples["last_run_outcome", "failed"] == 1
    assert not [name for name, _ in gateway.samples if name == "f1_ratio"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "no url at all"])
def test_a_gateway_that_is_away_fails_no_run(url: str) -> None:
    push(url, record(), 1.0)
