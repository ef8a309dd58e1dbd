"""A worker whose release changes under a steady stream of posts, on a real broker."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from aiohttp import web
from safetensors.torch import load_file, save_file

from model.inference import Tagger, TagRequest
from model.pictures import decode
from model.release import seal
from model.store.reference import ReleaseId
from model.store.store import ReleaseStore
from schemas import TaggedPost
from tests.integration.following import AUTHORS, NEVER, TEXT, following, steady_stream
from tests.pipeline import Pipeline
from tests.workers.releases.conftest import announcing, publish, stores
from tests.workers.tagger.in_process import wait_until
from workers.local.picture_host import PictureHost
from workers.local.samples import picture_bytes
from workers.releases.operate import roll_back_and_print
from workers.settings import KafkaSettings, PictureSettings, StoreSettings

__all__ = ["announcing", "publish", "stores"]

Publish = Callable[..., None]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def by_partition(results: list[tuple[Any, TaggedPost]]) -> list[list[TaggedPost]]:
    """The results of each input partition, in the order in which they were written."""
    partitions = sorted({result.source.partition for _, result in results})
    return [[result for _, result in results if result.source.partition == each] for each in partitions]


def test_under_a_steady_stream_releases_change_in_order_and_every_post_comes_once(
    pipeline: Pipeline,
    announcing: KafkaSettings,
    stores: StoreSettings,
    publish: Publish,
    *,
    tmp_path: Path,
    tiny_release: Path,
) -> None:
    publish("1", announcing)
    worker = following(pipeline, announcing, stores.store, refresh=NEVER)
    try:
        worker.wait_ready()
        with steady_stream(pipeline) as written:

            def serves(release: str) -> None:
                wait_until(lambda: worker.serving.current.name == release, f"{release} is served")
                # Of posts that are written from now on, one of each author.
                enough = written() + AUTHORS
                wait_until(lambda: worker.sample("rpbert_posts_tagged_total") >= enough, "posts go on")

            serves("tiny/1")
            publish("2", announcing)
            serves("tiny/2")
            # Somebody puts a pickle there and points the channel at it; then it is announced.
            bad = tmp_path / "bad"
            shutil.copytree(tiny_release, bad)
            (bad / "model.safetensors").write_bytes(b"\x80\x04pickle.")
            seal(bad, name="tiny", version="3")
            store = ReleaseStore(stores.store)
            store.add(bad)
            store.point("stable", ReleaseId("tiny", "3"), by="eve", reason="")
            publish("tiny/3", announcing)
            wait_until(
                lambda: worker.sample("rpbert_releases_refused_total", reason="format") == 1, "it is refused"
            )
            serves("tiny/2")
            publish("4", announcing)
            serves("tiny/4")
            roll_back_and_print(stores, announcing, channel="stable", reason="bad", by="bob", as_json=True)
            wait_until(
                lambda: worker.sample("rpbert_releases_refused_total", reason="format") == 2,
                "the rollback leads to the release that was refused",
            )
            roll_back_and_print(stores, announcing, channel="stable", reason="bad", by="bob", as_json=True)
            serves("tiny/2")
        results = pipeline.results(written())
        assert worker.failure is None
    finally:
        worker.close()
    assert sorted(int(result.id) for _, result in results) == list(range(written()))
    for partition in by_partition(results):
        offsets = [result.source.offset for result in partition]
        assert offsets == sorted(offsets)
        changes = [version for version, _ in groupby(result.release.version for result in partition)]
        # In this order; a partition may have had no post while one was served.
        expected = iter(["1", "2", "4", "2"])
        assert all(change in expected for change in changes)
    assert {result.release.version for _, result in results} == {"1", "2", "4"}


def test_a_post_in_flight_across_a_swap_keeps_its_release_and_that_one_s_features(
    pipeline: Pipeline,
    announcing: KafkaSettings,
    stores: StoreSettings,
    publish: Publish,
    *,
    picture_host: PictureHost,
    tmp_path: Path,
    tiny_release: Path,
) -> None:
    publish("1", announcing)
    other = tmp_path / "other"
    shutil.copytree(tiny_release, other)
    state = load_file(other / "model.safetensors")
    for name in [name for name in state if name.startswith("vision.")]:
        if state[name].ndim > 1:
            state[name] = state[name] * 1.5
    save_file(state, other / "model.safetensors")
    seal(other, name="tiny", version="2")
    gate = Event()

    async def slow(_: web.Request) -> web.Response:
        await asyncio.to_thread(gate.wait)
        return web.Response(body=picture_bytes("rocket.jpg"), content_type="image/jpeg")

    url = picture_host.add("slow.jpg", slow)
    patient = {"fetch_timeout": 60, "fetch_read_timeout": 60, "decode_timeout": 120}
    pictures = {"redis_url": pipeline.redis_url, "allow_network": ["127.0.0.0/8"], **patient}
    worker = following(
        pipeline, announcing, stores.store, refresh=NEVER, pictures=PictureSettings.model_validate(pictures)
    )
    old = worker.serving.current
    try:
        worker.wait_ready()
        post = {"text": TEXT, "image_url": url}
        pipeline.produce([(b"a", json.dumps(post | {"id": "before"}).encode(), [])])
        wait_until(lambda: old.under_way == 1, "a post is in flight")
        publish(str(other), announcing)
        wait_until(lambda: worker.serving.current.name == "tiny/2", "another backbone is served")
        assert worker.serving.current.pictures is not old.pictures
        pipeline.produce([(b"b", json.dumps(post | {"id": "after"}).encode(), [])])
        gate.set()
        results = {result.id: result for _, result in pipeline.results(2)}
    finally:
        gate.set()
        worker.close()
    assert results["before"].release.version == "1"
    assert results["after"].release.version == "2"
    expected = {version: _alone(stores.store, version) for version in ("1", "2")}
    assert expected["1"] != pytest.approx(expected["2"], abs=1e-6)
    for name, version in (("before", "1"), ("after", "2")):
        assert results[name].relevance == pytest.approx(expected[version], abs=1e-5)


def _alone(store: str, version: str) -> float:
    """The relation score of the post that is in flight, by one release and nothing else."""
    tagger = Tagger.load(f"{store}#tiny/{version}", dtype="float32")
    features = tagger.describe(decode(picture_bytes("rocket.jpg"))[None])[0]
    (tagging,) = tagger.tag([TagRequest(tagger.prepare(TEXT), (features,))])
    return tagging.relevance[0]
