"""Ways to keep a picture's features: bytes a picture, and whether the tags stay the same.

    python -m bench.feature_bytes --captioned-pictures STAMPS

Each picture is tagged with its own caption, from the features as computed and from what a way gives back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean, median
from time import perf_counter
from typing import Final, Protocol, TypeVar

import numpy as np
import zstandard
from cyclopts import App
from pydantic import BaseModel, ConfigDict
from rich.console import Console

from model.data.captioned import read_captioned_pictures
from model.inference import Tagger, Tagging, TagRequest
from model.pictures import PictureError, decode
from workers.local.samples import picture_bytes, sample_posts
from workers.tagger.pictures.picture import Features
from workers.tagger.pictures.values import pack_features, unpack_features

RESULTS: Final = Path(__file__).parent / "results"

_BATCH: Final = 16
_BLOCK: Final = 32
_LARGEST_CODE: Final = 127

console = Console(highlight=False)

Post = tuple[str, bytes]
_T = TypeVar("_T")
_R = TypeVar("_R")


class Way(BaseModel):
    """What one way gives.

    Attributes:
        name: What is kept.
        mean_bytes: Of a picture.
        most_bytes: Of the largest.
        same_tags: Share of the posts whose entities have the same spans and types.
        relation_difference: The largest, of relation scores.
        pack_us: Microseconds to pack one, median.
        unpack_us: Microseconds to unpack one, median.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    mean_bytes: float
    most_bytes: int
    same_tags: float
    relation_difference: float
    pack_us: float
    unpack_us: float

    def row(self) -> str:
        """A row of the table."""
        return (
            f"| {self.name} | {self.mean_bytes:,.0f} | {self.most_bytes:,} | {100 * self.same_tags:.2f} % | "
            f"{self.relation_difference:.4f} | {self.pack_us:,.0f} | {self.unpack_us:,.0f} |"
        )


class Comparison(BaseModel):
    """All ways on the same posts."""

    model_config = ConfigDict(frozen=True)

    release: str
    dtype: str
    posts: int
    ways: list[Way]

    def table(self) -> str:
        """A row a way."""
        head = (
            "| kept | bytes, mean | bytes, most | same tags | relation, largest difference | µs to pack "
            "| µs to unpack |"
        )
        rows = [head, "|---|---|---|---|---|---|---|", *(way.row() for way in self.ways)]
        source = f"\n{self.posts} posts, release `{self.release}`, {self.dtype}.\n"
        return "\n".join(rows) + "\n" + source


def _plain(features: Features) -> bytes:
    return features.tobytes()


def _from_plain(value: bytes, shape: tuple[int, int]) -> Features:
    return np.frombuffer(value, np.float16).reshape(shape)


def _int8(features: Features) -> bytes:
    """Codes of 8 bits with one power of two for each 32 channels (OCP Microscaling Formats 1.0, MXINT8)."""
    blocks = features.astype(np.float32).reshape(-1, _BLOCK)
    mantissa, exponent = np.frexp(np.abs(blocks).max(axis=1))
    exponent = exponent - 7 + (mantissa > _LARGEST_CODE / (_LARGEST_CODE + 1))
    codes = np.rint(np.ldexp(blocks, -exponent[:, None])).astype(np.int8)
    return zstandard.compress(exponent.astype(np.int8).tobytes() + codes.tobytes(), 1)


def _from_int8(value: bytes, shape: tuple[int, int]) -> Features:
    numbers = np.frombuffer(zstandard.decompress(value), np.int8)
    count = shape[0] * shape[1] // _BLOCK
    blocks = np.ldexp(
        numbers[count:].astype(np.float32).reshape(-1, _BLOCK), numbers[:count, None].astype(int)
    )
    features: Features = blocks.astype(np.float16).reshape(shape)
    return features


class _Unpack(Protocol):
    def __call__(self, value: bytes, /, shape: tuple[int, int]) -> Features: ...


