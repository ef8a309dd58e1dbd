from collections.abc import Callable

import pytest

from schemas import ImageStatus
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures.rests import HostRests, Rests


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rests(metrics: Metrics, clock: Clock) -> Rests:
    settings = PictureSettings(fetch_host_failures=3, fetch_host_rest=30, fetch_host_rest_max=100)
    return Rests(settings, metrics, clock)


def fails(rests: Rests, host: str = "a", times: int = 1, rest: float | None = None) -> None:
    for _ in range(times):
        with rests.visit(host) as visit:
            visit.failed(ImageStatus.TIMEOUT, rest)


def answers(rests: Rests, host: str = "a") -> None:
    with rests.visit(host) as visit:
        visit.answered()


def is_left_alone(rests: Rests, host: str = "a") -> bool:
    try:
        with rests.visit(host):
            return False
    except HostRests:
        return True


def test_failures_in_a_row_put_a_host_to_rest_and_no_other(rests: Rests, count: Callable[..., float]) -> None:
    fails(rests, times=2)
    assert not is_left_alone(rests)
    fails(rests)
    assert is_left_alone(rests)
    assert not is_left_alone(rests, "b")
    assert count("image_host_rests_total", reason="failed") == 1


def test_an_answer_between_two_failures_counts(rests: Rests) -> None:
    for _ in range(10):
        fails(rests, times=2)
        answers(rests)
    assert not is_left_alone(rests)


def test_after_its_rest_one_visit_probes_and_others_wait(rests: Rests, clock: Clock) -> None:
    fails(rests, times=3)
    clock.now = 29.9
    assert is_left_alone(rests)
    clock.now = 30
    with rests.visit("a") as probe:
        assert is_left_alone(rests)
        probe.answered()
    assert not is_left_alone(rests)
    fails(rests, times=2)
    assert not is_left_alone(rests)


def test_a_probe_that_fails_begins_another_rest(rests: Rests, clock: Clock) -> None:
    fails(rests, rest=10)
    clock.now = 10
    fails(rests)
    assert is_left_alone(rests)
    clock.now = 39.9
    assert is_left_alone(rests)
    clock.now = 40
    assert not is_left_alone(rests)


def test_a_probe_that_is_broken_off_lets_another_try(rests: Rests, clock: Clock) -> None:
    fails(rests, times=3)
    clock.now = 30
    with pytest.raises(KeyboardInterrupt), rests.visit("a"):
        raise KeyboardInterrupt
    answers(rests)
    assert not is_left_alone(rests)


@pytest.mark.attack("Retry-After of 30 years", "the host rests for fetch_host_rest_max")
def test_a_host_rests_as_long_as_it_asks_up_to_a_limit(
    rests: Rests, clock: Clock, count: Callable[..., float]
) -> None:
    fails(rests, "a", rest=50)
    fails(rests, "b", rest=1e9)
    clock.now = 49.9
    assert is_left_alone(rests, "a")
    clock.now = 99.9
    assert not is_left_alone(rests, "a")
    assert is_left_alone(rests, "b")
    clock.now = 100
    assert not is_left_alone(rests, "b")
    assert count("image_host_rests_total", reason="asked") == 2


def test_what_was_asked_before_the_rest_does_not_end_it(rests: Rests, count: Callable[..., float]) -> None:
    with rests.visit("a") as early, rests.visit("a") as late:
        fails(rests, rest=50)
        early.answered()
        late.failed(ImageStatus.HTTP_ERROR, 20)
    assert is_left_alone(rests)
    assert count("image_host_rests_total", reason="asked") == 1


def test_the_longest_rest_of_those_that_were_asked_for_counts(rests: Rests, clock: Clock) -> None:
    with rests.visit("a") as first, rests.visit("a") as second:
        first.failed(ImageStatus.HTTP_ERROR, 20)
        second.failed(ImageStatus.HTTP_ERROR, 60)
    clock.now = 59.9
    assert is_left_alone(rests)


def test_who_is_left_alone_is_said_to_be_what_it_was(rests: Rests, count: Callable[..., float]) -> None:
    fails(rests, times=3)
    with pytest.raises(HostRests) as resting, rests.visit("a"):
        pass
    assert resting.value.status is ImageStatus.TIMEOUT
    assert count("image_fetches_spared_total") == 1


@pytest.mark.attack("ten thousand dead hosts", "4,096 are remembered")
def test_no_number_of_dead_hosts_fills_the_memory(rests: Rests) -> None:
    for number in range(10_000):
        fails(rests, f"{number}.example")
    assert len(rests._troubles) <= 4_096
