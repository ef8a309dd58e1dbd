from __future__ import annotations

import json
import sys
from pathlib import Path
from time import sleep

import numpy as np
import pytest

from bench.flow import flow
from bench.peers import compare, environment
from bench.peers.environment import peers_python
from bench.peers.function import TagFunction
from bench.posts import Posts
from bench.workload import some_pixels
from model.inference import Tagger, TagRequest
from schemas import TaggedPost
from workers.local.kafka import KafkaCluster
from workers.local.process import ServerProcess
from workers.local.valkey import ValkeyServer


def test_peers_call_the_model_that_the_worker_serves(tmp_path: Path) -> None:
    tagger = Tagger.load("small")
    posts = Posts(("http://127.0.0.1/a.jpg", "http://127.0.0.1/b.jpg"))
    features = dict(zip(posts.urls, tagger.describe(some_pixels(2, 1)), strict=True))
    np.savez(tmp_path / "features.npz", **features)
    results = TagFunction(tmp_path / "features.npz")([posts.value(number) for number in range(3)])
    for number, result in enumerate(results):
        url = posts.urls[number % 2]
        (tagging,) = tagger.tag([TagRequest(tagger.prepare(posts.text(number)), (features[url],))])
        told = json.loads(result)
        assert told["id"] == str(number)
        found = [(each["type"], each["start"], each["end"]) for each in told["entities"]]
        assert found == [(each.type, each.start, each.end) for each in tagging.entities]
        # In bf16 a batch's size moves a score in its fourth digit.
        assert told["relevance"] == pytest.approx(max(tagging.relevance), abs=0.002)
        assert told.keys() < TaggedPost.model_fields.keys()


def test_what_a_kill_makes_doubled_is_found(
    kafka: KafkaCluster, valkey: ValkeyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COPYING_SECONDS", "0.05")
    monkeypatch.setattr(compare, "_LOST_SECONDS", 2.0)
    monkeypatch.setattr(compare, "_QUIET_SECONDS", 0.5)
    peer = compare.Peer("copying", ("tests.bench.copying_peer",))
    with flow(kafka, valkey, "small", tmp_path) as topics:
        run = compare.Run(peer, topics, Posts(), sys.executable)
        found = run.measure(posts=20, loop_seconds=0.5, killed_posts=500)
    lost, doubled = found["lost after kill -9", "posts"], found["doubled after kill -9", "posts"]
    assert lost == 0
    assert doubled >= 20 + 20 + 5
    assert found["backlog", "posts/s"] > 0
    assert 0 < found["open loop, p50", "ms"] <= found["open loop, p99", "ms"]


def test_a_kill_that_comes_too_late_is_told(
    kafka: KafkaCluster, valkey: ValkeyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COPYING_SECONDS", "0")
    kill = ServerProcess.kill

    def kill_late(process: ServerProcess) -> None:
        sleep(2)
        kill(process)

    monkeypatch.setattr(ServerProcess, "kill", kill_late)
    peer = compare.Peer("copying", ("tests.bench.copying_peer",))
    with flow(kafka, valkey, "small", tmp_path) as topics:
        run = compare.Run(peer, topics, Posts(), sys.executable)
        with pytest.raises(SystemExit, match="all 6 posts were through before it was killed; give more"):
            run.measure(posts=5, loop_seconds=0.5, killed_posts=6)


def test_a_peer_that_ends_is_told_with_its_last_words(
    kafka: KafkaCluster, valkey: ValkeyServer, tmp_path: Path
) -> None:
    peer = compare.Peer("broken", ("tests.bench.no_such_peer",))
    with flow(kafka, valkey, "small", tmp_path) as topics:
        run = compare.Run(peer, topics, Posts(), sys.executable)
        with pytest.raises(SystemExit, match=r"broken has ended: 0 of 5 posts [^$]*No module named"):
            run.measure(posts=5, loop_seconds=0.5, killed_posts=5)


def test_without_their_libraries_one_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "ENVIRONMENT", tmp_path)
    with pytest.raises(SystemExit, match="make bench-peers"):
        peers_python()
