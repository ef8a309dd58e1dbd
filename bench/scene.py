"""What every run from Kafka to Kafka needs around it: a broker, Redis, and pictures with their posts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.flow import Flow, flow
from bench.picture_bodies import distinct_pictures, encoded
from bench.posts import Posts
from workers.local.kafka import KafkaCluster
from workers.local.picture_host import PictureHost
from workers.local.valkey import ValkeyServer


@dataclass(frozen=True, slots=True)
class Scene:
    """Services that run.

    Attributes:
        kafka: one broker.
        valkey: Redis.
        folder: for logs and what else is written; gone in the end.
        bodies: the pictures, as JPEG.
        posts: posts with those pictures, one each.
    """

    kafka: KafkaCluster
    valkey: ValkeyServer
    folder: Path
    bodies: Sequence[bytes]
    posts: Posts

    def flow(self) -> AbstractContextManager[Flow]:
        """Topics of their own, for workers that serve `small`."""
        return flow(self.kafka, self.valkey, "small", self.folder)


@contextmanager
def scene(bench: str, pictures: int) -> Iterator[Scene]:
    """Start the services of a bench, with so many distinct pictures, and end them."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"rpbert-{bench}-")))
        kafka, valkey = stack.enter_context(KafkaCluster()), stack.enter_context(ValkeyServer())
        host = stack.enter_context(PictureHost())
        bodies = [encoded(picture, "JPEG") for picture in distinct_pictures(pictures, 1)]
        posts = Posts([host.add(f"{number}.jpg", body) for number, body in enumerate(bodies)])
        yield Scene(kafka, valkey, folder, bodies, posts)
