from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from model.manifest import Fault, ReleaseError
from model.release import seal
from model.store.reference import ReleaseId
from model.store.store import ReleaseStore
from tests.workers.tagger.serving.conftest import Variant
from workers.settings import BatchSettings, ModelSettings, StoreSettings
from workers.tagger.serving.arrival import bring_in

MODEL, BATCH = ModelSettings(dtype="float32"), BatchSettings(batch_posts=2)


def test_a_release_that_was_exchanged_under_its_channel_is_refused(
    stores: StoreSettings, smuggle: Callable[[Path], ReleaseStore], variant: Variant
) -> None:
    store = smuggle(variant("1"))
    entry = store.current("stable")
    tagger = bring_in(store.url, entry, MODEL, BATCH, None)
    assert (tagger.name, tagger.version) == ("tiny", "1")
    # Another one, whole and sealed, in its place.
    there = Path(stores.store) / "tiny" / "1"
    (there / "README.md").write_text("exchanged")
    seal(there, name="tiny", version="1")
    with pytest.raises(ReleaseError, match="is not the release that the channel was pointed at") as refused:
        bring_in(store.url, entry, MODEL, BATCH, None)
    assert refused.value.fault is Fault.DAMAGED


def test_a_fetch_is_told_at_its_beginning_and_its_end(
    smuggle: Callable[[Path], ReleaseStore], variant: Variant
) -> None:
    store = smuggle(variant("1"))
    entry = store.current("stable")
    size = store.size(ReleaseId("tiny", "1"))
    with capture_logs() as logs:
        bring_in(store.url, entry, MODEL, BATCH, None)
    assert [(line["event"], line["release"], line["bytes"]) for line in logs] == [
        ("fetching a release", "tiny/1", size),
        ("the release is here", "tiny/1", size),
    ]
    with capture_logs() as logs:
        bring_in(store.url, entry, MODEL, BATCH, None)
    assert logs == []


def test_a_fetch_that_fails_is_not_told_as_one_that_is_done(
    smuggle: Callable[[Path], ReleaseStore], variant: Variant
) -> None:
    store = smuggle(variant("1"))
    entry = store.current("stable")
    store.files.write("tiny/1/README.md", b"exchanged")
    with capture_logs() as logs, pytest.raises(ReleaseError, match="is not the file that the manifest names"):
        bring_in(store.url, entry, MODEL, BATCH, None)
    assert [line["event"] for line in logs] == ["fetching a release"]


def test_a_release_that_is_gone_is_missing(
    stores: StoreSettings, smuggle: Callable[[Path], ReleaseStore], variant: Variant
) -> None:
    store = smuggle(variant("1"))
    entry = store.current("stable")
    store.files.remove(str(ReleaseId("tiny", "1")))
    with pytest.raises(ReleaseError, match="has no release tiny/1") as refused:
        bring_in(store.url, entry, MODEL, BATCH, None)
    assert refused.value.fault is Fault.MISSING