_WAYS: Final[Sequence[tuple[str, Callable[[Features], bytes], _Unpack]]] = (
    ("fp16", _plain, _from_plain),
    (
        "fp16 by channels, zstd: what the cache keeps",
        lambda features: pack_features(b"key", features),
        lambda value, shape: unpack_features(b"key", value, shape),
    ),
    ("int8, a power of two for 32 channels, zstd", _int8, _from_int8),
)


def compare(tagger: Tagger, posts: Sequence[Post]) -> Comparison:
    """Keep and tag the posts in each way; those whose picture can't be decoded are left out."""
    texts, pixels = [], []
    for text, body in posts:
        try:
            pixels.append(decode(body))
        except PictureError:
            continue
        texts.append(text)
    batches = (pixels[first : first + _BATCH] for first in range(0, len(pixels), _BATCH))
    features = [each for batch in batches for each in tagger.describe(np.stack(batch))]
    computed = _tag(tagger, texts, features)
    ways = []
    for name, pack, unpack in _WAYS:
        shape = features[0].shape[0], features[0].shape[1]
        packed, pack_us = _timed(pack, features)
        back, unpack_us = _timed(partial(unpack, shape=shape), packed)
        exact = all(np.array_equal(a, b) for a, b in zip(features, back, strict=True))
        taggings = computed if exact else _tag(tagger, texts, back)
        pairs = list(zip(computed, taggings, strict=True))
        ways.append(
            Way(
                name=name + (", bit for bit" if exact else ""),
                mean_bytes=fmean(map(len, packed)),
                most_bytes=max(map(len, packed)),
                same_tags=fmean(_spans(before) == _spans(after) for before, after in pairs),
                relation_difference=max(abs(a.relevance[0] - b.relevance[0]) for a, b in pairs),
                pack_us=pack_us,
                unpack_us=unpack_us,
            )
        )
    return Comparison(release=tagger.name, dtype=tagger.dtype, posts=len(texts), ways=ways)


def _timed(function: Callable[[_T], _R], arguments: Sequence[_T]) -> tuple[list[_R], float]:
    results, seconds = [], []
    for argument in arguments:
        began = perf_counter()
        results.append(function(argument))
        seconds.append(perf_counter() - began)
    return results, median(seconds) * 1e6


def _tag(tagger: Tagger, texts: Sequence[str], features: Sequence[Features]) -> list[Tagging]:
    requests = [TagRequest(tagger.prepare(text), (each,)) for text, each in zip(texts, features, strict=True)]
    return [
        tagging
        for first in range(0, len(requests), _BATCH)
        for tagging in tagger.tag(requests[first : first + _BATCH])
    ]


def _spans(tagging: Tagging) -> list[tuple[str, int, int]]:
    return [(entity.type, entity.start, entity.end) for entity in tagging.entities]


def _sample_posts() -> list[Post]:
    posts = [(post.text, name) for post in sample_posts(str) for name in post.pictures[:1]]
    bodies = []
    for text, name in posts:
        try:
            bodies.append((text, picture_bytes(name)))
        except ValueError:
            continue
    return bodies


app = App(help=__doc__)


@app.default
def main(
    *,
    captioned_pictures: Path | None = None,
    every: int = 1,
    release: str = "small",
    output: Path = RESULTS,
) -> None:
    """Write `feature-bytes.json` and `feature-bytes.md`.

    Args:
        captioned_pictures: directory of PNG files with captions, beside the sample posts.
        every: take each so-manieth of them.
        release: the model.
        output: directory of the results.
    """
    posts = _sample_posts()
    if captioned_pictures is not None:
        stamps = read_captioned_pictures(captioned_pictures)[::every]
        posts += [(stamp.caption, stamp.path.read_bytes()) for stamp in stamps]
    comparison = compare(Tagger.load(release), posts)
    output.mkdir(parents=True, exist_ok=True)
    (output / "feature-bytes.json").write_text(comparison.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (output / "feature-bytes.md").write_text(comparison.table(), encoding="utf-8")
    console.print(comparison.table(), markup=False, soft_wrap=True)


if __name__ == "__main__":
    app()
