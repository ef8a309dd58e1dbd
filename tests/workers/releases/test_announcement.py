import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from model.signing import make_keys
from model.store.store import ReleaseStore
from schemas import ReleaseMark, ReleaseName
from tests.workers.releases.conftest import Publish, announced
from workers import kafka_clients
from workers.errors import SetupError
from workers.releases.announcement import Announcer
from workers.releases.board import Board
from workers.releases.operate import roll_back_and_print
from workers.settings import KafkaSettings, StoreSettings


def roll_back(stores: StoreSettings, kafka: KafkaSettings) -> None:
    roll_back_and_print(stores, kafka, channel="stable", reason="misses places", by="bob", as_json=True)


def test_what_a_channel_serves_is_announced_and_rolled_back(
    announcing: KafkaSettings,
    stores: StoreSettings,
    publish: Publish,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_keys(tmp_path / "key")
    publish("1", announcing)
    publish("2", announcing, signing_key=tmp_path / "key")
    (_, first), (lifted, nothing), (_, second), _ = announced(announcing)
    assert first is not None
    assert second is not None
    assert (lifted, nothing) == ("tiny/1", None)
    assert (first.version, first.replaces, first.signature) == ("1", None, None)
    assert (second.version, second.replaces) == ("2", ReleaseName(name="tiny", version="1"))
    assert (second.announced_by, second.reason) == ("ada", "better")
    store = ReleaseStore(stores.store)
    assert second.location == f"{store.url}/tiny/2"
    assert second.manifest_sha256 == store.current("stable").manifest_sha256
    assert second.signature == store.sealed(store.current("stable").release).signature

    roll_back(stores, announcing)
    records = dict(announced(announcing))
    pointer, mark = records["stable"], records["tiny/2"]
    assert pointer is not None
    assert mark is not None
    assert (pointer.version, pointer.replaces) == ("1", ReleaseName(name="tiny", version="2"))
    assert (pointer.announced_by, pointer.reason) == ("bob", "misses places")
    assert (mark.mark, mark.reason, mark.channel) == (ReleaseMark.ROLLED_BACK, "misses places", "stable")
    assert store.current("stable").version == "1"

    board = Board.read(announcing)
    assert board.channels == {"stable": pointer}
    assert board.mark("tiny/2") == mark
    with pytest.raises(SetupError, match="tiny/2 was rolled back"):
        publish("2", announcing)
    publish("2", announcing, again=True)
    board = Board.read(announcing)
    assert board.channels["stable"].version == "2"
    assert board.mark("tiny/2") is None

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["before"], line["release"], line["announced"]) for line in lines] == [
        (None, "tiny/1", True),
        ("tiny/1", "tiny/2", True),
        ("tiny/2", "tiny/1", True),
        ("tiny/1", "tiny/2", True),
    ]


def test_a_lost_announcement_is_made_good_by_publishing_again(
    announcing: KafkaSettings, stores: StoreSettings, publish: Publish
) -> None:
    publish("1")
    publish("2")
    roll_back(stores, KafkaSettings())
    assert announced(announcing) == []
    publish("tiny/1", announcing)
    board = Board.read(announcing)
    assert board.channels["stable"].version == "1"
    assert board.mark("tiny/2") is not None


def test_without_a_topic_nothing_is_changed(
    announcing: KafkaSettings, stores: StoreSettings, publish: Publish, make_topics: Any
) -> None:
    publish("1")
    missing = announcing.model_copy(update={"release_topic": "nowhere.releases"})
    (forgetful,) = make_topics("forgetful", cleanup_policy="delete")
    for settings, says in (
        (missing, r"nowhere\.releases.*rpbert topics create"),
        (announcing.model_copy(update={"release_topic": forgetful}), "cleanup.policy that deletes"),
    ):
        with pytest.raises(SetupError, match=says):
            publish("2", settings)
    assert ReleaseStore(stores.store).current("stable").version == "1"


def test_of_two_announcers_the_later_one_goes_on_and_the_earlier_one_says_so(
    announcing: KafkaSettings, stores: StoreSettings, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("1")
    announce = Announcer.announce

    def after_another(self: Announcer, records: Any) -> None:
        with closing(kafka_clients.announcing_producer(announcing)) as producer:
            Announcer(producer, announcing.release_topic)
        announce(self, records)

    monkeypatch.setattr(Announcer, "announce", after_another)
    with pytest.raises(
        SetupError, match=r"stable points to tiny/2.*announce it by `rpbert releases publish tiny/2 --channel"
    ):
        publish("2", announcing)
    assert announced(announcing) == []
    monkeypatch.undo()
    publish("tiny/2", announcing)
    assert Board.read(announcing).channels["stable"].version == "2"
