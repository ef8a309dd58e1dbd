"""What a stranger may write to `posts.raw`: seeded, so that a failure comes back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import cycle
from random import Random
from typing import Any, Final, Self

from tests.pipeline import Record

_TEXT: Final = "Anita Borg speaks in Lisbon tonight"
_GIANT: Final = 10_000_000
# Each giant costs its reader as much as thousands of others.
_GIANTS: Final = 12
_FIELDS: Final = ("id", "text", "image_url", "image_urls", "created_at", "lang", "author_id", "unknown")
_ODD: Final = (
    "\x00",
    "\u202e",
    "\u2066",
    "\ufeff",
    "\u200d",
    "\ufdd0",
    "\U0010ffff",
    "\u0301" * 40,
    "\u0e49" * 20,
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\r\n",
    "\x1b[31m",
    "\x7f",
    "\u0130",
    "ß",
    "ﬃ",
    "مرحبا",
    "नमस्ते",
    "漢字",
)


class Name(str):
    """A header's name of any bytes, as clients in other languages send them."""

    __slots__ = ("content",)
    content: bytes

    def __new__(cls, content: bytes) -> Self:
        """Hold these bytes."""
        made = super().__new__(cls, content.decode("latin-1"))
        made.content = content
        return made

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """The bytes it was made of."""
        del encoding, errors
        return self.content


def hostile_names() -> list[bytes]:
    """Header names that are no UTF-8, or nothing that a person would type."""
    return [b"\xff", b"\xc3(", b"\xed\xa0\x80", b"\x00", b"", b"a\x80b", "\u202e".encode(), b"\xf8\x88\x80"]


def hostile_records(seed: int, count: int) -> Iterator[Record]:
    """So many records of every kind in turn; some of them are sound posts that only look bad."""
    draw = Random(seed)
    makers = cycle(_MAKERS)
    for number in range(count):
        value = next(makers)(draw, str(number))
        key = draw.choice([None, b"", b"key", b"\xff\x00", draw.randbytes(8)])
        # kafka-python sends no null value without a key.
        yield (b"key" if value is None else key), value, list(_headers(draw))


