"""What comes into service from a store, and what never does."""

import errno
import gc
import json
import shutil
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from structlog.testing import capture_logs

from model.inference import Tagger, TagRequest
from model.release import seal
from model.signing import make_keys, read_private_key
from model.store import download as downloads
from model.store.reference import ReleaseId
from model.store.store import ReleaseStore
from tests.workers.releases.conftest import NO_KAFKA, Publish
from tests.workers.tagger.in_process import wait_until
from tests.workers.tagger.serving.conftest import Follow, Variant
from workers.releases.operate import roll_back_and_print
from workers.settings import KafkaSettings, StoreSettings

Smuggle = Callable[[Path], ReleaseStore]
NEVER = {"release_poll_seconds": 3_600}


def test_what_the_channel_points_to_comes_into_service_and_a_rollback_takes_it_back(
    stores: StoreSettings, publish: Publish, follow: Follow
) -> None:
    publish("1")
    followed = follow()
    first = followed.serving.current
    publish("2")
    followed.wait_for("tiny/2")
    publish("3")
    followed.wait_for("tiny/3")
    assert first.name == "tiny/1"
    assert followed.sample("release_info", name="tiny", version="3") == 1
    roll_back_and_print(stores, NO_KAFKA, channel="stable", reason="bad", by="bob", as_json=True)
    followed.wait_for("tiny/2")
    wait_until(lambda: followed.sample("release_changes_total") == 3, "three changes are counted")


def test_an_announcement_is_heard_though_nobody_looks_at_the_store(
    stores: StoreSettings, announcing: KafkaSettings, publish: Publish, follow: Follow
) -> None:
    publish("1", announcing)
    followed = follow(refresh=NEVER)
    wait_until(lambda: followed.sample("release_store_up") == 1, "the store was looked at")
    publish("2", announcing)
    followed.wait_for("tiny/2")
    roll_back_and_print(stores, announcing, channel="stable", reason="bad", by="bob", as_json=True)
    followed.wait_for("tiny/1")


def test_without_the_topic_the_store_is_looked_at(
    announcing: KafkaSettings, publish: Publish, follow: Follow
) -> None:
    publish("1")
    followed = follow(kafka=announcing.model_copy(update={"release_topic": "nowhere.releases"}))
    publish("2")
    followed.wait_for("tiny/2")


def tampered(made: Path) -> None:
    weights = made / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)


def truncated(made: Path) -> None:
    weights = made / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def pickled(made: Path) -> None:
    torch.save({"weight": torch.zeros(2)}, made / "model.safetensors")


def other_architecture(made: Path) -> None:
    config = json.loads((made / "config.json").read_text())
    config["tagger"]["lstm_hidden"] = 8
    (made / "config.json").write_text(json.dumps(config))


def other_version(made: Path) -> None:
    (made / "config.json").write_text('{"from": "the future"}')


def golden_wrong(made: Path) -> None:
    (made / "golden.jsonl").write_text(golden("Nobody is named here", (0, 6, "MISC"), (7, 9, "MISC")))


def golden(text: str, *entities: tuple[int, int, str]) -> str:
    spans = [{"start": start, "end": end, "type": kind} for start, end, kind in entities]
    post = {"post": {"id": "g1", "text": text}, "entities": spans, "annotator": "ada"}
    return json.dumps(post | {"annotated_at": "2026-01-31T12:00:00Z"}) + "\n"


@pytest.mark.parametrize(
    ("spoil", "reason", "sealed"),
    [
        (tampered, "damaged", False),
        (truncated, "damaged", False),
        (pickled, "format", True),
        (other_architecture, "architecture", True),
        (other_version, "architecture", True),
        (golden_wrong, "golden", True),
    ],
)
def test_a_bad_release_is_refused_once_and_the_next_good_one_is_taken(
    publish: Publish,
    follow: Follow,
    variant: Variant,
    smuggle: Smuggle,
    stores: StoreSettings,
    *,
    spoil: Callable[[Path], None],
    reason: str,
    sealed: bool,
) -> None:
    publish("1")
    followed = follow()
    served = followed.serving.current
    bad = variant("2")
    if sealed:
        spoil(bad)
        seal(bad, name="tiny", version="2")
        with capture_logs() as logs:
            smuggle(bad)
            wait_until(lambda: followed.refused(reason) == 1, "it is refused")
    else:
        # Sealed as it was made, and spoiled in the store before anyone is pointed at it.
        store = ReleaseStore(stores.store)
        store.add(bad)
        spoil(Path(stores.store) / "tiny" / "2")
        with capture_logs() as logs:
            store.point("stable", ReleaseId("tiny", "2"), by="eve", reason="")
            wait_until(lambda: followed.refused(reason) == 1, "it is refused")
    assert followed.serving.current is served
    # Whoever is on call sees that what is served is not what the channel points to.
    wait_until(lambda: followed.sample("release_behind") == 1, "the worker is behind")
    publish("3")
    followed.wait_for("tiny/3")
    wait_until(lambda: followed.sample("release_behind") == 0, "it has caught up")
    assert followed.refused(reason) == 1
    (said,) = [line for line in logs if line.get("release") == "tiny/2" and line["log_level"] != "info"]
    assert said["fault"] == reason
    assert said["reason"]


