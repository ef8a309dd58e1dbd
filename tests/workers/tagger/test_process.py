from typing import Any

import pytest
from kafka.errors import (
    CorruptRecordError,
    FencedInstanceIdError,
    KafkaError,
    TopicAuthorizationFailedError,
)

from workers.errors import SetupError
from workers.kafka_cures import MemberReplaced
from workers.outgoing import Outgoing
from workers.settings import KafkaSettings, WorkerSettings
from workers.tagger import process
from workers.tagger.engine import EngineSick
from workers.tagger.publisher import PublisherLost, RecordTooLarge

SETTINGS = WorkerSettings(kafka=KafkaSettings(input_topic="posts.in"), group_id="the-group")


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
