"""`rpbert dlq list` and `rpbert dlq show`: dead letters are read and printed, nothing is written."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from heapq import nlargest
from json import dumps
from typing import NamedTuple

from rich.console import Console
from rich.table import Column

from workers.dead_letters.clients import reading_clients
from workers.dead_letters.letter import Letter, Place, read_letter, read_letters
from workers.dead_letters.marks import Marks
from workers.dead_letters.render import FOREIGN, letter_json, print_letter, print_letters
from workers.dead_letters.selection import Selection
from workers.errors import SetupError
from workers.progress import bar
from workers.settings import KafkaSettings
from workers.tables import print_table


class _Count(NamedTuple):
    """How many letters have a reason (None: no letter of ours), and how many of them were replayed."""

    reason: str | None
    letters: int
    replayed: int


def list_and_print(
    settings: KafkaSettings, selection: Selection, *, limit: int, count: bool, as_json: bool
) -> None:
    """Print the newest of the selected letters, or how many there are of each reason.

    Raises:
        SetupError: no broker answers, or the topic is missing.
    """
    with reading_clients(settings) as (consumer, admin), bar("reading the dead letters"):
        marks = Marks.read(consumer, admin, settings)
        letters = read_letters(consumer, settings.dead_letter_topic, selection)
        if count:
            reasons = _count(letters, marks)
        else:
            total = 0

            def counted() -> Iterable[Letter]:
                nonlocal total
                for letter in letters:
                    total += 1
                    yield letter

            newest = nlargest(limit, counted(), key=lambda letter: letter.age_order)
    if count:
        _print_counts(reasons, as_json=as_json)
        return
    shown = [(letter, marks.sent(letter.place)) for letter in reversed(newest)]
    if as_json:
        sys.stdout.writelines(letter_json(letter, sent, whole=False) for letter, sent in shown)
    elif shown:
        print_letters(Console(highlight=False), shown)
    if total > len(shown) or not shown:
        # Beside the letters, not among them: a pipe gets letters alone.
        note = f"the newest {len(shown):,} of {total:,} letters; see --limit" if shown else "no letters"
        Console(stderr=True, highlight=False).print(note, soft_wrap=True)


def show_and_print(settings: KafkaSettings, place: Place, *, as_json: bool) -> None:
    """Print one letter.

    Raises:
        SetupError: no broker answers, or there is no such letter.
    """
    topic = settings.dead_letter_topic
    with reading_clients(settings) as (consumer, admin):
        marks = Marks.read(consumer, admin, settings)
        letter = require_letter(read_letter(consumer, topic, place), topic, place)
    if as_json:
        sys.stdout.write(letter_json(letter, marks.sent(place), whole=True))
    else:
        print_letter(Console(highlight=False), letter, marks.sent(place), topic=topic)


def require_letter(letter: Letter | None, topic: str, place: Place) -> Letter:
    """The letter at a place.

    Raises:
        SetupError: there is none.
    """
    if letter is None:
        raise SetupError(f"{topic} has no letter at {place}; `rpbert dlq list` names those it has")
    return letter


def _count(letters: Iterable[Letter], marks: Marks) -> list[_Count]:
    """Each reason, the most frequent first."""
    total: Counter[str | None] = Counter()
    replayed: Counter[str | None] = Counter()
    for letter in letters:
        reason = None if letter.cause is None else letter.cause.reason.value
        total[reason] += 1
        replayed[reason] += bool(marks.sent(letter.place))
    return [_Count(reason, number, replayed[reason]) for reason, number in total.most_common()]


def _print_counts(counts: Sequence[_Count], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.writelines(dumps(count._asdict()) + "\n" for count in counts)
        return
    columns = [Column("reason"), Column("letters", justify="right"), Column("replayed", justify="right")]
    rows = [(each.reason or FOREIGN, f"{each.letters:,}", f"{each.replayed:,}") for each in counts]
    rows.append(
        ("all", f"{sum(each.letters for each in counts):,}", f"{sum(each.replayed for each in counts):,}")
    )
    print_table(Console(highlight=False), columns, rows, headed=True)
