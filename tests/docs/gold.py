"""What the commands find that train: gold posts, captioned pictures, and settings that keep it short."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image

from model.golden import write_golden
from model.inference import Tagger, TagRequest
from schemas import AnnotatedPost, GoldEntity, Post
from tests.refresh import conll, old_post

GOLD = (
    *("twitter2015/train.txt", "twitter2015/valid.txt", "twitter2017/train.txt", "twitter2017/valid.txt"),
    *("train.txt", "valid.txt", "october.txt"),
)
CAPTIONED = (
    *("stamps", "clip-art", "ambiguity/captioned", "ambiguity/captioned-further"),
    *("art/usr/share/tuxpaint/stamps", "captions/clip_art", "captions/emoji"),
)
SHORT = {
    "RPBERT_EPOCHS": "1",
    "RPBERT_BATCH_SIZE": "4",
    "RPBERT_RELATION_BATCH_SIZE": "4",
    "RPBERT_DEVICE": "cpu",
    "RPBERT_DTYPE": "float32",
    # Of the trainer: a candidate that is what is in service, so that it is published.
    "RPBERT_ENCODER_RATE": "1e-12",
    "RPBERT_HEAD_RATE": "1e-12",
    "RPBERT_LATENCY_FACTOR": "100",
    "RPBERT_HELD_OUT_SHARE": "0",
}
"""The lines stay as they are; settings that they don't name are these."""


def lay_out_gold(here: Path) -> None:
    """A few posts in each file that a page names."""
    draw = random.Random(7)
    for name in GOLD:
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_text(conll([old_post(draw) for _ in range(4)]), encoding="utf-8")


def lay_out_captioned_pictures(here: Path) -> None:
    """A few pictures in each directory that a page names; of eight concepts two are held out."""
    draw = random.Random(7)
    for name in CAPTIONED:
        for concept in ("bees", "cars", "cats", "cups", "dogs", "hats", "suns", "trees"):
            folder = here / name / concept
            folder.mkdir(parents=True)
            for number in range(2):
                Image.new("RGB", (8, 8), (draw.randrange(256), 90, 10)).save(folder / f"{number}.png")
                (folder / f"{number}.txt").write_text(f"One of the {concept}, {name}.\n", encoding="utf-8")


def write_golden_posts(path: Path, release: Path) -> None:
    """A post annotated as a release tags it."""
    tagger, text = Tagger.load(str(release), device="cpu", dtype="float32"), "Ana is in Porto today"
    (tagging,) = tagger.tag([TagRequest(tagger.prepare(text))])
    entities = tuple(GoldEntity(type=each.type, start=each.start, end=each.end) for each in tagging.entities)
    post = AnnotatedPost(
        post=Post(id="golden", text=text), entities=entities, annotator="vera", annotated_at=datetime.now(UTC)
    )
    write_golden(path, [post])
