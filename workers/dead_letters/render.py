"""How dead letters look: in a terminal, in a pipe, and as JSON."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from json import dumps
from typing import Final

from rich.console import Console
from rich.table import Column
from rich.text import Text

from workers.dead_letters.letter import Letter, moment, without_ours
from workers.render import escaped, plain
from workers.tables import print_table

Sent = Mapping[str, int]
"""The topics that a letter has been sent to, each with the time in ms since 1970."""

FOREIGN: Final = "no dead letter of rpbert"
"""What stands for the reason of a record that is none of ours."""

_HEADINGS: Final = ("letter", "written", "reason", "stage", "source", "replayed", "message")
_WHOLE: Final = ("letter", "written", "replayed")
_SHOWN_CHARACTERS: Final = 4_000
_SHOWN_BYTES: Final = 256
_ROW_BYTES: Final = 16


def print_letters(console: Console, letters: Sequence[tuple[Letter, Sent]]) -> None:
    """A table on a terminal, else a line for each with tabs between the columns."""
    columns = [Column(name, overflow="fold", no_wrap=name in _WHOLE) for name in _HEADINGS]
    print_table(console, columns, [_cells(letter, sent) for letter, sent in letters])


def letter_json(letter: Letter, sent: Sent, *, whole: bool) -> str:
    """A letter as one line of JSON in ASCII, so that nothing in it steers a terminal.

    Bytes are text where they are UTF-8, else `{"base64": ...}`; `whole` adds headers and value.
    """
    content: dict[str, object] = {
        "partition": letter.place.partition,
        "offset": letter.place.offset,
        "timestamp": letter.time.isoformat(),
        "key": _json_bytes(letter.key),
        "value_bytes": len(letter.value or b""),
        "cause": letter.cause and letter.cause.model_dump(mode="json"),
        "replay": letter.replay and letter.replay.model_dump(mode="json"),
        "sent": {to: moment(at).isoformat() for to, at in sent.items()},
    }
    if whole:
        content["headers"] = [[name, _json_bytes(value)] for name, value in letter.headers]
        content["value"] = _json_bytes(letter.value)
    return dumps(content) + "\n"


def print_letter(console: Console, letter: Letter, sent: Sent, *, topic: str) -> None:
    """Everything about one letter, and how to send it back."""
    lines: list[tuple[str, str]] = [("letter", f"{topic} {letter.place}"), ("written", _time(letter.time))]
    cause = letter.cause
    if cause is not None:
        lines += [
            ("reason", f"{cause.reason.value}, at {cause.stage.value}"),
            ("message", cause.message),
            ("field", cause.field or ""),
            ("source", f"{cause.topic} {cause.partition}:{cause.offset}"),
            ("release", cause.release or ""),
        ]
    if letter.replay is not None:
        again = letter.replay
        lines.append(("comes of", f"replay {again.count}, of {again.topic} {again.partition}:{again.offset}"))
    lines += [("sent", f"to {to}, {_time(moment(at))}") for to, at in sent.items()]
    lines.append(("key", "none" if letter.key is None else _text_or_hex(letter.key)))
    # What ours say stands above.
    headers = letter.headers if cause is None else without_ours(letter.headers)
    lines += [(f"header {name}", _text_or_hex(value or b"")) for name, value in headers]
    for name, text in lines:
        if text:
            # One line each: a line feed in it must not begin a line that looks like ours.
            console.print(Text.assemble((f"{_line(name)}: ", "bold"), _line(text)), soft_wrap=True)
    for line in _value(letter):
        console.print(Text(line), soft_wrap=True)
    console.print(Text(_advice(letter, sent)), soft_wrap=True)


def _cells(letter: Letter, sent: Sent) -> list[str]:
    cause = letter.cause
    said = (
        (FOREIGN, "", "", "")
        if cause is None
        else (
            cause.reason.value,
            cause.stage.value,
            f"{cause.topic} {cause.partition}:{cause.offset}",
            cause.message,
        )
    )
    reason, stage, source, message = map(plain, said)
    replayed = _time(moment(max(sent.values()))) if sent else ""
    return [str(letter.place), _time(letter.time), reason, stage, source, replayed, message]


def _value(letter: Letter) -> Iterator[str]:
    value = letter.value or b""
    if letter.cause is not None and letter.cause.omitted_bytes is not None:
        yield f"value: not here, {letter.cause.omitted_bytes:,} bytes were too many; it stands at the source"
        return
    text = _text(value)
    yield f"value: {len(value):,} bytes{'' if text is not None else ', not UTF-8'}"
    # Set in, so that no line of it looks like ours.
    if text is None:
        head = value[:_SHOWN_BYTES]
        for start in range(0, len(head), _ROW_BYTES):
            yield f"  {head[start : start + _ROW_BYTES].hex(' ')}"
        more = len(value) - len(head)
    else:
        for line in escaped(text[:_SHOWN_CHARACTERS]).split("\n") if text else ():
            yield f"  {line}"
        more = len(text) - _SHOWN_CHARACTERS
    if more > 0:
        yield f"({more:,} more; --json has all)"


def _advice(letter: Letter, sent: Sent) -> str:
    if letter.cause is None:
        return "Not written by rpbert: it can't be replayed."
    if letter.cause.topic in sent:
        return "It was sent back. If it failed again, there is a newer letter that comes of it."
    return f"To send it back: rpbert dlq replay {letter.place} --execute"


def _text_or_hex(value: bytes) -> str:
    text = _text(value)
    return f"hex {value[:_SHOWN_BYTES].hex(' ')}" if text is None else text


def _text(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _line(text: str) -> str:
    return escaped(text).replace("\n", "\\n")


def _json_bytes(value: bytes | None) -> str | dict[str, str] | None:
    if value is None:
        return None
    text = _text(value)
    return {"base64": b64encode(value).decode()} if text is None else text


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S}Z"
