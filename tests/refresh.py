"""A small world for the trainer: posts of four names and three places, and a band that nobody knows yet."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import torch

from model.inference import Tagger, TagRequest
from model.store.reference import ReleaseId
from model.store.store import ReleaseStore
from model.training.run import train
from model.training.settings import Recipe, TrainingSettings
from schemas import AnnotatedPost, EntityType, GoldEntity, Post
from workers.annotations.hand_over import annotate_and_print
from workers.settings import KafkaSettings

PEOPLE: Final = ("Ana", "Bob", "Eve", "Kim")
PLACES: Final = ("Porto", "Turin", "Lyon")
RECIPE: Final = Recipe(
    epochs=3,
    batch_size=16,
    encoder_rate=1e-3,
    head_rate=1e-2,
    averaging=0.5,
    device="cpu",
    dtype="float32",
)
Spans = Sequence[tuple[str, EntityType]]


def old_post(draw: random.Random) -> tuple[str, Spans]:
    person, place = draw.choice(PEOPLE), draw.choice(PLACES)
    said = draw.choice(("{0} is in {1} today", "so {0} came home to {1}", "is {0} back from {1} ?"))
    return said.format(person, place), [(person, EntityType.PER), (place, EntityType.LOC)]


def new_post(draw: random.Random) -> tuple[str, Spans]:
    person, band = draw.choice(PEOPLE), f"Zyx{draw.randrange(100)}"
    said = draw.choice(("{0} hears {1} tonight", "new songs by {1} says {0}"))
    return said.format(person, band), [(person, EntityType.PER), (band, EntityType.MISC)]


def conll(posts: Sequence[tuple[str, Spans]]) -> str:
    """Posts whose every entity is one word."""
    lines = []
    for text, spans in posts:
        types = dict(spans)
        words = text.split()
        lines += [f"{word}\t{f'B-{types[word]}' if word in types else 'O'}\n" for word in words] + ["\n"]
    return "".join(lines)


def shuffled(posts: Sequence[tuple[str, Spans]], draw: random.Random) -> list[tuple[str, Spans]]:
    """The same posts with labels on words that have nothing to do with them."""
    spoiled: list[tuple[str, Spans]] = []
    for text, spans in posts:
        words = draw.sample(text.split(), len(spans))
        spoiled.append((text, [(word, draw.choice(list(EntityType))) for word in words]))
    return spoiled


def annotated(posts: Sequence[tuple[str, Spans]]) -> list[AnnotatedPost]:
    """Posts as annotators write them, one a minute."""
    return [
        AnnotatedPost(
            post=Post(id=str(number), text=text),
            entities=tuple(
                GoldEntity(type=kind, start=text.index(name), end=text.index(name) + len(name))
                for name, kind in spans
            ),
            annotator="vera",
            annotated_at=datetime(2026, 1, 31, tzinfo=UTC) + timedelta(minutes=number),
        )
        for number, (text, spans) in enumerate(posts)
    ]


def found(tagger: Tagger, text: str) -> set[tuple[str, EntityType]]:
    """Entities that a tagger finds."""
    (tagging,) = tagger.tag([TagRequest(tagger.prepare(text))])
    return {(entity.text, entity.type) for entity in tagging.entities}


@dataclass(frozen=True)
class World:
    """A release that knows people and places, and the gold files that it was taught with."""

    release: Path
    train: Path
    dev: Path


def teach(directory: Path, start: Path) -> World:
    """Train such a release."""
    draw = random.Random(7)
    world = World(directory / "run" / "release", directory / "train.txt", directory / "dev.txt")
    for path, number in ((world.train, 64), (world.dev, 40)):
        path.write_text(conll([old_post(draw) for _ in range(number)]), encoding="utf-8")
    torch.set_num_threads(1)
    train(
        TrainingSettings(
            **RECIPE.model_copy(update={"batch_size": 8, "head_rate": 3e-2}).model_dump(),
            train=(world.train,),
            dev=(world.dev,),
            output=directory / "run",
            initial_release=str(start),
            name="tiny",
            version="1.0.0",
        )
    )
    return world


class Stage:
    """A store, topics and a work directory of a test's own, with the taught release in service."""

    def __init__(self, world: World, bootstrap_servers: str, topics: Sequence[str], directory: Path) -> None:
        self.world = world
        self.directory = directory
        releases, annotations = topics
        self.kafka = KafkaSettings(
            bootstrap_servers=bootstrap_servers, release_topic=releases, annotation_topic=annotations
        )
        self.store = ReleaseStore(str(directory / "store"))
        self.store.add(world.release)
        self.store.point("stable", ReleaseId("tiny", "1.0.0"), by="ada", reason="the first")

    def annotate(self, posts: Sequence[AnnotatedPost]) -> None:
        """Hand posts over as `rpbert annotate` does."""
        file = self.directory / "annotations.jsonl"
        file.write_text("".join(f"{post.model_dump_json()}\n" for post in posts), encoding="utf-8")
        annotate_and_print([file], self.kafka, annotator=None, dry_run=False)

    def words(self, **changed: object) -> list[str]:
        """The command line of a run."""
        flags: dict[str, object] = {
            "work": self.directory / "work",
            "store": self.directory / "store",
            "bootstrap_servers": self.kafka.bootstrap_servers,
            "release_topic": self.kafka.release_topic,
            "annotation_topic": self.kafka.annotation_topic,
            "train": self.world.train,
            "dev": self.world.dev,
            # Nothing here is about speed, and other tests may run beside it.
            "latency_factor": 100,
            **RECIPE.model_dump(exclude_defaults=True),
            **changed,
        }
        return [
            "trainer",
            *(word for name, value in flags.items() for word in (f"--{name.replace('_', '-')}", str(value))),
        ]

    def served(self) -> Tagger:
        """The release in service, as a worker loads it."""
        return Tagger.load(f"{self.store.url}#stable", device="cpu", dtype="float32")

    def reports(self) -> list[dict[str, Any]]:
        """What runs have left in the store, the oldest first."""
        return [
            json.loads(path.read_text()) for path in sorted((self.directory / "store" / "reports").glob("*"))
        ]
