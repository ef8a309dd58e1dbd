"""What the documentation's commands find: topics, a worker, letters, a store, and the files they name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from model.release import local_release
from model.signing import make_keys, read_private_key
from model.store.reference import ReleaseId
from model.store.store import ReleaseStore
from schemas import AnnotatedPost, DeadLetter, DeadLetterReason, Post, Stage
from tests.docs.gold import lay_out_gold
from tests.model.data.ambiguous import make_stamps
from workers import kafka_clients
from workers.local.samples import picture_bytes
from workers.local.worker_process import WorkerProcess
from workers.settings import KafkaSettings
from workers.topics import create_topics

# The pages speak of letter 3:44.
_LETTERS = 45
_TRC = (
    "tweet_id,text_is_represented,image_adds,image_adds_text_repr,image_adds_text_notrepr,"
    "image_notadds_text_repr,image_notadds_text_notrepr,,,\n71,0,1,0,1,0,0,,,\n"
)


_DRAWING = b"<svg xmlns:dc='http://purl.org/dc/elements/1.1/'><dc:title>A horse</dc:title></svg>"


@contextmanager
def service(bootstrap_servers: str, redis_url: str, release: Path, log: Path) -> Iterator[WorkerProcess]:
    """The topics of the settings' own names, letters in them, and a worker."""
    settings = KafkaSettings(bootstrap_servers=bootstrap_servers)
    with closing(kafka_clients.admin(settings)) as admin:
        create_topics(admin, settings, partitions=4, replication_factor=1)
    letter = DeadLetter(
        reason=DeadLetterReason.MODEL_FAILED,
        stage=Stage.ENGINE,
        message="The model failed.",
        topic=settings.input_topic,
        partition=0,
        offset=7,
    )
    with closing(kafka_clients.plain_producer(settings)) as producer:
        for number in range(_LETTERS):
            producer.send(
                settings.dead_letter_topic,
                b'{"id": "%d", "text": "Ada Lovelace in London"}' % number,
                key=b"%d" % number,
                headers=letter.to_headers(),
                partition=3,
            )
        producer.send(settings.input_topic, b'{"id": "0", "text": "Ada"}', key=b"0")
        producer.flush()
    flags = ["--bootstrap-servers", bootstrap_servers, "--redis-url", redis_url, "--release", str(release)]
    worker = WorkerProcess(flags, log).launch()
    try:
        worker.wait_ready()
        await_result(settings)
        yield worker
    finally:
        worker.stop()


def await_result(settings: KafkaSettings) -> None:
    """Wait until a result is committed: who reads to the end of the topic is to find one."""
    with closing(kafka_clients.reading_consumer(settings, from_start=True)) as consumer:
        consumer.subscribe([settings.output_topic])
        while not consumer.poll(timeout_ms=500):
            pass


def lay_out(here: Path, tiny: Path) -> None:
    """The files that the pages name, and a store whose stable release is the second."""
    for name in ("rocket.jpg", "lisbon.jpg"):
        (here / name).write_bytes(picture_bytes("rocket.jpg"))
    samples = here / "workers" / "local" / "samples"
    samples.mkdir(parents=True)
    (samples / "horse.jpg").write_bytes(picture_bytes("horse.jpg"))
    (here / "docs").mkdir()
    make_stamps(here / "tuxpaint" / "usr" / "share" / "tuxpaint" / "stamps")
    for kind, content in (("png", picture_bytes("horse.jpg")), ("svg", _DRAWING)):
        for folder in (here / "openclipart" / kind, here / "art" / "usr" / "share" / "openclipart" / kind):
            folder.mkdir(parents=True)
            (folder / f"horse.{kind}").write_bytes(content)
    (here / "runs" / "first" / "tensorboard").mkdir(parents=True)
    (here / "posts.jsonl").write_text('{"id": "1", "text": "Ada Lovelace in London"}\n', encoding="utf-8")
    lay_out_gold(here)
    (here / "textimage.csv").write_text(_TRC, encoding="utf-8")
    annotated = AnnotatedPost(
        post=Post(id="1", text="Ada in London"), entities=(), annotated_at=datetime.now(UTC), annotator="vera"
    )
    (here / "corrections.jsonl").write_text(annotated.model_dump_json() + "\n", encoding="utf-8")
    small, runs = here / "runs" / "small" / "release", here / "runs" / "first" / "release"
    packaged = local_release("small")
    assert packaged is not None
    shutil.copytree(packaged, small, copy_function=os.link)
    shutil.copytree(tiny, runs)
    make_keys(here / "release.key")
    key = read_private_key(here / "release.key")
    store = ReleaseStore(str(here / "store"))
    for release, directory in ((ReleaseId("tiny", "1"), tiny), (ReleaseId("small", "1.1.0"), small)):
        store.add(directory, key=key)
        store.point("stable", release, by="ada", reason="better")
