"""A whole run: control plane, KEDA, Kafka, workers, two waves, and the checker's word on every post."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from tests.autoscale.burst import Bursts
from tests.autoscale.course import Course, Mark, Stuck, Wave
from tests.autoscale.keda import CRDS, Keda
from tests.autoscale.kubelet import COMPONENT, Kubelet
from tests.autoscale.objects import NAMESPACE, OVERLAY, Shortened, at, differences, secrets, shortened
from tests.autoscale.secured_kafka import SecuredKafka, secured_kafka
from tests.autoscale.watch import Sample, Watch
from tests.deploy.control_plane.build import keda_binaries
from tests.deploy.control_plane.cluster import Cluster
from tests.deploy.control_plane.furniture import CRDS as OUR_CRDS
from tests.deploy.control_plane.furniture import furnish
from tests.deploy.manifests import manifests
from tests.faults.checker import Checker
from tests.faults.reader import Reader
from tests.faults.workload import Workload
from tests.model.tiny import save_tiny_release
from workers.local.picture_host import Handler, PictureHost
from workers.local.samples import picture_bytes, picture_names
from workers.local.valkey import ValkeyServer

_PICTURE_EVERY: Final = 4
# No two posts have the same URL, so none is remembered.
_URLS: Final = 50_000


class Plan(BaseModel):
    """What a run is asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    burst: int = Field(24_000, ge=1_000, description="Posts of each of the two waves.")
    picture_seconds: float = Field(
        0.8,
        gt=0,
        description="Seconds that the host of the pictures takes for each. One post in four has one and a "
        "worker fetches eight at a time from a host: so many seconds make 32 posts a worker.",
    )
    shortened: Shortened = Shortened()


class Finding(BaseModel):
    """What a run showed."""

    changed: list[str] = Field([], description="Fields of the ScaledObject that are not as rendered.")
    posts: int = Field(description="Posts that Kafka holds, without those of aborted transactions.")
    outcomes: int = Field(description="Posts with a result or a dead letter.")
    waves: list[Wave]
    workers: int = Field(description="Worker processes that were started.")
    ended: list[str] = Field(description="Workers that ended by themselves.")
    wrong: list[str] = Field(description="What was not as it should be; empty when all was.")
    marks: list[Mark]
    samples: list[Sample]


def run(plan: Plan, directory: Path, tell: Callable[[str], None]) -> Finding:
    """Start everything, take two waves, end everything."""
    with ExitStack() as stack:
        tell("starting Kafka, Redis, the control plane and KEDA")
        kafka = stack.enter_context(secured_kafka(manifests(OVERLAY), directory))
        valkey = stack.enter_context(ValkeyServer())
        host = stack.enter_context(PictureHost())
        cluster = stack.enter_context(Cluster(left_alone=COMPONENT))
        theirs = [each for each in OUR_CRDS if not each.name.startswith("keda.sh")]
        furnish(cluster, [*theirs, keda_binaries() / CRDS])
        stack.enter_context(Keda(cluster, directory))
        changed = _apply(cluster, kafka, valkey, plan.shortened)
        for each in changed:
            tell(f"not as rendered: {each}")
        workload = Workload(_urls(host, plan), _PICTURE_EVERY)
        return _follow(plan, _Place(cluster, kafka, directory), workload, tell).model_copy(
            update={"changed": changed}
        )


def _apply(cluster: Cluster, kafka: SecuredKafka, valkey: ValkeyServer, by: Shortened) -> list[str]:
    """Apply the overlay; gives what is changed in the ScaledObject."""
    (rendered,) = manifests(OVERLAY).of("ScaledObject")
    objects = at(kafka.bootstrap_servers)
    (scaled,) = objects.of("ScaledObject")
    applied = shortened(scaled, by)
    first = objects.of("Namespace")
    cluster.apply([*first, *secrets(kafka, valkey)])
    cluster.apply([applied if each is scaled else each for each in objects.objects if each not in first])
    return list(differences(rendered, applied))


def _urls(host: PictureHost, plan: Plan) -> Sequence[str]:
    urls = [host.add(name, _late(picture_bytes(name), plan.picture_seconds)) for name in picture_names()]
    return [f"{urls[number % len(urls)]}?{number}" for number in range(_URLS)]


def _late(body: bytes, seconds: float) -> Handler:
    async def handler(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return web.Response(body=body, content_type="image/jpeg")

    return handler


@dataclass(frozen=True, slots=True)
class _Place:
    cluster: Cluster
    kafka: SecuredKafka
    directory: Path


def _follow(plan: Plan, place: _Place, workload: Workload, tell: Callable[[str], None]) -> Finding:
    (trigger,) = manifests(OVERLAY).of("ScaledObject")[0]["spec"]["triggers"]
    topic, group = trigger["metadata"]["topic"], trigger["metadata"]["consumerGroup"]
    partitions = manifests(OVERLAY).one("KafkaTopic", topic)["spec"]["partitions"]
    servers = place.kafka.open_servers
    checker = Checker(workload.key)
    reader = Reader(
        servers, results="posts.entities", dead_letters="posts.dlq", partitions=partitions, take=checker.take
    )
    watch = Watch(
        place.cluster,
        NAMESPACE,
        bootstrap_servers=servers,
        group=group,
        topic=topic,
        partitions=partitions,
        outcomes=lambda: checker.distinct,
    )
    kubelet = _kubelet(place)
    bursts = Bursts(servers, topic, partitions, workload)
    course = Course(place.cluster, kubelet, watch, reader, checker, bursts, plan.shortened.most, tell)
    with ExitStack() as stack:
        stack.callback(reader.close)
        reader.start()
        stack.callback(kubelet.close)
        kubelet.start()
        stack.callback(watch.close)
        watch.start()
        try:
            course.begin()
            course.wave("plainly written", plan.burst, bursts.plain, course.evict_one)
            course.wave("written by transactions", plan.burst, bursts.in_transactions, course.roll)
        except Stuck as error:
            course.wrong.append(f"{error}" + (f": {error.__cause__!r}" if error.__cause__ else ""))
    return Finding(
        posts=len(bursts.ledger),
        outcomes=checker.distinct,
        waves=course.waves,
        workers=kubelet.begun,
        ended=kubelet.ended,
        wrong=[*course.wrong, *_beyond(watch, plan), *kubelet.failed, *checker.findings(bursts.ledger)],
        marks=course.marks,
        samples=watch.samples,
    )


def _kubelet(place: _Place) -> Kubelet:
    directory = place.directory
    authority = directory / "kafka-ca.crt"
    authority.write_text(place.kafka.ca, encoding="ascii")
    return Kubelet(
        place.cluster,
        NAMESPACE,
        instead={
            # What a volume would hold, and what this machine hasn't: a bucket, a GPU, a core each.
            "RPBERT_SSL_CAFILE": str(authority),
            "RPBERT_RELEASE": str(save_tiny_release(directory / "tiny")),
            "RPBERT_DEVICE": "cpu",
            "OMP_NUM_THREADS": "1",
            "XDG_CACHE_HOME": str(directory / "cache"),
        },
        flags=("--dtype", "float32", "--allow-network", "127.0.0.0/8", "--max-in-flight", "256"),
        directory=directory,
    )


def _beyond(watch: Watch, plan: Plan) -> list[str]:
    most = max(each.pods for each in watch.samples)
    return [f"{most} pods at once, {plan.shortened.most} allowed"] if most > plan.shortened.most else []
