import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from model.inference import Tagger
from model.manifest import MANIFEST
from model.release import ReleaseError, load_release, seal
from model.signing import read_private_key, read_public_key
from model.store.store import ReleaseStore
from tests.schemas.test_release import release
from tests.workers.releases.conftest import NO_KAFKA, Publish
from workers import kafka_clients
from workers.errors import SetupError
from workers.releases.look import list_and_print, show_and_print, verify_and_print
from workers.releases.operate import make_keys_and_print, prune_and_print, roll_back_and_print
from workers.settings import KafkaSettings, StoreSettings


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def printed(capsys: pytest.CaptureFixture[str]) -> list[Any]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_candidate_becomes_stable_is_listed_shown_verified_and_served(
    stores: StoreSettings, publish: Publish, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_keys_and_print(tmp_path / "key", as_json=True)
    publish("1", signing_key=tmp_path / "key")
    publish("2", channel="candidate", signing_key=tmp_path / "key")
    assert [line.get("release") for line in printed(capsys)] == [None, "tiny/1", "tiny/2"]

    list_and_print(stores, NO_KAFKA, as_json=True)
    rows = printed(capsys)
    assert [(row["version"], row["channels"], row["signed"], row["mark"]) for row in rows] == [
        ("1", ["stable"], True, None),
        ("2", ["candidate"], True, None),
    ]
    publish("tiny/2", reason="judged better")
    capsys.readouterr()
    list_and_print(stores, NO_KAFKA, as_json=False)
    assert capsys.readouterr().out.splitlines()[1].split("\t")[2] == "candidate, stable"

    show_and_print("stable", stores, as_json=True)
    (shown,) = printed(capsys)
    assert (shown["release"], shown["rollback_to"]) == ("tiny/2", "tiny/1")
    show_and_print("stable", stores, as_json=False)
    assert "tiny/2 by ada: judged better" in capsys.readouterr().out
    show_and_print("tiny/2", stores, as_json=False)
    assert "model.safetensors: " in capsys.readouterr().out

    verify_and_print((), stores, public_key=tmp_path / "key.pub", as_json=True)
    assert [line["ok"] for line in printed(capsys)] == [True, True]
    public = read_public_key(tmp_path / "key.pub")
    served = Tagger.load(f"{stores.store}#stable", device="cpu", dtype="float32", key=public)
    assert (served.name, served.version) == ("tiny", "2")
    assert load_release(f"file://{stores.store}#tiny/1", key=public).version == "1"


def test_what_is_not_as_it_should_be_is_verified_to_be_wrong(
    stores: StoreSettings, publish: Publish, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish("1")
    publish("2")
    card = Path(stores.store) / "tiny" / "1" / "README.md"
    card.write_text(card.read_text() + " ")
    capsys.readouterr()
    with pytest.raises(SetupError, match=r"1 of 2 releases are not what they should be: tiny/1"):
        verify_and_print((), stores, public_key=None, as_json=False)
    said = capsys.readouterr().out.splitlines()
    assert "README.md is not the file that the manifest names" in said[0]
    assert said[1] == "tiny/2: ok"
    verify_and_print(("stable",), stores, public_key=None, as_json=True)
    assert printed(capsys) == [{"release": "tiny/2", "ok": True, "error": None}]
    make_keys_and_print(tmp_path / "key", as_json=True)
    with pytest.raises(SetupError, match="1 of 1"):
        verify_and_print(("tiny/2",), stores, public_key=tmp_path / "key.pub", as_json=False)
    assert "is not signed" in capsys.readouterr().out
    with pytest.raises(ReleaseError, match="is not signed"):
        load_release(f"{stores.store}#stable", key=read_public_key(tmp_path / "key.pub"))
    with pytest.raises(ReleaseError, match="'small' is not of a release store"):
        load_release("small", key=read_public_key(tmp_path / "key.pub"))


@pytest.mark.parametrize("fault", ["pickle", "shape", "config", "tokenizer"])
def test_what_can_t_be_loaded_is_not_published_and_not_served(
    stores: StoreSettings, publish: Publish, tmp_path: Path, tiny_release: Path, fault: str
) -> None:
    publish("1")
    bad = tmp_path / "2"
    shutil.copytree(tiny_release, bad)
    weights = bad / "model.safetensors"
    match fault:
        case "pickle":
            weights.write_bytes(b"\x80\x04pickle.")
        case "shape":
            state = load_file(weights)
            state["relation.weight"] = torch.zeros(3, 32)
            save_file(state, weights)
        case "config":
            (bad / "config.json").write_text("{}")
        case _:
            (bad / "tokenizer.json").write_text("{}")
    seal(bad, name="tiny", version="2")
    with pytest.raises(SetupError, match=r"fetch the release again|train it anew"):
        publish("2")
    assert ReleaseStore(stores.store).current("stable").version == "1"
    # Somebody puts it there by other means, signed at that: it arrives whole, and is refused.
    make_keys_and_print(tmp_path / "key", as_json=True)
    store = ReleaseStore(stores.store)
    store.point("stable", store.add(bad, key=read_private_key(tmp_path / "key")), by="eve", reason="")
    with pytest.raises(ReleaseError, match=r"fetch the release again|train it anew"):
        load_release(f"{stores.store}#stable", key=read_public_key(tmp_path / "key.pub"))
    roll_back_and_print(stores, NO_KAFKA, channel="stable", reason="bad", by=None, as_json=False)
    assert load_release(f"{stores.store}#stable").version == "1"


def test_marks_are_listed_when_brokers_are_named(
    stores: StoreSettings, publish: Publish, announcing: KafkaSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    publish("1")
    mark = release(name="tiny", version="1", mark="refused", reason="slow\x1b[31m")
    producer = kafka_clients.plain_producer(announcing)
    producer.send(announcing.release_topic, value=mark.model_dump_json().encode(), key=mark.key.encode())
    producer.close()
    capsys.readouterr()
    list_and_print(stores, announcing, as_json=True)
    (row,) = printed(capsys)
    assert row["mark"]["reason"] == "slow\x1b[31m"
    list_and_print(stores, announcing, as_json=False)
    out = capsys.readouterr().out
    assert out.rstrip().endswith("refused: slow\N{REPLACEMENT CHARACTER}[31m")


def test_pruning_says_first_and_removes_when_told_to(
    stores: StoreSettings, publish: Publish, capsys: pytest.CaptureFixture[str]
) -> None:
    for version in ("1", "2", "3"):
        publish(version)
    capsys.readouterr()
    prune_and_print(stores, keep=1, execute=False, as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "would remove tiny/1",
        "nothing has been removed; add --execute to remove",
    ]
    assert len(ReleaseStore(stores.store).releases()) == 3
    prune_and_print(stores, keep=1, execute=True, as_json=True)
    assert printed(capsys) == [{"releases": ["tiny/1"], "unfinished": [], "removed": True}]
    prune_and_print(stores, keep=1, execute=True, as_json=False)
    assert capsys.readouterr().out == "removed nothing\n"
    list_and_print(stores, NO_KAFKA, as_json=True)
    assert [row["version"] for row in printed(capsys)] == ["2", "3"]


def test_what_is_unfinished_is_not_listed_but_said(
    stores: StoreSettings, publish: Publish, capsys: pytest.CaptureFixture[str]
) -> None:
    publish("1")
    (Path(stores.store) / "tiny" / "1" / MANIFEST).unlink()
    capsys.readouterr()
    list_and_print(stores, NO_KAFKA, as_json=False)
    said = capsys.readouterr()
    assert said.out == ""
    assert "no releases in file://" in said.err
    assert "not finished, and not listed: tiny/1; see `rpbert releases prune`" in said.err


def test_an_unknown_source_says_what_can_be_given(publish: Publish, stores: StoreSettings) -> None:
    with pytest.raises(SetupError, match=r"no release 'no such/thing/at all': give its directory"):
        publish("no such/thing/at all")
    with pytest.raises(SetupError, match="has no release tiny/9"):
        publish("tiny/9")
