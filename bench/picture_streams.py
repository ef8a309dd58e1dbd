"""Posts through pictures, batcher and model, with more and more reposts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import cycle
from queue import SimpleQueue
from threading import BoundedSemaphore
from time import perf_counter
from typing import Final

import numpy as np

from model.inference import Tagger
from schemas import Source
from workers.local.samples import sample_posts
from workers.metrics import Metrics
from workers.settings import BatchSettings, PictureSettings
from workers.tagger.engine import Engine
from workers.tagger.job import Job
from workers.tagger.pictures.picture import Picture
from workers.tagger.pictures.service import PictureService
from workers.tagger.serving.served import Served

_IN_FLIGHT: Final = 64


def posts_a_second(tagger: Tagger, settings: PictureSettings, urls: Sequence[str]) -> float:
    """Posts with one picture each, at most 64 under way, as in a worker but for Kafka.

    The clock starts with the first post, when the decoding processes have begun.
    """
    metrics = Metrics()
    service = PictureService(
        settings,
        backbone_digest=tagger.backbone_digest,
        feature_channels=tagger.feature_channels,
        metrics=metrics,
    )
    finished: SimpleQueue[Job] = SimpleQueue()
    room = BoundedSemaphore(_IN_FLIGHT)

    def finish(job: Job) -> None:
        finished.put(job)
        room.release()

    served = Served(tagger, service)
    engine = Engine(BatchSettings(), finished=finish, metrics=metrics)

    def illustrated(job: Job, pictures: tuple[Picture, ...]) -> None:
        job.pictures = pictures
        engine.expect(1)
        engine.submit(job)

    def submit(offset: int, text: str, url: str) -> None:
        room.acquire()
        source = Source(topic="bench", partition=0, offset=offset)
        job = Job(source, key=None, value=None, headers=(), served=served)
        job.text = tagger.prepare(text)
        service.submit((url,), partial(illustrated, job))

    service.start()
    engine.start()
    texts = cycle(post.text for post in sample_posts(str))
    first, *rest = urls
    submit(0, next(texts), first)
    jobs = [finished.get()]
    began = perf_counter()
    for offset, url in enumerate(rest, 1):
        submit(offset, next(texts), url)
    jobs += [finished.get() for _ in rest]
    seconds = perf_counter() - began
    engine.close()
    service.close()
    if any(job.tagging is None or not job.tagging.relevance for job in jobs):
        raise SystemExit("a post came out without its picture: the figures would be wrong")
    return len(rest) / seconds


def reposted(urls: Sequence[str], percent: int, seed: int) -> list[str]:
    """As many posts as pictures; that share of them has a picture of an earlier post."""
    random, fresh = np.random.default_rng(seed), iter(urls)
    posted = [next(fresh)]
    while len(posted) < len(urls):
        again = random.random() * 100 < percent
        posted.append(posted[random.integers(len(posted))] if again else next(fresh))
    return posted
