from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from kafka import KafkaProducer

from schemas import DeadLetterReason, Replay
from tests.workers.dead_letters.conftest import Office, consumer
from workers import kafka_clients
from workers.dead_letters import replayer
from workers.dead_letters.clients import reading_clients
from workers.dead_letters.letter import read_letters
from workers.dead_letters.look import list_and_print
from workers.dead_letters.marks import Marks
from workers.dead_letters.plan import Planner
from workers.dead_letters.replayer import Replayer
from workers.dead_letters.selection import Selection
from workers.errors import SetupError

OWN = [("traceparent", b"00-abc"), ("binary", b"\xff\x00")]


class Killed(BaseException):
    """What ends a process between two of its lines."""


def values(records: list[Any]) -> list[bytes]:
    return sorted(record.value for record in records)


def test_a_dry_run_says_what_it_would_do_and_does_nothing(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    place = office.write()
    office.replay(execute=False)
    said = capsys.readouterr().out
    assert said.startswith(f"{place}\t")
    assert f"would replay 1 to {office.settings.input_topic}\n" in said
    assert "add --execute" in said
    assert office.sent_back == []
    assert office.held(office.settings.replay_topic) == []


def test_a_letter_goes_back_as_it_came_with_a_mark_and_only_once(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    place = office.write(b"\xff{", key=b"\x00key", headers=OWN, partition=1)
    office.replay()
    (record,) = office.sent_back
    assert (record.partition, record.key, record.value) == (1, b"\x00key", b"\xff{")
    assert list(record.headers)[:2] == OWN
    assert {name.rpartition(".")[0] for name, _ in list(record.headers)[2:]} == {"__rpbert.replay"}
    replay = Replay.from_headers(record.headers)
    assert (replay.topic, replay.partition, replay.offset) == (office.settings.dead_letter_topic, *place)
    assert (replay.to, replay.count) == (office.settings.input_topic, 1)

    capsys.readouterr()
    office.replay()
    assert "left out 1: already replayed" in capsys.readouterr().out
    assert len(office.sent_back) == 1
    list_and_print(office.settings, Selection(), limit=1, count=True, as_json=True)
    assert '"letters": 1, "replayed": 1' in capsys.readouterr().out


def test_what_the_filters_passed_over_can_still_be_sent(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    office.write(b"a")
    office.write(b"b", reason=DeadLetterReason.MODEL_FAILED)
    named = office.write(b"c")
    office.write(b"d")
    office.replay(selection=Selection(reason=(DeadLetterReason.MODEL_FAILED,)))
    assert values(office.sent_back) == [b"b"]
    office.replay(named)
    assert values(office.sent_back) == [b"b", b"c"]
    office.replay(limit=1)
    assert "1 more for another time" in capsys.readouterr().out
    assert values(office.sent_back) == [b"a", b"b", b"c"]
    office.replay()
    assert [record.value for record in office.sent_back] == [b"b", b"c", b"a", b"d"]


def test_another_topic_is_another_replay(office: Office) -> None:
    office.write()
    office.replay(to=office.settings.output_topic)
    office.replay()
    assert len(office.held(office.settings.output_topic)) == len(office.sent_back) == 1
    for wrong in (office.settings.dead_letter_topic, "nowhere"):
        with pytest.raises(SetupError, match=wrong):
            office.replay(to=wrong)


@pytest.mark.parametrize("committed", [False, True])
def test_a_replay_that_is_killed_and_run_again_sends_each_letter_once(
    office: Office, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    for number in range(3):
        office.write(str(number).encode())
    monkeypatch.setattr(replayer, "_TRANSACTION_BYTES", 1)
    commit = KafkaProducer.commit_transaction
    commits = 0

    def killed_at_the_second(self: KafkaProducer) -> None:
        nonlocal commits
        commits += 1
        if commits == 1 or committed:
            commit(self)
        if commits == 2:
            raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(KafkaProducer, "commit_transaction", killed_at_the_second)
        # Who is killed aborts nothing.
        dying.setattr(KafkaProducer, "abort_transaction", lambda self: None)
        with pytest.raises(Killed):
            office.replay()
    assert values(office.sent_back) == [b"0", b"1"][: 1 + committed]
    office.replay()
    assert values(office.sent_back) == [b"0", b"1", b"2"]


@contextmanager
def begun(office: Office) -> Iterator[Callable[[], None]]:
    """A replay that has decided what to send; the call sends it."""
    settings = office.settings
    with (
        reading_clients(settings) as (letters, admin),
        closing(consumer(settings)) as sources,
        closing(kafka_clients.replaying_producer(settings)) as producer,
    ):
        older = Replayer(producer, settings.replay_topic)
        marks = Marks.read(letters, admin, settings)
        topic = settings.dead_letter_topic
        planner = Planner(sources, admin, marks, settings=settings, to=None, max_times=3)
        plan = planner.plan(read_letters(letters, topic, Selection()), 10)
        yield lambda: list(older.send(plan.sendings, marks)).clear()


def test_of_two_replays_at_once_the_older_stops(office: Office) -> None:
    office.write(b"once")
    with begun(office) as send:
        office.replay()
        with pytest.raises(SetupError, match=r"another replay of these dead letters has begun.* 0 of 1"):
            send()
    assert values(office.sent_back) == [b"once"]


def test_what_the_older_sent_at_the_last_moment_the_newer_leaves_out(
    office: Office, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    office.write(b"once")
    with begun(office) as send:
        take_over = KafkaProducer.init_transactions

        def just_before(self: KafkaProducer) -> None:
            send()
            take_over(self)

        monkeypatch.setattr(KafkaProducer, "init_transactions", just_before)
        office.replay()
    assert "left out 1: already replayed" in capsys.readouterr().out
    assert values(office.sent_back) == [b"once"]


def test_a_dry_run_stops_no_replay(office: Office) -> None:
    office.write(b"once")
    with begun(office) as send:
        office.replay(execute=False)
        send()
    assert values(office.sent_back) == [b"once"]


def test_a_letter_without_its_bytes_is_fetched_from_its_source(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    source = office.write_record(
        office.settings.input_topic, b"large", key=b"whole", headers=OWN, partition=1
    )
    office.write(b"", key=None, partition=1, offset=source.offset, omitted_bytes=5_000)
    office.write(b"", key=None, partition=1, offset=source.offset + 9, omitted_bytes=5_000)
    office.replay()
    first, again = office.sent_back
    assert (again.partition, again.key, again.value) == (first.partition, b"whole", b"large")
    assert list(again.headers)[:2] == OWN
    said = capsys.readouterr().out
    assert "left out 1: too large for the dead letters' topic and gone from its source" in said


def test_what_failed_again_counts_its_replays_and_is_refused_at_last(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    office.write()
    for number in (1, 2):
        office.replay(max_times=2)
        record = office.sent_back[-1]
        assert Replay.from_headers(record.headers).count == number
        # It fails again: a worker writes a dead letter with all that the record came with.
        office.write(record.value, key=record.key, headers=record.headers)
    capsys.readouterr()
    office.replay(max_times=2)
    assert "left out 1: replayed too often, see --max-times" in capsys.readouterr().out
    office.replay(max_times=3)
    assert Replay.from_headers(office.sent_back[-1].headers).count == 3


def test_what_cannot_be_sent_is_counted_and_holds_up_nothing(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    office.write(b"x" * 1_048_000)
    office.write(topic="nowhere")
    office.write(topic=office.settings.replay_topic)
    office.write_record(office.settings.dead_letter_topic, b"whose?", partition=0)
    office.write(b"fine")
    office.replay(limit=1)
    assert values(office.sent_back) == [b"fine"]
    said = capsys.readouterr().out
    assert "left out 1: larger than its topic takes" in said
    assert "left out 1: its topic is not there, see --to" in said
    assert "left out 1: its topic holds the dead letters themselves, see --to" in said
    assert "left out 1: no dead letter of rpbert" in said


def test_marks_that_would_be_forgotten_are_refused(office: Office, make_topics: Any) -> None:
    (dead,) = make_topics("dlq")
    settings = office.settings.model_copy(update={"dead_letter_topic": dead})
    with pytest.raises(SetupError, match=f"{dead}.replays.*rpbert topics create"):
        Office(settings, office.producer).replay()
    # As a cluster makes it that creates topics on demand.
    with closing(kafka_clients.admin(settings)) as admin:
        admin.create_topics([settings.replay_topic], wait_for_metadata=True)
    with pytest.raises(SetupError, match=r"cleanup\.policy=compact"):
        Office(settings, office.producer).replay()
