"""A real Prometheus that scrapes a real worker under load, beside a trainer's metrics and a past week."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from random import Random
from typing import Any, Final
from unittest.mock import patch
from uuid import uuid4

import torch
from kafka import KafkaAdminClient

from tests.monitoring.dashboards import ROOT, Query
from tests.pipeline import Pipeline, Record
from tests.workers.tagger.in_process import wait_until
from tests.workers.trainer.records import record
from workers.local.kafka import KafkaCluster
from workers.local.picture_host import PictureHost
from workers.local.ports import LOOPBACK
from workers.local.prometheus import PrometheusServer
from workers.local.samples import picture_bytes, picture_names
from workers.local.valkey import ValkeyServer
from workers.local.worker_process import WorkerProcess
from workers.metrics import Metrics
from workers.tagger.device_metrics import watch_device
from workers.tagger.health import Health, HealthServer
from workers.trainer.push import metrics_of

_JOB: Final = "rpbert-worker"
_DAY: Final = 86_400
_COMPARED: Final = ("rpbert_relation_score", "rpbert_entity_score", "rpbert_entities", "rpbert_posts_tagged")
_GIGABYTE: Final = 2**30


@dataclass
class Scene:
    """What goes on.

    Attributes:
        pipeline: whose worker it is.
        pictures: where the posts' pictures are.
        prometheus: scrapes, and evaluates the committed rules.
        worker: the worker, scraped each second.
        began: when all was there, in seconds of Unix time.
        sent: records produced so far.
    """

    pipeline: Pipeline
    pictures: PictureHost
    prometheus: PrometheusServer
    worker: WorkerProcess
    began: float
    sent: int = 0

    def load(self, posts: int) -> None:
        """Produce posts of every kind and wait for what becomes of them: one of twenty is no post."""
        names = picture_names()
        urls = [self.pictures.add(name, picture_bytes(name)) for name in names]
        odd = (self.pictures.url_of("missing.jpg"), "http://169.254.169.254/latest/meta-data")
        records: list[Record] = []
        for number in range(self.sent, self.sent + posts):
            given = (*urls, *urls, *odd)[number % (2 * len(urls) + len(odd))] if number % 4 else None
            text = f"Anita Borg speaks in Lisbon tonight, says NASA to Leonard Cohen, number {number}"
            post = {"id": str(number), "text": text} | ({"image_url": given} if given else {})
            value = b"{" if number % 20 == 19 else json.dumps(post).encode()
            records.append((str(number).encode(), value, []))
        self.pipeline.produce(records)
        self.sent += posts
        self.pipeline.results(self.sent - self.sent // 20)

    def is_scraped(self) -> bool:
        """Whether Prometheus has had an answer of the worker, which counts from 0."""
        tagged = f'rpbert_posts_tagged_total{{job="{_JOB}",instance!="last-week"}}'
        return bool(self.prometheus.query_range(tagged, start=self.began, end=time.time(), step=1.0))

    def answer(self, query: Query, *, step: float = 1.0) -> list[dict[str, Any]]:
        """The series of a query since the scene began, those with a number in them."""
        series = self.prometheus.query_range(query.promql, start=self.began, end=time.time(), step=step)
        return [each for each in series if any(isfinite(float(value)) for _, value in each["values"])]


@contextmanager
def watched(kafka: KafkaCluster, valkey: ValkeyServer, release: str, directory: Path) -> Iterator[Scene]:
    """Start a worker and a Prometheus that watches it."""
    suffix = uuid4().hex[:8]
    topics = (f"raw.{suffix}", f"entities.{suffix}", f"dlq.{suffix}")
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    try:
        admin.create_topics({name: {"num_partitions": 4} for name in topics}, wait_for_metadata=True)
    finally:
        admin.close()
    with ExitStack() as stack:
        pipeline = Pipeline(
            bootstrap_servers=kafka.bootstrap_servers,
            redis_url=valkey.url,
            release=release,
            topics=topics,
            partitions=4,
            directory=directory,
            stack=stack,
        )
        worker = pipeline.worker()
        trainer = HealthServer(Health(), metrics_of(record(), 12.5).registry, LOOPBACK, 0)
        stack.callback(trainer.close)
        gpu = stack.enter_context(_gpu())
        ports = {_JOB: worker.metrics_port, "rpbert-trainer": trainer.port, "gpu-stand-in": gpu.port}
        prometheus = stack.enter_context(PrometheusServer(_configuration(ports), blocks=_a_week_ago()))
        scene = Scene(pipeline, stack.enter_context(PictureHost()), prometheus, worker, time.time())
        # An increase is told from the first scrape on: what was counted before it is none.
        wait_until(scene.is_scraped, "the worker is scraped before it has posts")
        yield scene


def _configuration(ports: dict[str, int]) -> dict[str, Any]:
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "2s"},
        "rule_files": [str(ROOT / "deploy" / "prometheus" / "rules.yaml")],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [f"{LOOPBACK}:{port}"]}]}
            for job, port in ports.items()
        ],
    }


@contextmanager
def _gpu() -> Iterator[HealthServer]:
    """The metrics of a GPU by the code that reads one; what it reads is made up, for machines without."""
    metrics = Metrics()
    with (
        patch.object(torch.cuda, "mem_get_info", lambda _: (100 * _GIGABYTE, 139 * _GIGABYTE)),
        patch.object(torch.cuda, "memory_reserved", lambda _: 20 * _GIGABYTE),
        patch.object(torch.cuda, "memory_allocated", lambda _: 12 * _GIGABYTE),
        patch.object(torch.cuda, "utilization", lambda _: 63),
    ):
        watch_device(torch.device("cuda:0"), metrics)
        server = HealthServer(Health(), metrics.registry, LOOPBACK, 0)
        try:
            yield server
        finally:
            server.close()


def _a_week_ago() -> str:
    """A day of last week in OpenMetrics text, made up: what a worker of then would have told each hour."""
    metrics, chance = Metrics(), Random(7)
    begins = int(time.time()) - 8 * _DAY - 3_600
    lines: dict[str, list[str]] = {}
    for hour in range(27):
        for family in metrics.registry.collect():
            for sample in family.samples if family.name in _COMPARED else ():
                labels = {**sample.labels, "job": _JOB, "instance": "last-week"}
                said = ",".join(f'{name}="{value}"' for name, value in labels.items())
                series = f"{sample.name}{{{said}}}"
                lines.setdefault(series, []).append(f"{series} {sample.value} {begins + hour * 3_600}")
        for _ in range(200):
            metrics.posts_tagged.inc()
            metrics.relation_score.observe(chance.betavariate(2, 2))
            metrics.entity_score.observe(chance.betavariate(5, 2))
            metrics.entities.labels(chance.choice(("PER", "LOC", "LOC", "ORG", "MISC"))).inc()
    return "\n".join(line for series in lines.values() for line in series) + "\n# EOF\n"
