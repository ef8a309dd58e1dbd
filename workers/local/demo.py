"""The demo: everything on one machine, sample posts in, tagged posts out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Final, Self
from urllib.parse import urlsplit
from uuid import uuid4

from rich.console import Console
from rich.text import Text

from schemas import DeadLetter, ImageStatus, Post, TaggedPost
from workers import kafka_clients
from workers.local.kafka import KafkaCluster
from workers.local.picture_host import PictureHost
from workers.local.progress import Progress
from workers.local.samples import picture_bytes, picture_names
from workers.local.stream import Answer, Place, Stream
from workers.local.valkey import ValkeyServer
from workers.local.viewer_process import ViewerProcess
from workers.local.worker_process import WorkerProcess
from workers.render import marked, plain, relation
from workers.settings import KafkaSettings
from workers.topics import create_topics

_PARTITIONS: Final = 4
_BROKERS_OWN_DEFAULT: Final = -1
_PATIENCE_SECONDS: Final = 60.0


class Demo:
    """Kafka, Redis, a picture host, one worker and a page; used as a context, it stops what it started."""

    def __init__(
        self,
        *,
        bootstrap_servers: str | None,
        redis_url: str | None,
        release: str,
        progress: Progress,
        console: Console,
        page: bool = False,
    ) -> None:
        """Prepare; nothing starts before the context is entered.

        Args:
            bootstrap_servers: the user's Kafka; one of our own is started when None.
            redis_url: the user's Redis; one of our own is started when None.
            release: model release of the worker.
            progress: told what takes time.
            console: where results are shown.
            page: whether the live page is started too.
        """
        self._page = page
        self._bootstrap_servers = bootstrap_servers
        self._redis_url = redis_url
        self._release = release
        self._progress = progress
        self._console = console
        self._running = ExitStack()
        self.pictures = PictureHost()

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            directory = Path(starting.enter_context(TemporaryDirectory(prefix="rpbert-demo-")))
            starting.enter_context(self.pictures)
            for name in picture_names():
                self.pictures.add(name, picture_bytes(name))
            if self._redis_url is None:
                self._redis_url = starting.enter_context(ValkeyServer(progress=self._progress)).url
            if self._bootstrap_servers is None:
                self._bootstrap_servers = starting.enter_context(
                    KafkaCluster(1, progress=self._progress)
                ).bootstrap_servers
            self.kafka = KafkaSettings(bootstrap_servers=self._bootstrap_servers)
            self._progress("creating the topics")
            admin = kafka_clients.admin(self.kafka)
            starting.callback(admin.close)
            create_topics(admin, self.kafka, partitions=_PARTITIONS, replication_factor=_BROKERS_OWN_DEFAULT)
            # On the user's brokers the worker begins where we do, and leaves older posts alone.
            group = f"rpbert-demo-{uuid4().hex[:8]}"
            self.stream = Stream(self.kafka, group_id=group)
            starting.callback(self.stream.close)
            self._progress("the worker: loading its model release")
            self.worker = WorkerProcess(self._worker_flags(group), directory / "worker.log")
            starting.callback(self.worker.stop)
            self.worker.launch()
            self.viewer: ViewerProcess | None = None
            if self._page:
                self.viewer = ViewerProcess(self._viewer_flags(group), directory / "viewer.log")
                starting.callback(self.viewer.stop)
                self.viewer.launch().wait_ready()
            self.worker.wait_ready()
            self._producer = kafka_clients.plain_producer(self.kafka)
            starting.callback(self._producer.close, timeout=5)
            self._running = starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress("stopping everything")
        self._running.close()

    def produce(self, posts: Iterable[Post]) -> dict[Place, str]:
        """Produce posts; where each one stands in the input topic, and its id."""
        futures = [
            (
                post.id,
                self._producer.send(
                    self.kafka.input_topic,
                    key=post.id.encode(),
                    value=post.model_dump_json(exclude_none=True).encode(),
                ),
            )
            for post in posts
        ]
        places = {}
        for name, future in futures:
            metadata = future.get(timeout=30)
            places[metadata.partition, metadata.offset] = name
        return places

    def show(self, answer: Answer) -> None:
        """Print one result: the marked text, its pictures and the latency."""
        head = Text(f"{answer.seconds * 1_000:6.0f} ms  ", style="dim")
        if isinstance(answer.outcome, DeadLetter):
            letter = Text(f"dead letter: {plain(answer.outcome.message)}", style="red")
            self._console.print(head, letter, sep="", soft_wrap=True)
            return
        text = answer.post.text if answer.post is not None else ""
        self._console.print(head, marked(text, answer.outcome.entities), sep="", soft_wrap=True)
        for image in answer.outcome.images:
            name = urlsplit(image.url).path.rpartition("/")[2] or image.url
            self._console.print("         ", relation(image, name), sep="", soft_wrap=True)

    def run_samples(self, posts: Iterable[Post]) -> bool:
        """Produce the posts, show each result as it arrives, sum up; whether every post came out once."""
        awaited = self.produce(posts)
        produced = len(awaited)
        answers: list[Answer] = []
        deadline = monotonic() + _PATIENCE_SECONDS
        while awaited and monotonic() < deadline:
            for answer in self.stream.answers(timeout=0.2):
                self.show(answer)
                if awaited.pop(answer.place, None) is not None:
                    answers.append(answer)
        self._sum_up(produced, answers)
        if awaited:
            self._console.print(
                f"[red]missing after {_PATIENCE_SECONDS:.0f} s:[/red] {', '.join(awaited.values())}"
            )
        return not awaited

    def _worker_flags(self, group: str) -> list[str]:
        return [*self._common_flags(group), *("--redis-url", self._redis_url or "")]

    def _viewer_flags(self, group: str) -> list[str]:
        return [*self._common_flags(group), "--attention", "--allow-posts", "--allow-corrections"]

    def _common_flags(self, group: str) -> list[str]:
        return [
            *("--bootstrap-servers", self.kafka.bootstrap_servers),
            *("--release", self._release),
            *("--allow-network", "127.0.0.0/8"),
            *("--group-id", group),
        ]

    def _sum_up(self, produced: int, answers: list[Answer]) -> None:
        results = [answer.outcome for answer in answers if isinstance(answer.outcome, TaggedPost)]
        kinds = Counter(entity.type.value for result in results for entity in result.entities)
        by_kind = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
        images = [image for result in results for image in result.images]
        scored = sum(image.status is ImageStatus.OK for image in images)
        latency = median(answer.seconds for answer in answers) * 1_000 if answers else float("nan")
        release = f"{results[0].release.name}/{results[0].release.version}" if results else "none"
        self._console.print(
            f"\n[bold]{produced} posts in, {len(answers)} out[/bold]; "
            f"{kinds.total()} entities ({by_kind}); "
            f"{scored} pictures scored, {len(images) - scored} not to be had; "
            f"median latency {latency:.0f} ms; release {release}",
            highlight=False,
            soft_wrap=True,
        )
