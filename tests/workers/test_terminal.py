"""What commands print: as wide as the terminal is, plain in a pipe, with a bar beside long work."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from model.store.reference import ReleaseId
from model.store.store import ReleaseStore
from schemas import DeadLetter, DeadLetterReason, Stage
from tests.command_line import Rpbert
from tests.terminal import Terminal, widest
from workers import kafka_clients
from workers.local.kafka import KafkaCluster
from workers.settings import KafkaSettings
from workers.topics import create_topics

MESSAGE = "The model failed twice on this post alone, so that it was put aside."
CONLL = "IMGID:1\nAna\tB-PER\nin\tO\nPorto\tB-LOC\n\nIMGID:2\nok\tO\n"


@pytest.fixture(scope="module")
def settings(kafka: KafkaCluster) -> KafkaSettings:
    """Topics of this module's own, with dead letters on them."""
    names = ("input", "output", "dead_letter", "release", "annotation")
    given = {f"{name}_topic": f"posts.{name}.{uuid4().hex[:6]}" for name in names}
    settings = KafkaSettings.model_validate({"bootstrap_servers": kafka.bootstrap_servers, **given})
    with closing(kafka_clients.admin(settings)) as admin:
        create_topics(admin, settings, partitions=2, replication_factor=1)
    letter = DeadLetter(
        reason=DeadLetterReason.MODEL_FAILED,
        stage=Stage.ENGINE,
        message=MESSAGE,
        topic=settings.input_topic,
        partition=0,
        offset=7,
    )
    with closing(kafka_clients.plain_producer(settings)) as producer:
        for number in range(3):
            producer.send(
                settings.dead_letter_topic, b"{", key=b"%d" % number, headers=letter.to_headers(), partition=0
            )
        producer.flush()
    return settings


@pytest.fixture
def terminal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: KafkaSettings, tiny_release: Path
) -> Terminal:
    """In a folder with gold data and a store."""
    monkeypatch.chdir(tmp_path)
    Path("valid.txt").write_text(CONLL, "utf-8")
    Path("posts.jsonl").write_text('{"id": "1", "text": "Ada"}\n', "utf-8")
    store = ReleaseStore("store")
    store.add(tiny_release)
    store.point("stable", ReleaseId("tiny", "1"), by="ada", reason="better")
    for field, value in settings.model_dump(mode="json").items():
        if field == "bootstrap_servers" or field.endswith("_topic"):
            monkeypatch.setenv(f"RPBERT_{field.upper()}", value)
    monkeypatch.setenv("RPBERT_RELEASE", str(tiny_release))
    monkeypatch.setenv("RPBERT_DEVICE", "cpu")
    return Terminal(monkeypatch, tmp_path)


TABLES = {
    "dlq list": MESSAGE,
    "dlq list --count": "model_failed",
    "dlq replay": MESSAGE,
    "releases list --store store": "tiny/1",
    "evaluate --data valid.txt": "entities, conlleval",
    "data check valid.txt": "entities",
}


@pytest.mark.parametrize(("command", "says"), TABLES.items(), ids=TABLES)
def test_a_table_fits_the_terminal_and_is_lines_with_tabs_in_a_pipe(
    terminal: Terminal, command: str, says: str
) -> None:
    for cells in (60, 200):
        shown = terminal.show(*command.split(), cells=cells)
        assert widest(shown) <= cells, shown
        assert "".join(says.split()) in "".join(shown.split())
    piped, beside = terminal.pipe(*command.split(), cells=60)
    assert "\x1b" not in piped
    assert any(says in line and "\t" in line for line in piped.splitlines())
    assert says not in beside


def test_the_doctor_fits_the_terminal(terminal: Terminal) -> None:
    for cells in (60, 200):
        shown = terminal.show("doctor", "--redis-url", "", cells=cells)
        assert widest(shown) <= cells, shown
        assert "rights" in shown


WORK = {
    "annotate valid.txt --annotator vera": "sending to posts.annotation",
    "produce posts.jsonl": "sending to posts.input",
    "dlq list": "reading the dead letters",
    "dlq replay --execute --limit 1": "replaying",
    "evaluate --data valid.txt": "loading the release",
    "data check valid.txt --images .": "pictures of valid.txt",
    "releases publish tiny/1 --store store": "verifying tiny/1",
    "releases verify --store store": "verifying tiny/1",
    "tag Ada": "tagging",
}


@pytest.mark.parametrize(("command", "says"), WORK.items(), ids=WORK)
def test_long_work_shows_how_far_it_is_beside_its_output(terminal: Terminal, command: str, says: str) -> None:
    piped, beside = terminal.pipe(*command.split())
    assert says in beside
    assert piped
    assert says not in piped


FETCHING = (
    "doctor",
    "evaluate --data valid.txt",
    "explain Ada",
    "tag Ada",
    "train --train valid.txt --dev valid.txt --epochs 1 --output run --resume --json",
)


@pytest.mark.parametrize("command", FETCHING)
def test_a_release_on_its_way_from_a_store_shows_how_far_it_is(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("RPBERT_RELEASE", "store#stable")
    monkeypatch.setenv("RPBERT_INITIAL_RELEASE", "store#stable")
    monkeypatch.setenv("RPBERT_REDIS_URL", "")
    # A file of its own never takes a turn of the bar.
    monkeypatch.setattr("model.store.files._CHUNK_BYTES", 1024)
    far = "fetching the release"
    if command == "doctor":
        # The bar is on the terminal of the findings.
        assert far in terminal.show(command)
    else:
        piped, beside = terminal.pipe(*command.split())
        assert far in beside
        assert far not in piped
    # Now it is here.
    assert far not in terminal.show(*command.split())


def test_without_a_terminal_there_is_no_bar(rpbert: Rpbert, terminal: Terminal) -> None:
    run = rpbert("releases", "verify", "--store", "store")
    assert (run.output, run.errors) == ("tiny/1: ok\n", "")
