"""`rpbert dlq list` and `rpbert dlq show`: dead letters are read and printed, nothing is written."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from heapq import nlargest
from json import dumps

from rich.console import Console
from rich.table import Table
from rich.text import Text

from workers.dead_letters.clients import reading_clients
from workers.dead_letters.letter import Letter, Place, read_letter, read_letters
from workers.dead_letters.marks import Marks
from workers.dead_letters.render import FOREIGN, letter_json, print_letter, print_letters
from workers.dead_letters.selection import Selection
from workers.errors import SetupError
from workers.settings import KafkaSettings


def list_and_print(
    settings: KafkaSettings, selection: Selection, *, limit: int, count: bool, as_json: bool
) -> None:
    """Print the newest of the selected letters, or how many there are of each reason.

    Raises:
        SetupError: no broker answers, or the topic is missing.
    """
    with reading_clients(settings) as (consumer, admin):
        marks = Marks.read(consumer, admin, settings)
        letters = read_letters(consumer, settings.dead_letter_topic, selection)
        if count:
            _print_counts(letters, marks, as_json=as_json)
            return
        total = 0

        def counted() -> Iterable[Letter]:
            nonlocal total
            for letter in letters:
                total += 1
                yield letter

        newest = nlargest(limit, counted(), key=lambda letter: letter.age_order)
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


def _print_counts(letters: Iterable[Letter], marks: Marks, *, as_json: bool) -> None:
    total: Counter[str | None] = Counter()
    replayed: Counter[str | None] = Counter()
    for letter in letters:
        reason = None if letter.cause is None else letter.cause.reason.value
        total[reason] += 1
        replayed[reason] += bool(marks.sent(letter.place))
    if as_json:
        sys.stdout.writelines(
            dumps({"reason": reason, "letters": number, "replayed": replayed[reason]}) + "\n"
            for reason, number in total.most_common()
        )
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("reason", "letters", "replayed"):
        table.add_column(heading, justify="left" if heading == "reason" else "right")
    for reason, number in total.most_common():
        table.add_row(Text(reason or FOREIGN), f"{number:,}", f"{replayed[reason]:,}")
    table.add_row("all", f"{total.total():,}", f"{replayed.total():,}")
    Console(highlight=False).print(table)