@pytest.mark.parametrize("signer", [None, "other"])
def test_with_a_public_key_what_its_owner_did_not_sign_is_refused(
    publish: Publish, follow: Follow, tmp_path: Path, signer: str | None
) -> None:
    public = make_keys(tmp_path / "key")
    make_keys(tmp_path / "other")
    publish("1", signing_key=tmp_path / "key")
    followed = follow(model={"public_key": public})
    publish("2", signing_key=signer and tmp_path / signer)
    wait_until(lambda: followed.refused("unsigned") == 1, "it is refused")
    assert followed.serving.current.name == "tiny/1"
    publish("3", signing_key=tmp_path / "key")
    followed.wait_for("tiny/3")


def test_a_refused_release_is_tried_again_once_it_is_announced_anew(
    announcing: KafkaSettings, stores: StoreSettings, publish: Publish, follow: Follow, tmp_path: Path
) -> None:
    public = make_keys(tmp_path / "key")
    publish("1", announcing, signing_key=tmp_path / "key")
    followed = follow(model={"public_key": public})
    publish("2", announcing)
    wait_until(lambda: followed.refused("unsigned") >= 1, "it is refused")
    ReleaseStore(stores.store).sign(ReleaseId("tiny", "2"), read_private_key(tmp_path / "key"))
    publish("tiny/2", announcing)
    followed.wait_for("tiny/2")


def test_a_store_that_is_away_is_waited_for(
    stores: StoreSettings, publish: Publish, follow: Follow, tmp_path: Path
) -> None:
    publish("1")
    followed = follow()
    wait_until(lambda: followed.sample("release_store_up") == 1, "the store is seen")
    shutil.move(stores.store, tmp_path / "away")
    wait_until(lambda: followed.sample("release_store_up") == 0, "the store is missed")
    assert followed.serving.current.name == "tiny/1"
    shutil.move(tmp_path / "away", stores.store)
    publish("2")
    followed.wait_for("tiny/2")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(OSError(errno.ENOSPC, "full"), "disk"), (MemoryError(), "memory")],
)
def test_a_fault_that_passes_is_tried_again(
    publish: Publish,
    follow: Follow,
    variant: Variant,
    smuggle: Smuggle,
    monkeypatch: pytest.MonkeyPatch,
    *,
    fault: Exception,
    reason: str,
) -> None:
    publish("1")
    followed = follow()

    def fails(*_: Any, **__: Any) -> None:
        raise fault

    with monkeypatch.context() as broken:
        if reason == "disk":
            broken.setattr(downloads, "_fetch", fails)
        else:
            broken.setattr(Tagger, "rehearse", fails)
        smuggle(variant("2"))
        wait_until(lambda: followed.refused(reason) >= 2, "it is tried again")
        assert followed.serving.current.name == "tiny/1"
    followed.wait_for("tiny/2")


def test_a_release_that_fails_on_known_good_posts_is_refused(
    publish: Publish, follow: Follow, variant: Variant, smuggle: Smuggle
) -> None:
    publish("1")
    followed = follow()

    def without_a_number(state: dict[str, torch.Tensor]) -> None:
        # What sums to no probability fails where scores are made.
        for tensor in state.values():
            if tensor.is_floating_point():
                tensor.fill_(float("nan"))

    smuggle(variant("2", without_a_number))
    wait_until(lambda: followed.refused("model") == 1, "it is refused")
    assert followed.serving.current.name == "tiny/1"
    publish("3")
    followed.wait_for("tiny/3")


def test_golden_posts_that_come_out_right_let_a_release_in(
    stores: StoreSettings, publish: Publish, follow: Follow, tmp_path: Path, tiny_release: Path
) -> None:
    tagger = Tagger.load(str(tiny_release), dtype="float32")
    text = "Anita Borg speaks in Lisbon tonight"
    (right,) = tagger.tag([TagRequest(tagger.prepare(text))])
    assert right.entities
    (tmp_path / "golden.jsonl").write_text(
        golden(text, *((each.start, each.end, each.type.value) for each in right.entities))
    )
    publish("1")
    followed = follow()
    publish("2", golden=tmp_path / "golden.jsonl")
    followed.wait_for("tiny/2")
    assert (Path(stores.store) / "tiny" / "2" / "golden.jsonl").exists()


def test_while_a_release_comes_no_thread_keeps_the_others_waiting(
    publish: Publish, follow: Follow, variant: Variant, smuggle: Smuggle, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("1")
    followed = follow()
    usual, meanwhile, rehearse = sys.getswitchinterval(), list[float](), Tagger.rehearse

    def rehearse_and_look(tagger: Tagger, **sizes: int) -> None:
        meanwhile.append(sys.getswitchinterval())
        rehearse(tagger, **sizes)

    monkeypatch.setattr(Tagger, "rehearse", rehearse_and_look)
    smuggle(variant("2"))
    followed.wait_for("tiny/2")
    assert meanwhile
    assert max(meanwhile) < usual
    assert sys.getswitchinterval() == usual


def test_an_old_release_goes_once_its_last_post_is_done(publish: Publish, follow: Follow) -> None:
    publish("1")
    followed = follow()
    tagger = weakref.ref(followed.serving.current.tagger)
    under_way = followed.serving.take(None)
    publish("2")
    followed.wait_for("tiny/2")
    gc.collect()
    assert tagger() is not None
    assert under_way.name == "tiny/1"
    followed.serving.give_back(under_way)
    del under_way

    def gone() -> bool:
        gc.collect()
        return tagger() is None

    wait_until(gone, "the old network is gone")
