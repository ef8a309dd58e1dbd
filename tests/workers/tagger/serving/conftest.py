"""A store that is followed: good and bad releases for it, and what comes of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from model.inference import Tagger
from model.release import seal
from model.store.reference import ReleaseId
from model.store.store import ReleaseStore
from tests.workers.releases.conftest import Publish, announcing, publish, stores
from tests.workers.tagger.in_process import wait_until
from workers.metrics import Metrics
from workers.settings import KafkaSettings, ModelSettings, PictureSettings, StoreSettings, WorkerSettings
from workers.tagger.process import make_follower
from workers.tagger.serving.serving import Serving

__all__ = ["Publish", "announcing", "publish", "stores"]

Variant = Callable[..., Path]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def variant(tiny_release: Path, tmp_path: Path) -> Variant:
    """Makes a directory of the tiny release under another version, its weights changed on demand."""

    def make(
        version: str, change: Callable[[dict[str, torch.Tensor]], None] | None = None, *, within: str = "made"
    ) -> Path:
        directory = tmp_path / within / version
        shutil.copytree(tiny_release, directory)
        if change is not None:
            state = load_file(directory / "model.safetensors")
            change(state)
            save_file(state, directory / "model.safetensors")
        seal(directory, name="tiny", version=version)
        return directory

    return make


class Followed:
    """A release in service whose channel is followed, without a worker around it.

    Attributes:
        candidates: all that were tried out.
    """

    def __init__(self, settings: WorkerSettings, stack: ExitStack) -> None:
        self.metrics = Metrics()
        tagger = Tagger.load(settings.model.release, dtype="float32")
        self.serving = Serving(tagger, settings.pictures, settings.candidate, self.metrics)
        self.candidates: list[str] = []
        try_out = self.serving.try_out

        def noted(tagger: Tagger, salt: str) -> None:
            self.candidates.append(f"{tagger.name}/{tagger.version}")
            try_out(tagger, salt)

        vars(self.serving)["try_out"] = noted
        stack.callback(self.serving.close)
        stack.enter_context(make_follower(settings, self.serving, self.metrics))

    def wait_for(self, release: str) -> None:
        """Wait until a release is served."""
        wait_until(lambda: self.serving.current.name == release, f"{release} is served")

    def refused(self, reason: str) -> float:
        """How often a release was refused for a reason."""
        return self.sample("releases_refused_total", reason=reason)

    def sample(self, name: str, /, **labels: str) -> float:
        """One of the metrics."""
        return self.metrics.registry.get_sample_value(f"rpbert_{name}", labels) or 0.0


Follow = Callable[..., Followed]


@pytest.fixture
def follow(stores: StoreSettings, announcing: KafkaSettings) -> Iterator[Follow]:
    """Follows the store's stable channel; the topic is there, but whoever doesn't announce isn't heard."""
    with ExitStack() as stack:

        def follow(**changes: Any) -> Followed:
            refresh = {"release_poll_seconds": 0.1} | changes.pop("refresh", {})
            model = {"release": f"{stores.store}#stable", "dtype": "float32"} | changes.pop("model", {})
            settings = {
                "kafka": announcing,
                "model": ModelSettings.model_validate(model),
                "pictures": PictureSettings(redis_url=None),
                "refresh": refresh,
            }
            return Followed(WorkerSettings.model_validate(settings | changes), stack)

        yield follow


@pytest.fixture
def smuggle(stores: StoreSettings) -> Callable[[Path], ReleaseStore]:
    """Puts a release into the store past all checks, and points the channel at it."""

    def smuggle(directory: Path) -> ReleaseStore:
        store = ReleaseStore(stores.store)
        store.add(directory)
        store.point("stable", ReleaseId("tiny", directory.name), by="eve", reason="")
        return store

    return smuggle
