"""Builds the stage of a run: topics on three brokers, the tiny release, pictures, workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

from kafka import KafkaAdminClient

from tests.faults.stage import Stage
from tests.faults.workload import Workload
from workers.local.kafka import KafkaCluster
from workers.local.picture_host import PictureHost
from workers.local.samples import picture_bytes, picture_names
from workers.local.valkey import ValkeyServer
from workers.local.worker_process import RPBERT_WORKER

PARTITIONS: Final = 12


@contextmanager
def built(
    kafka: KafkaCluster,
    release: Path,
    directory: Path,
    *,
    pods: int,
    static: bool = True,
    partitions: int = PARTITIONS,
    flags: Sequence[str] = (),
    program: Sequence[str] = RPBERT_WORKER,
) -> Iterator[tuple[Stage, Workload]]:
    """A stage with its workers ready, and the workload whose pictures its host serves."""
    with ExitStack() as stack:
        valkey = stack.enter_context(ValkeyServer())
        host = stack.enter_context(PictureHost())
        urls = [host.add(name, picture_bytes(name)) for name in picture_names()]
        stage = Stage(
            kafka=kafka,
            valkey=valkey,
            release=release,
            topics=_topics(kafka, partitions),
            partitions=partitions,
            directory=directory,
            flags=flags,
            program=program,
            stack=stack,
        )
        stage.add_pods(pods, static=static)
        yield stage, Workload(urls)


def _topics(kafka: KafkaCluster, partitions: int) -> tuple[str, str, str]:
    mark = uuid4().hex[:8]
    raw, entities, dead = (f"{stem}.{mark}" for stem in ("posts.raw", "posts.entities", "posts.dlq"))
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    try:
        admin.create_topics(
            {name: {"num_partitions": partitions} for name in (raw, entities, dead)}, wait_for_metadata=True
        )
    finally:
        admin.close()
    return raw, entities, dead
