import json
from datetime import UTC, datetime, timedelta
from time import time

import pytest

from schemas import DeadLetterReason, Stage
from tests.workers.dead_letters.conftest import Office
from workers.dead_letters.letter import Place
from workers.dead_letters.look import list_and_print, show_and_print
from workers.dead_letters.selection import Selection
from workers.errors import SetupError

HOSTILE = "\x1b]0;owned\x07\r\u202egnp\x9b31m\nreason: none"
NOW_MS = int(time() * 1_000)
HOUR_MS = 3_600_000


def listed(
    office: Office, capsys: pytest.CaptureFixture[str], selection: Selection, *, limit: int = 50
) -> list[str]:
    list_and_print(office.settings, selection, limit=limit, count=False, as_json=False)
    return [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()]


def ago(hours: float) -> datetime:
    return datetime.fromtimestamp(NOW_MS / 1_000, UTC) - timedelta(hours=hours)


def test_letters_are_listed_by_what_and_when(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    office.write(timestamp_ms=NOW_MS - 3 * HOUR_MS)
    office.write(
        partition=1,
        timestamp_ms=NOW_MS - 2 * HOUR_MS,
        reason=DeadLetterReason.MODEL_FAILED,
        stage=Stage.ENGINE,
    )
    office.write(topic="posts.other", timestamp_ms=NOW_MS - HOUR_MS)
    office.write_record(office.settings.dead_letter_topic, b"whose?", partition=1, timestamp_ms=NOW_MS)

    assert listed(office, capsys, Selection()) == ["0:0", "1:0", "0:1", "1:1"]
    assert listed(office, capsys, Selection(), limit=2) == ["0:1", "1:1"]
    reasons = (DeadLetterReason.MODEL_FAILED, DeadLetterReason.EMPTY)
    assert listed(office, capsys, Selection(reason=reasons)) == ["1:0"]
    assert listed(office, capsys, Selection(stage=(Stage.INTAKE,))) == ["0:0", "0:1"]
    assert listed(office, capsys, Selection(source_topic="posts.other")) == ["0:1"]
    assert listed(office, capsys, Selection(since=ago(2))) == ["1:0", "0:1", "1:1"]
    assert listed(office, capsys, Selection(since=ago(2.5), until=ago(1))) == ["1:0"]
    assert listed(office, capsys, Selection(since=ago(-1))) == []

    list_and_print(office.settings, Selection(), limit=1, count=True, as_json=False)
    counts = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert counts[1:] == [
        ["not_json", "2", "0"],
        ["model_failed", "1", "0"],
        ["no", "dead", "letter", "of", "rpbert", "1", "0"],
        ["all", "4", "0"],
    ]


def test_a_letter_that_is_left_out_for_its_age_is_said_beside(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    list_and_print(office.settings, Selection(), limit=1, count=False, as_json=True)
    assert capsys.readouterr() == ("", "no letters\n")
    office.write()
    office.write()
    list_and_print(office.settings, Selection(), limit=1, count=False, as_json=True)
    printed = capsys.readouterr()
    assert [json.loads(line)["offset"] for line in printed.out.splitlines()] == [1]
    assert printed.err == "the newest 1 of 2 letters; see --limit\n"


def test_a_hostile_letter_is_shown_and_steers_nothing(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    place = office.write(
        HOSTILE.encode(), key=HOSTILE.encode(), headers=[(HOSTILE, HOSTILE.encode())], message=HOSTILE
    )
    show_and_print(office.settings, place, as_json=False)
    shown = capsys.readouterr().out
    list_and_print(office.settings, Selection(), limit=1, count=False, as_json=False)
    list_and_print(office.settings, Selection(), limit=1, count=False, as_json=True)
    show_and_print(office.settings, place, as_json=True)
    rest = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\r", "\u202e", "\x9b"} & set(shown + rest)
    assert "  \\x1b]0;owned\\x07\\r\\u202egnp\\x9b31m\n  reason: none\n" in shown
    assert [line for line in shown.splitlines() if line.startswith("reason")] == [
        "reason: not_json, at intake"
    ]
    assert f"rpbert dlq replay {place} --execute" in shown
    assert "__rpbert.errors" not in shown
    assert json.loads(rest.splitlines()[-1])["value"] == HOSTILE


def test_bytes_that_are_no_text_are_shown_as_hex(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    place = office.write(b"\xff\x00" * 1_000, key=None)
    show_and_print(office.settings, place, as_json=False)
    shown = capsys.readouterr().out
    assert "value: 2,000 bytes, not UTF-8\n  ff 00 ff 00" in shown
    assert "(1,744 more; --json has all)" in shown


def test_what_is_not_there_is_one_sentence(office: Office) -> None:
    office.write()
    for place in (Place(0, 1), Place(9, 0)):
        with pytest.raises(SetupError, match=f"no letter at {place}; `rpbert dlq list`"):
            show_and_print(office.settings, place, as_json=False)
    missing = office.settings.model_copy(update={"dead_letter_topic": "nowhere.dlq"})
    with pytest.raises(SetupError, match=r"nowhere\.dlq.*rpbert topics create"):
        list_and_print(missing, Selection(), limit=1, count=False, as_json=False)
