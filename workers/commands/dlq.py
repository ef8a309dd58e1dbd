"""`rpbert dlq`: the dead letters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

from cyclopts import App, Parameter, Token, validators

from workers.dead_letters.letter import Place
from workers.dead_letters.selection import Selection
from workers.settings import KafkaSettings

app = App(name="dlq", help="Look at the dead letters, and send them back.")

_ALL: Final = Selection()
_AtLeastOne = validators.Number(gte=1)


def _place(_type: Any, tokens: Sequence[Token]) -> Place:
    return Place.parse(tokens[0].value)


def _places(_type: Any, tokens: Sequence[Token]) -> tuple[Place, ...]:
    return tuple(Place.parse(token.value) for token in tokens)


@app.command(name="list", sort_key=1)
def list_(
    *,
    settings: KafkaSettings = KafkaSettings(),
    selection: Selection = _ALL,
    limit: Annotated[int, Parameter(validator=_AtLeastOne)] = 50,
    count: bool = False,
    json: bool = False,
) -> None:
    """List the dead letters that there are now, the newest last.

    A letter is named by its partition and offset in the dead letters' topic, such as 3:41. In a pipe each
    is a line with tabs between the columns.

    For example:

        rpbert dlq list --bootstrap-servers kafka:9092

        rpbert dlq list --reason model_failed --since 2h

        rpbert dlq list --count

    Args:
        settings: how to reach Kafka.
        selection: which letters.
        limit: the newest so many.
        count: only how many there are of each reason, and how many of them were replayed.
        json: one JSON object a line.
    """
    from workers.dead_letters.look import list_and_print

    list_and_print(settings, selection, limit=limit, count=count, as_json=json)


@app.command(sort_key=2)
def show(
    letter: Annotated[Place, Parameter(converter=_place, n_tokens=1, accepts_keys=False)],
    /,
    *,
    settings: KafkaSettings = KafkaSettings(),
    json: bool = False,
) -> None:
    """Show one dead letter: what went wrong, its headers and its value.

    The value may be anything: what would steer the terminal is written out, bytes that are not UTF-8 are
    shown as hex. --json has all of it.

    For example:

        rpbert dlq show 3:41

    Args:
        letter: PARTITION:OFFSET, as `rpbert dlq list` names it.
        settings: how to reach Kafka.
        json: one JSON object; bytes that are not UTF-8 as base64.
    """
    from workers.dead_letters.look import show_and_print

    show_and_print(settings, letter, as_json=json)


@app.command(sort_key=3)
def replay(
    letters: Annotated[tuple[Place, ...], Parameter(converter=_places, n_tokens=-1, accepts_keys=False)] = (),
    /,
    *,
    settings: KafkaSettings = KafkaSettings(),
    selection: Selection = _ALL,
    to: str | None = None,
    limit: Annotated[int, Parameter(validator=_AtLeastOne)] = 100,
    max_times: Annotated[int, Parameter(validator=_AtLeastOne)] = 3,
    execute: bool = False,
    json: bool = False,
) -> None:
    """Send dead letters back to where they came from. Without --execute it only says what it would send.

    Key, value and headers are those of the original record; headers __rpbert.replay.* tell of the replay.
    A letter is sent to a topic once, however often the command is run, broken off or run by two at a time.

    For example:

        rpbert dlq replay --reason model_failed --since 1d

        rpbert dlq replay --reason model_failed --since 1d --execute

        rpbert dlq replay 3:41 3:44 --execute

    Args:
        letters: PARTITION:OFFSET of the letters to send; all that are selected if none is named.
        settings: how to reach Kafka.
        selection: which letters.
        to: topic to send to, instead of the one that each came from.
        limit: the oldest so many of those not sent yet.
        max_times: leave out what has been replayed so often and failed again.
        execute: send them.
        json: one JSON object a line for each letter; how many there are of which goes to standard error.
    """
    from workers.dead_letters.send_back import replay_and_print

    replay_and_print(
        settings,
        selection,
        letters,
        to=to,
        limit=limit,
        max_times=max_times,
        execute=execute,
        as_json=json,
    )
