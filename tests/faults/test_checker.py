import random
from dataclasses import replace

import pytest

from tests.faults.checker import Checker, Outcome
from tests.faults.ledger import Ledger
from tests.faults.workload import Workload

PARTITIONS = 3
POSTS = 60


def ledger() -> Ledger:
    produced = Ledger()
    for number in range(POSTS):
        produced.note(number, number % PARTITIONS, number // PARTITIONS)
    return produced


def outcome(number: int, *, topic: str = "posts.entities") -> Outcome:
    return Outcome(
        topic=topic,
        output_partition=number % PARTITIONS,
        output_offset=1_000 + number,
        partition=number % PARTITIONS,
        offset=number // PARTITIONS,
        id=str(number),
        key=Workload().key(number),
    )


def findings(outcomes: list[Outcome]) -> list[str]:
    checker = Checker(Workload().key)
    for each in outcomes:
        checker.take(each)
    return checker.findings(ledger())


def whole() -> list[Outcome]:
    return [outcome(number) for number in range(POSTS)]


def test_what_was_promised_leaves_nothing_to_say() -> None:
    assert findings(whole()) == []


def test_partitions_may_come_in_any_turn_and_dead_letters_beside_results() -> None:
    dead = {5, 6, 17}
    outcomes = [
        outcome(number, topic="posts.dlq" if number in dead else "posts.entities") for number in range(POSTS)
    ]
    turns = [[each for each in outcomes if each.partition == partition] for partition in range(PARTITIONS)]
    chance = random.Random(3)
    mixed = []
    while any(turns):
        mixed.append(chance.choice([turn for turn in turns if turn]).pop(0))
    assert findings(mixed) == []


def test_a_lost_post_is_named_with_its_place() -> None:
    assert findings([each for each in whole() if each.id != "31"]) == [
        "1 lost:",
        "  post 31 of partition 1, offset 10 has no outcome",
    ]


def test_the_last_posts_of_a_partition_are_missed_too() -> None:
    assert findings(whole()[:-2])[0] == "2 lost:"


def test_a_partition_without_any_outcome_is_missed() -> None:
    assert findings([each for each in whole() if each.partition])[0] == "20 lost:"


def test_a_doubled_post_is_named_with_where_it_stands_again() -> None:
    again = replace(outcome(31), output_offset=2_000)
    assert findings([*whole(), again]) == [
        "1 doubled:",
        "  the post of partition 1, offset 10 has one more outcome in posts.entities-1 at offset 2000",
    ]


def test_a_result_beside_a_dead_letter_of_the_same_post_is_doubled() -> None:
    assert findings([*whole(), outcome(31, topic="posts.dlq")])[0] == "1 doubled:"


def test_two_results_that_changed_places_are_out_of_order() -> None:
    outcomes = whole()
    outcomes[31], outcomes[34] = outcomes[34], outcomes[31]
    assert findings(outcomes) == [
        "1 out of order:",
        "  the outcome of partition 1, offset 10 stands behind that of 11, posts.entities-1 at offset 1031",
    ]


def test_another_key_is_told() -> None:
    outcomes = [replace(each, key=None) if each.id == "31" else each for each in whole()]
    assert findings(outcomes) == [
        "1 under another key:",
        (
            "  post 31 of partition 1, offset 10 was produced under b'author-31'; "
            "posts.entities-1 at offset 1031 holds None"
        ),
    ]


@pytest.mark.parametrize(
    ("told", "words"), [("32", "the id 32"), ("x", "no post's id"), (None, "no post's id")]
)
def test_a_result_of_another_post_at_its_place_is_told(told: str | None, words: str) -> None:
    outcomes = [
        replace(each, id=told, key=Workload().key(32)) if each.id == "31" else each for each in whole()
    ]
    assert findings(outcomes) == [
        "1 of another post:",
        f"  the outcome of partition 1, offset 10 has {words}, there stands post 31",
    ]


@pytest.mark.parametrize("partition", [1, 9])
def test_an_outcome_where_nothing_was_produced_is_told(partition: int) -> None:
    stray = replace(outcome(58), partition=partition, output_partition=partition, offset=70)
    assert findings([*whole(), stray])[0] == "1 of no post:"


def test_an_input_partition_scattered_over_the_output_is_told() -> None:
    outcomes = [replace(each, output_partition=2) if each.id == "31" else each for each in whole()]
    assert findings(outcomes)[0] == "1 in another partition:"


def test_many_of_a_kind_are_counted_and_a_few_shown() -> None:
    lines = findings(whole()[:30])
    assert lines[0] == "30 lost:"
    assert len(lines) == 11


def test_a_run_of_200_000_posts_takes_little_memory() -> None:
    produced, checker = Ledger(), Checker(Workload().key)
    for number in range(200_000):
        produced.note(number, number % 12, number // 12)
        partition = number % 12
        checker.take(
            replace(outcome(number), partition=partition, output_partition=partition, offset=number // 12)
        )
    assert checker.findings(produced) == []
    kept = [*checker._numbers.values(), *produced._numbers.values()]
    assert sum(numbers.buffer_info()[1] * numbers.itemsize for numbers in kept) < 5_000_000
