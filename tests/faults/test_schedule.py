from collections import Counter

from tests.faults.schedule import Action, Counts, draw


def test_a_seed_gives_the_same_schedule_every_time_and_another_seed_another() -> None:
    assert draw(1, 200_000, Counts()) == draw(1, 200_000, Counts())
    assert draw(1, 200_000, Counts()) != draw(2, 200_000, Counts())


def test_everything_asked_for_is_in_it_in_order_and_amid_the_posts() -> None:
    counts = Counts(worker_kills=7, broker_kills=2, broker_stops=1, redis_kills=2, joins=3, visits=2)
    steps = draw(5, 10_000, counts)
    assert Counter(step.action for step in steps) == {
        Action.KILL_WORKER: 7,
        Action.KILL_BROKER: 2,
        Action.STOP_BROKER: 1,
        Action.KILL_REDIS: 2,
        Action.REVIVE_REDIS: 2,
        Action.JOIN: 3,
        Action.LEAVE: 3,
        Action.VISIT: 2,
    }
    moments = [step.at for step in steps]
    assert moments == sorted(moments)
    assert moments[0] >= 200
    assert moments[-1] <= 9_500


def test_what_goes_in_pairs_takes_turns() -> None:
    for seed in range(50):
        actions = [step.action for step in draw(seed, 1_000, Counts(redis_kills=4, joins=4))]
        for first, second in ((Action.KILL_REDIS, Action.REVIVE_REDIS), (Action.JOIN, Action.LEAVE)):
            assert [each for each in actions if each in (first, second)] == [first, second] * 4
