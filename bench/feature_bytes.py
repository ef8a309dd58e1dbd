"""Ways to keep a picture's features: bytes a picture, and whether the tags stay the same.

    python -m bench.feature_bytes --captioned-pictures STAMPS

Each picture is tagged with its own caption, from the features as computed and from what a way gives back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Final, Protocol

import numpy as np
import zstandard
from cyclopts import App

from bench.figures import RESULTS, Figure, Figures, Key
from model.data.captioned import read_captioned_pictures
from model.inference import Tagger, Tagging, TagRequest
from model.pictures import PictureError, decode
from workers.local.samples import picture_bytes, sample_posts
from workers.tagger.pictures.picture import Features
from workers.tagger.pictures.values import pack_features, unpack_features

_BATCH: Final = 16
_BLOCK: Final = 32
_LARGEST_CODE: Final = 127

Post = tuple[str, bytes]


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


def compare(tagger: Tagger, posts: Sequence[Post]) -> list[Figure]:
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
    figures, back = _keep(features)
    for name, kept in back.items():
        exact = all(np.array_equal(a, b) for a, b in zip(features, kept, strict=True))
        taggings = computed if exact else _tag(tagger, texts, kept)
        pairs = list(zip(computed, taggings, strict=True))
        same = [100.0 * (_spans(before) == _spans(after)) for before, after in pairs]
        moved = [abs(before.relevance[0] - after.relevance[0]) for before, after in pairs]
        bits = [100.0 * np.array_equal(a, b) for a, b in zip(features, kept, strict=True)]
        figures += [
            Figure.of((f"{name}: came back bit for bit", "%"), bits),
            Figure.of((f"{name}: same tags", "% of posts"), same),
            Figure.of((f"{name}: relation score moved by", "probability"), moved),
        ]
    return figures


def _keep(features: Sequence[Features]) -> tuple[list[Figure], dict[str, list[Features]]]:
    """Bytes and time of each way, picture by picture in turns, and what each gives back."""
    shape = features[0].shape[0], features[0].shape[1]
    values: dict[Key, list[float]] = defaultdict(list)
    back: dict[str, list[Features]] = defaultdict(list)
    for each in features:
        for name, pack, unpack in _WAYS:
            began = perf_counter()
            packed = pack(each)
            between = perf_counter()
            back[name].append(unpack(packed, shape))
            values[name, "bytes a picture"].append(len(packed))
            values[f"{name}: pack", "µs a picture"].append((between - began) * 1e6)
            values[f"{name}: unpack", "µs a picture"].append((perf_counter() - between) * 1e6)
    return [Figure.of(key, measured) for key, measured in values.items()], back


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
    """Write `feature_bytes.json` and `feature_bytes.md`.

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
    began = perf_counter()
    tagger = Tagger.load(release)
    figures = compare(tagger, posts)
    Figures(
        bench="feature_bytes",
        release=tagger.name,
        dtype=tagger.dtype,
        settings={"pictures": figures[0].count, "every": every},
        figures=figures,
        seconds=perf_counter() - began,
    ).write(output)


if __name__ == "__main__":
    app()
