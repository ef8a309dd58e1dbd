import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from kafka import KafkaAdminClient
from kafka.errors import (
    CorruptRecordError,
    FencedInstanceIdError,
    KafkaConnectionError,
    KafkaError,
    TopicAuthorizationFailedError,
)

from tests.conftest import MakeTopics
from workers.errors import SetupError
from workers.kafka_cures import MemberReplaced
from workers.local.kafka import KafkaCluster
from workers.metrics import Metrics
from workers.outgoing import Outgoing
from workers.settings import KafkaSettings, ModelSettings, WorkerSettings
from workers.tagger import process
from workers.tagger.engine import EngineSick
from workers.tagger.publisher import PublisherLost, RecordTooLarge
from workers.tagger.serving.serving import Serving
from workers.topics import TopicLimits

SETTINGS = WorkerSettings(kafka=KafkaSettings(input_topic="posts.in"), group_id="the-group")


@pytest.fixture(autouse=True)
def _collected_in_the_end() -> Iterator[None]:
    yield
    gc.unfreeze()


def wrapped(cause: Exception) -> KafkaError:
    """As kafka-python wraps what a rebalance's listener raises."""
    error = KafkaError("User rebalance callback throws an error")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (CorruptRecordError("crc"), "damaged record of posts.in.* the group the-group .*--reset-offsets"),
        (FencedInstanceIdError(), "another worker with the same group instance id has started"),
        (MemberReplaced(), "another worker with the same group instance id has started"),
        (PublisherLost("its producer can't go on"), "its producer can't go on"),
        (wrapped(PublisherLost("its producer can't go on")), "its producer can't go on"),
        (EngineSick("the model fails on known good posts too"), "no post is blamed: check the device"),
        (wrapped(EngineSick("it fails")), "no post is blamed"),
        (RecordTooLarge(Outgoing("posts.dlq", None, b"", [])), "raise its max.message.bytes"),
        (KafkaConnectionError("gone"), r"do not answer \(KafkaConnectionError\): look at them"),
        (TopicAuthorizationFailedError(), r"refuses this worker \(TopicAuthorizationFailedError\)"),
    ],
)
def test_each_end_of_a_worker_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, error: Exception, says: str
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(process, "_assemble", fail)
    monkeypatch.setattr("workers.logs.set_up", lambda: None)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(SetupError, match=says) as raised:
        process.serve(SETTINGS)
    assert str(raised.value).endswith("what was not committed is read again")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("question", ["describe_topics", "describe_configs"])
def test_a_broker_that_goes_while_a_worker_starts_is_waited_for(
    kafka: KafkaCluster, make_topics: MakeTopics, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    raw, entities, dead = make_topics("raw", "entities", "dlq", max_message_bytes="2000000")
    topics = {"input_topic": raw, "output_topic": entities, "dead_letter_topic": dead}
    ask = getattr(KafkaAdminClient, question)

    def goes(*_: Any, **__: Any) -> None:
        monkeypatch.setattr(KafkaAdminClient, question, ask)
        raise KafkaConnectionError

    monkeypatch.setattr(KafkaAdminClient, question, goes)
    kafka_settings = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, **topics)
    limits, _ = process._asked(WorkerSettings(kafka=kafka_settings))
    assert limits == TopicLimits(output=2_000_000, dead_letter=2_000_000)


@pytest.mark.parametrize("release", ["small", "/srv/releases#small/1.0.0"])
@pytest.mark.parametrize("wanted", [{"canary_share": 0.1}, {"shadow_share": 1.0}])
def test_a_candidate_needs_a_channel_that_is_followed(release: str, wanted: dict[str, float]) -> None:
    settings = WorkerSettings.model_validate({"model": {"release": release}, "candidate": wanted})
    with pytest.raises(SetupError, match=f"canary_share and shadow_share need .* --release {release} is not"):
        process.make_follower(settings, cast("Serving", None), Metrics())


def test_a_public_key_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text("no key")
    settings = ModelSettings(release=f"{tmp_path}#stable", public_key=tmp_path / "key.pub")
    with pytest.raises(SetupError, match=r"is not an Ed25519 public key.*--public-key"):
        process.load_tagger(settings)
