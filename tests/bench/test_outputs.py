import pytest

from bench.machine_pace import MachinePace
from bench.outputs import Output, Outputs


def outputs(*seen: tuple[float, int, str]) -> Outputs:
    all_ = Outputs(2)
    all_.add([Output(*each) for each in seen])
    return all_


def test_a_gap_is_that_of_one_partition_whatever_comes_of_the_other() -> None:
    seen = outputs((1.0, 0, "1"), (1.1, 1, "1"), (1.2, 0, "1"), (1.3, 0, "1"), (1.5, 1, "1"), (1.6, 0, "1"))
    assert seen.longest_gap(1.0, 1.7) == pytest.approx(0.4)


def test_a_partition_that_gives_nothing_from_the_beginning_or_to_the_end_has_a_gap() -> None:
    seen = outputs((1.0, 0, "1"), (1.5, 0, "1"), (1.9, 1, "1"), (2.0, 0, "1"))
    assert seen.longest_gap(1.0, 2.0) == pytest.approx(0.9)
    assert seen.longest_gap(1.8, 4.0) == pytest.approx(2.1)


def test_a_release_is_served_once_every_partition_has_a_result_of_it_since() -> None:
    seen = outputs((1.0, 0, "1"), (1.1, 1, "1"), (2.0, 0, "2"))
    assert not seen.in_all_partitions(0.0, "2")
    seen.add([Output(2.1, 1, "2")])
    assert seen.in_all_partitions(0.0, "2")
    assert not seen.in_all_partitions(2.05, "2")


def test_a_machine_that_stands_is_slow_then_and_not_before() -> None:
    pace = MachinePace()
    for at, seconds in ((1.0, 0.2), (2.0, 0.3), (3.0, 0.3), (4.0, 0.3), (5.0, 6.0)):
        pace.add(at, seconds)
    assert pace.slowest(1.0, 4.0) == pytest.approx(1)
    assert pace.slowest(4.0, 6.0) == pytest.approx(20)


def test_the_work_is_done_as_long_as_it_is_watched() -> None:
    with MachinePace.watched() as pace:
        while True:
            try:
                assert pace.slowest(0.0, float("inf")) >= 1
            except ValueError:
                continue
            break
