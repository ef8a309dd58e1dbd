from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bench.peers import environment
from bench.peers.environment import peers_python
from bench.peers.function import TagFunction
from bench.posts import Posts
from bench.workload import some_pixels
from model.inference import Tagger, TagRequest
from schemas import TaggedPost


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
        assert told["relevance"] == pytest.approx(max(tagging.relevance), abs=1e-5)
        assert told.keys() < TaggedPost.model_fields.keys()


def test_without_their_libraries_one_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "ENVIRONMENT", tmp_path)
    with pytest.raises(SystemExit, match="make bench-peers"):
        peers_python()