def giant_records(seed: int) -> Iterator[Record]:
    """Values of ten megabytes that a compressed batch makes small."""
    draw = Random(seed)
    giants = (
        partial(_post, "giant"),
        lambda text: _post("giant", more=text),
        _post,
        str.encode,
        lambda text: b"[" * len(text),
        lambda text: b'{"id": "giant", "text": "x", "more": ' + b"9" * len(text) + b"}",
    )
    for number in range(_GIANTS):
        unit = draw.choice("aä漢")
        yield b"giant", giants[number % len(giants)](unit * (_GIANT // len(unit.encode()))), []


def _post(name: str, text: Any = _TEXT, **more: Any) -> bytes:
    return json.dumps({"id": name, "text": text, **more}, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _headers(draw: Random) -> Iterator[tuple[str, bytes]]:
    if draw.random() < 0.1:
        yield Name(draw.choice(hostile_names())), draw.randbytes(draw.randrange(40))
    if draw.random() < 0.05:
        yield (
            draw.choice(["__rpbert.errors.reason", "__rpbert.errors.offset", "__rpbert.replay.topic"]),
            b"\xff",
        )


def _bytes(draw: Random, name: str) -> bytes:
    return draw.randbytes(draw.randrange(400))


def _nothing(draw: Random, name: str) -> bytes | None:
    return draw.choice([None, b"", b" ", b"null", b"\x00", b"[]", b"{}", b"0", b'""', b"\xef\xbb\xbf"])


def _deep(draw: Random, name: str) -> bytes:
    depth = draw.choice([100, 250, 1_000, 50_000])
    inner = draw.choice([(b"[", b"]"), (b'{"a":', b"}")])
    value = inner[0] * depth + b"1" + inner[1] * depth
    return value if draw.random() < 0.5 else b'{"id": "' + name.encode() + b'", "text": ' + value + b"}"


def _number(draw: Random, name: str) -> bytes:
    number = draw.choice(
        [b"9" * 5_000, b"-1e999", b"1e-999", b"NaN", b"-Infinity", b"1" * 100, b"0.1", b"-0"]
    )
    field = draw.choice(_FIELDS).encode()
    return b'{"id": "' + name.encode() + b'", "text": "x", "' + field + b'": ' + number + b"}"


def _surrogate(draw: Random, name: str) -> bytes:
    lone = draw.choice([r"\ud800", r"\udfff", r"\ud83d\u0041", r"\udc00\ud800"])
    if draw.random() < 0.3:
        return _post(name, text="a \ud83d b")
    return f'{{"id": "{name}", "text": "Oslo {lone}"}}'.encode()


def _odd_text(draw: Random, name: str) -> bytes:
    text = "".join(draw.choice([*_ODD, "Oslo ", "Lisbon", " "]) for _ in range(draw.randrange(1, 40)))
    return json.dumps({"id": name, "text": text}, ensure_ascii=draw.random() < 0.5).encode()


def _any_text(draw: Random, name: str) -> bytes:
    return _post(name, text="".join(map(chr, draw.choices(_scalars(), k=draw.randrange(200)))))


@cache
def _scalars() -> tuple[int, ...]:
    """Unicode's scalar values, a million: made once."""
    return (*range(0xD800), *range(0xE000, 0x110000))


def _long_text(draw: Random, name: str) -> bytes:
    unit = draw.choice(["x", "\u0301", "漢", "@a ", "#", "\U0001f600", "a\u200d"])
    return _post(name, text=unit * draw.choice([3_000, 70_000]))


def _twice(draw: Random, name: str) -> bytes:
    return f'{{"id": "{name}", "id": 7, "text": "a", "text": {draw.choice(["null", "[]", "7"])}}}'.encode()


def _encoded(draw: Random, name: str) -> bytes:
    text = json.dumps({"id": name, "text": "Zürich"}, ensure_ascii=False)
    return text.encode(draw.choice(["utf-16", "utf-16-le", "utf-32", "latin-1", "utf-8-sig", "cp037"]))


def _nested(draw: Random, name: str) -> bytes:
    value: Any = draw.choice([None, True, 7, [], {}, [[]], {"a": {}}, [None], "x" * 9_000, [1] * 500])
    for _ in range(draw.randrange(6)):
        value = [value] if draw.random() < 0.5 else {"text": value}
    return json.dumps({"id": name, "text": "Oslo"} | {draw.choice(_FIELDS): value}).encode()


def _urls(draw: Random, name: str) -> bytes:
    urls = [
        "",
        "http://",
        "file:///etc/passwd",
        "http://[::1]/",
        "http://\u202e",
        "x" * 500,
        "http://a\x00b/",
    ]
    urls += ["http://user:pass@127.0.0.1:1/", "http://169.254.169.254/", "gopher://a", "http://0x7f.1/"]
    return _post(name, image_urls=draw.choices(urls, k=draw.randrange(7)))


def _cut(draw: Random, name: str) -> bytes:
    whole = _post(name)
    return whole[: draw.randrange(len(whole))] + draw.choice([b"", b"\x00", b"}", b"\xff"])


def _sound(draw: Random, name: str) -> bytes:
    return _post(name)


_MAKERS: Final[tuple[Callable[[Random, str], bytes | None], ...]] = (
    _bytes,
    _nothing,
    _deep,
    _number,
    _surrogate,
    _odd_text,
    _any_text,
    _twice,
    _encoded,
    _nested,
    _urls,
    _cut,
    _sound,
)


def long_texts(seed: int, count: int) -> Iterator[Record]:
    """Posts as long as a post may be and longer, of one character again and again."""
    draw = Random(seed)
    for number in range(count):
        yield None, _long_text(draw, f"long-{number}"), []
