"""In processes of their own: the tests before leave holes in the heap, and what is set can't be unset."""

import os
import subprocess
import sys

import pytest

from tests import page_faults

IN_HOLES = """
import psutil
from model.heap import trim_heap

process, kept = psutil.Process(), []
before = process.memory_info().rss
large = []
for _ in range(1_000):
    # Below what malloc asks the machine for piece by piece, each with something behind it that stays.
    large.append(bytearray(100_000))
    kept.append(bytearray(1_000))
taken = process.memory_info().rss - before
del large
trim_heap()
print(taken, process.memory_info().rss - before)
"""

FREED_AND_TAKEN = """
import sys
from model.heap import keep_heap
from tests import page_faults

if "keep" in sys.argv:
    keep_heap()
print(page_faults.of_a_batch())
"""


def told(program: str, *arguments: str, **environment: str) -> list[int]:
    others = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=others | environment,
        capture_output=True,
        check=True,
        text=True,
    )
    return [int(number) for number in done.stdout.split()]


def test_a_heap_in_holes_is_given_back() -> None:
    taken, left = told(IN_HOLES)
    assert taken > 80_000_000
    assert left < taken / 4


@pytest.mark.parametrize(
    ("arguments", "environment", "kept"),
    [
        (["keep"], {}, True),
        ([], {}, False),
        (["keep"], {"MALLOC_TRIM_THRESHOLD_": "1048576"}, False),
    ],
    ids=["kept", "by default", "the environment holds"],
)
def test_a_batch_finds_the_pages_of_the_one_before(
    arguments: list[str], environment: dict[str, str], kept: bool
) -> None:
    [faults] = told(FREED_AND_TAKEN, *arguments, **environment)
    assert (faults < page_faults.MANY) is kept
