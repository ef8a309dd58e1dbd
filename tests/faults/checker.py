"""Proves of a run what the readers were promised: each post has one outcome, in order, under its key."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tests.faults.ledger import Ledger

_SHOWN: Final = 10
_UNSEEN: Final = -1
_NO_NUMBER: Final = -2
_NOBODY: Final = array("q")


class Breach(StrEnum):
    """How an outcome may break the promise."""

    LOST = "lost"
    DOUBLED = "doubled"
    OUT_OF_ORDER = "out of order"
    ANOTHER_KEY = "under another key"
    ANOTHER_POST = "of another post"
    UNASKED = "of no post"
    SCATTERED = "in another partition"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A result or a dead letter, as a reader with `read_committed` found it.

    Attributes:
        topic: Where it was found.
        output_partition: In which partition of it.
        output_offset: At which offset.
        partition: The partition that its post was read from, as it says itself.
        offset: The post's offset there, as it says itself.
        id: The post's id, as it says itself.
        key: Its record's key.
    """

    topic: str
    output_partition: int
    output_offset: int
    partition: int
    offset: int
    id: str | None
    key: bytes | None

    @property
    def where(self) -> str:
        """Where it stands, as messages say it."""
        return f"{self.topic}-{self.output_partition} at offset {self.output_offset}"


class Checker:
    """Takes outcomes in the order in which each partition holds them; nine bytes a post are kept.

    Outcomes may come while posts are still being produced: what was produced is compared at the end.

    Args:
        key_of: The key that a post was produced with, by its number; its id is the number in decimal.
    """

    def __init__(self, key_of: Callable[[int], bytes | None]) -> None:
        self._key_of = key_of
        self._numbers: dict[int, array[int]] = defaultdict(lambda: array("q"))
        self._last: dict[tuple[str, int], int] = {}
        self._output: dict[tuple[str, int], int] = {}
        self._counts: Counter[Breach] = Counter()
        self._words: dict[Breach, list[str]] = defaultdict(list)
        self._distinct = 0

    @property
    def distinct(self) -> int:
        """How many places of the input have an outcome."""
        return self._distinct

    def take(self, outcome: Outcome) -> None:
        """Look at the next outcome of its partition."""
        place = f"partition {outcome.partition}, offset {outcome.offset}"
        numbers = self._numbers[outcome.partition]
        if outcome.offset >= len(numbers):
            numbers.extend([_UNSEEN] * (outcome.offset + 1 - len(numbers)))
        if numbers[outcome.offset] != _UNSEEN:
            self._add(Breach.DOUBLED, f"the post of {place} has one more outcome in {outcome.where}")
            return
        self._distinct += 1
        numbers[outcome.offset] = number = _number(outcome.id)
        self._check_order(outcome, place)
        if number >= 0 and outcome.key != (key := self._key_of(number)):
            self._add(
                Breach.ANOTHER_KEY,
                f"post {number} of {place} was produced under {key!r}; {outcome.where} holds {outcome.key!r}",
            )

    def _check_order(self, outcome: Outcome, place: str) -> None:
        way = (outcome.topic, outcome.partition)
        before = self._last.get(way, -1)
        if outcome.offset < before:
            self._add(
                Breach.OUT_OF_ORDER, f"the outcome of {place} stands behind that of {before}, {outcome.where}"
            )
        self._last[way] = max(before, outcome.offset)
        usual = self._output.setdefault(way, outcome.output_partition)
        if usual != outcome.output_partition:
            self._add(
                Breach.SCATTERED,
                f"the outcome of {place} is in {outcome.where}, those before are in partition {usual}",
            )

    def findings(self, produced: Ledger) -> list[str]:
        """What is wrong, in words, the first of each kind; empty when the promise was kept."""
        counts, words = self._counts.copy(), defaultdict(list, {k: [*v] for k, v in self._words.items()})

        def add(breach: Breach, sentence: str) -> None:
            counts[breach] += 1
            if len(words[breach]) < _SHOWN:
                words[breach].append(sentence)

        unasked = {partition: array("q", numbers) for partition, numbers in self._numbers.items()}
        for partition, offset, number in produced.places():
            place = f"partition {partition}, offset {offset}"
            numbers = unasked.get(partition, _NOBODY)
            found = numbers[offset] if offset < len(numbers) else _UNSEEN
            if found == _UNSEEN:
                add(Breach.LOST, f"post {number} of {place} has no outcome")
                continue
            if found != number:
                told = "no post's id" if found == _NO_NUMBER else f"the id {found}"
                add(Breach.ANOTHER_POST, f"the outcome of {place} has {told}, there stands post {number}")
            numbers[offset] = _UNSEEN
        for partition, numbers in unasked.items():
            for offset, found in enumerate(numbers):
                if found != _UNSEEN:
                    add(
                        Breach.UNASKED,
                        f"there is an outcome of partition {partition}, offset {offset}, "
                        "where nothing was produced",
                    )
        return [
            sentence
            for breach in Breach
            if counts[breach]
            for sentence in (f"{counts[breach]} {breach}:", *(f"  {each}" for each in words[breach]))
        ]

    def _add(self, breach: Breach, sentence: str) -> None:
        self._counts[breach] += 1
        if len(self._words[breach]) < _SHOWN:
            self._words[breach].append(sentence)


def _number(name: str | None) -> int:
    return int(name) if name is not None and name.isascii() and name.isdigit() else _NO_NUMBER
