import json
from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest
from kafka import KafkaConsumer
from kafka.errors import KafkaConnectionError

from tests.schemas.test_release import release
from tests.workers.tagger.in_process import wait_until
from workers import kafka_clients
from workers.settings import KafkaSettings
from workers.tagger.serving.announcements import Announcements


def announce(settings: KafkaSettings, *records: tuple[str, Any]) -> None:
    producer = kafka_clients.plain_producer(settings)
    for key, record in records:
        value = None if record is None else record.model_dump_json().encode()
        producer.send(settings.release_topic, value=value, key=key.encode())
    producer.close()


@pytest.fixture
def heard(announcing: KafkaSettings) -> Iterator[Announcements]:
    made = Announcements(announcing, Event(), retry_seconds=0.1)
    yield made
    made.close()


def test_what_the_topic_holds_is_known_at_once_and_what_comes_later_is_news(
    announcing: KafkaSettings, heard: Announcements
) -> None:
    first, second = release(name="tiny", version="1"), release(name="tiny", version="2")
    mark = release(name="tiny", version="0", mark="refused", reason="slow")
    announce(announcing, (first.key, first), (mark.key, mark))
    assert heard.wait(0.1)
    assert heard.board.channels == {"stable": first}
    assert heard.board.mark("tiny/0") == mark
    # Marked and lifted before it looked: half of what the topic holds may say the opposite of the whole.
    announce(announcing, (second.key, second), (mark.key, None))
    wait_until(lambda: heard.wait(0.1) and heard.board.mark("tiny/0") is None, "the news is heard")
    assert heard.board.channels["stable"] == second
    assert not heard.wait(0.3)


def test_a_topic_that_comes_late_is_read_once_it_is_there(
    announcing: KafkaSettings, make_topics: Any
) -> None:
    (there,) = make_topics("late")
    missing = announcing.model_copy(update={"release_topic": f"{there}.not"})
    heard = Announcements(missing, Event(), retry_seconds=0.1)
    assert not heard.wait(0.1)
    assert not heard.wait(0.1)
    heard._settings = missing.model_copy(update={"release_topic": there})
    wait_until(lambda: heard.wait(0.1), "the topic is read")
    heard.close()


def test_records_that_are_none_of_ours_change_nothing(
    announcing: KafkaSettings, heard: Announcements
) -> None:
    producer = kafka_clients.plain_producer(announcing)
    producer.send(announcing.release_topic, value=json.dumps({"name": 1}).encode(), key=b"stable")
    producer.send(announcing.release_topic, value=b"\xff", key=b"tiny/1")
    producer.close()
    assert heard.wait(0.1)
    assert heard.board.channels == {}


def test_after_a_break_only_what_the_topic_holds_then_is_known(
    announcing: KafkaSettings, heard: Announcements, make_topics: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, mark = (
        release(name="tiny", version="1"),
        release(name="tiny", version="2", mark="refused", reason="slow"),
    )
    announce(announcing, (first.key, first), (mark.key, mark))
    assert heard.wait(0.1)
    assert heard.board.mark("tiny/2") == mark
    # Lifted meanwhile, and compaction has taken the record that lifted it: it never comes by again.
    (later,) = make_topics("later", cleanup_policy="compact")
    compacted = announcing.model_copy(update={"release_topic": later})
    announce(compacted, (first.key, first))

    def breaks(*_: Any, **__: Any) -> None:
        raise KafkaConnectionError

    with monkeypatch.context() as broken:
        broken.setattr(KafkaConsumer, "poll", breaks)
        assert not heard.wait(0.1)
    heard._settings = compacted
    wait_until(lambda: heard.wait(0.1), "the topic is read again")
    assert heard.board.channels == {"stable": first}
    assert heard.board.mark("tiny/2") is None


def test_what_is_the_first_of_an_empty_topic_is_heard(
    announcing: KafkaSettings, heard: Announcements
) -> None:
    assert heard.wait(0.1)
    assert heard.board.channels == {}
    first = release(name="tiny", version="1")
    announce(announcing, (first.key, first))
    wait_until(lambda: heard.wait(0.1), "the news is heard")
    assert heard.board.channels == {"stable": first}
