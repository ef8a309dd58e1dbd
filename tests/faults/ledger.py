"""What was produced: which post stands at which place of the input."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from threading import Lock


class Ledger:
    """Each acknowledged post's place; eight bytes a post and eight an offset.

    Filled on the producer's thread, read on others.
    """

    def __init__(self) -> None:
        self._numbers: dict[int, array[int]] = {}
        self._count = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return self._count

    def note(self, number: int, partition: int, offset: int) -> None:
        """The broker has taken post `number` at this place."""
        with self._lock:
            numbers = self._numbers.setdefault(partition, array("q"))
            if offset >= len(numbers):
                # A producer with transactions leaves offsets that hold no post.
                numbers.extend([-1] * (offset + 1 - len(numbers)))
            numbers[offset] = number
            self._count += 1

    def places(self) -> Iterator[tuple[int, int, int]]:
        """Partition, offset and number of every post, in the order of the input."""
        for partition in sorted(self._numbers):
            for offset, number in enumerate(self._numbers[partition]):
                if number >= 0:
                    yield partition, offset, number
