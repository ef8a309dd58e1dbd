"""`rpbert dlq replay`: says what it would send back, and sends it when told to."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack

from kafka.errors import KafkaError
from rich.console import Console
from rich.text import Text

from workers import kafka_clients
from workers.dead_letters.clients import reading_clients
from workers.dead_letters.letter import Place, read_letter, read_letters
from workers.dead_letters.look import require_letter
from workers.dead_letters.marks import Marks, require_mark_topic
from workers.dead_letters.plan import Plan, Planner, Sending
from workers.dead_letters.render import letter_json, print_letters
from workers.dead_letters.replayer import Replayer
from workers.dead_letters.selection import Selection
from workers.errors import SetupError
from workers.progress import bar
from workers.settings import KafkaSettings
from workers.topics import topic_ids

_CLOSE_SECONDS = 5.0


def replay_and_print(
    settings: KafkaSettings,
    selection: Selection,
    places: Sequence[Place],
    *,
    to: str | None,
    limit: int,
    max_times: int,
    execute: bool,
    as_json: bool = False,
) -> None:
    """Print which letters go where and which are left out; with `execute`, send them.

    Raises:
        SetupError: no broker answers, a topic is missing, a named letter is not there, another replay has
            begun, or Kafka refuses.
    """
    console = Console(highlight=False)
    with ExitStack() as stack:
        consumer, admin = stack.enter_context(reading_clients(settings))
        require_mark_topic(admin, settings)
        if to in (settings.dead_letter_topic, settings.replay_topic):
            raise SetupError(f"--to {to} is where the dead letters themselves are; name another topic")
        if to is not None:
            topic_ids(admin, [to])
        replayer = _replayer(settings, stack) if execute else None
        sources = kafka_clients.reading_consumer(settings, from_start=True)
        stack.callback(sources.close)
        marks = Marks.read(consumer, admin, settings)
        topic = settings.dead_letter_topic
        letters = (
            (
                letter
                for place in dict.fromkeys(places)
                for letter in [require_letter(read_letter(consumer, topic, place), topic, place)]
                if selection.holds(letter.timestamp_ms, letter.cause)
            )
            if places
            else read_letters(consumer, topic, selection)
        )
        planner = Planner(sources, admin, marks, settings=settings, to=to, max_times=max_times)
        with bar("reading the dead letters"):
            plan = planner.plan(letters, limit)
        if replayer is None:
            _print_sendings(console, plan.sendings, marks, as_json=as_json)
        else:
            with bar("replaying", len(plan.sendings)) as replaying:
                for part in replayer.send(plan.sendings, marks):
                    replaying.step(len(part))
                    with replaying.away():
                        _print_sendings(console, part, marks, as_json=as_json)
    summary = Console(highlight=False, stderr=as_json)
    for line in _summary(plan, executed=execute):
        summary.print(Text(line), soft_wrap=True)


def _replayer(settings: KafkaSettings, stack: ExitStack) -> Replayer:
    producer = kafka_clients.replaying_producer(settings)
    stack.callback(producer.close, timeout=_CLOSE_SECONDS)
    try:
        return Replayer(producer, settings.replay_topic)
    except KafkaError as error:
        raise SetupError(
            f"Kafka does not let this replay begin ({type(error).__name__}); check the right to write with "
            f"the transactional id rpbert-dlq-replay-{settings.dead_letter_topic}"
        ) from error


def _print_sendings(console: Console, sendings: Sequence[Sending], marks: Marks, *, as_json: bool) -> None:
    rows = [(each.letter, marks.sent(each.letter.place)) for each in sendings]
    if as_json:
        sys.stdout.writelines(letter_json(letter, sent, whole=False) for letter, sent in rows)
    elif rows:
        print_letters(console, rows)


def _summary(plan: Plan, *, executed: bool) -> list[str]:
    said = "replayed" if executed else "would replay"
    targets = Counter(sending.record.topic for sending in plan.sendings)
    lines = [f"{said} {number:,} to {topic}" for topic, number in targets.items()]
    if not targets:
        lines.append(f"{said} no letter")
    if plan.later:
        lines.append(f"{plan.later:,} more for another time, see --limit")
    lines += [f"left out {number:,}: {why.value}" for why, number in plan.left_out.most_common()]
    if targets and not executed:
        lines.append("nothing has been sent; add --execute to send")
    return lines
