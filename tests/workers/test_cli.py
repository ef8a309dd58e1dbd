"""The command line as its user meets it: words in, output and exit status out."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cyclopts import App
from kafka import KafkaProducer

from tests.command_line import Rpbert, Run
from tests.interrupts import heed_interrupts
from workers.cli import app


@pytest.fixture
def rpbert_process() -> Rpbert:
    """The command line as a process: for what starts clients that a failed start leaves behind."""

    def call(*words: str, stdin: str = "", **variables: str) -> Run:
        ended = subprocess.run(
            [sys.executable, "-m", "workers.cli", *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, **variables},
        )
        return Run(ended.returncode, ended.stdout, ended.stderr)

    return call


def _commands(of: App, *words: str) -> Iterator[tuple[str, ...]]:
    """Every command that does something, in the order of its section."""
    named = [(name, each) for name, each in of.resolved_commands().items() if not name.startswith("-")]
    for name, each in sorted(named, key=lambda pair: pair[1].sort_key or 0):
        if each.default_command is None:
            yield from _commands(each, *words, name)
        else:
            yield (*words, name)


COMMANDS = tuple(_commands(app))

# What they are for is not to print: they serve, train, write files, or print what has a form of its own.
WITHOUT_JSON = {
    ("completion",),
    ("demo",),
    ("schemas",),
    ("viewer",),
    ("worker",),
}


def test_help_is_a_tour_in_the_order_of_an_acquaintance(rpbert: Rpbert) -> None:
    run = rpbert("--help")
    assert run.status == 0
    sections = re.findall(r"^╭─ (.+?) ─", run.output, re.MULTILINE)
    assert sections == [
        *("Try it", "Set it up", "Serve", "Look after it", "Train and measure"),
        "This command line",
    ]
    listed = re.findall(r"^│ ([a-z]+) ", run.output, re.MULTILINE)
    assert listed == list(dict.fromkeys(words[0] for words in COMMANDS))
    assert "Exit status: 0 done, 1 failed, 2 misused, 130 interrupted" in run.output


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(rpbert: Rpbert, command: tuple[str, ...]) -> None:
    run = rpbert(*command, "--help")
    assert run.status == 0
    said = " ".join(run.output.split())
    assert "or example" in said
    assert f"rpbert {' '.join(command)}" in said.split("or example", 1)[1]
    assert bool(re.search(r"^│.*--json ", run.output, re.MULTILINE)) is (command not in WITHOUT_JSON)
    assert max(map(len, run.output.splitlines())) <= 100
    assert "\x1b" not in run.output


def test_what_is_a_command_s_own_comes_before_what_it_shares(rpbert: Rpbert) -> None:
    said = rpbert("worker", "--help").output
    own = ["╭─ Parameters ─", "│ --delivery ", "╭─ Kafka ─", "│ --bootstrap-servers "]
    own += ["╭─ Release and device ─", "│ --release ", "╭─ Pictures ─", "│ --redis-url "]
    places = [said.index(each) for each in own]
    assert places == sorted(places)
    listed = re.findall(r"^│ ([a-z]+) ", rpbert("releases", "--help").output, re.MULTILINE)
    assert listed == ["list", "show", "publish", "rollback", "verify", "prune", "keygen"]


def test_a_default_is_shown_where_it_says_something(rpbert: Rpbert) -> None:
    said = " ".join(rpbert("worker", "--help").output.replace("│", " ").split())
    assert "[env var: RPBERT_DELIVERY] [default: exactly-once]" in said
    assert "[env var: RPBERT_BATCH_WAIT_MS] [default: 20]" in said
    assert not re.search(r"\[default: (?:None|False|\(\)|\"\"|)\]", said)


def test_a_command_that_fetches_for_itself_asks_no_redis_unless_told(rpbert: Rpbert) -> None:
    for command in ("tag", "explain"):
        assert "[default: redis" not in rpbert(command, "--help").output
        _, bound, _ = app.parse_args([command, "Ada", "--fetch-timeout", "1"])
        assert bound.arguments["pictures"].redis_url is None


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_s_misuse_is_status_2_and_one_sentence(
    rpbert: Rpbert, command: tuple[str, ...]
) -> None:
    run = rpbert(*command, "--no-such-flag")
    assert run.status == 2
    assert run.sentence.startswith("rpbert: ")
    assert run.output == ""


def test_version_is_the_distribution_s(rpbert: Rpbert) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", rpbert("--version").output.strip())


@pytest.mark.parametrize(
    ("words", "variables", "says"),
    [
        (["worker", "--metrics-port", "99999"], {}, ["--metrics-port", "RPBERT_METRICS_PORT", "99999"]),
        (["worker"], {"RPBERT_BATCH_POSTS": "many"}, ["RPBERT_BATCH_POSTS", "'many'"]),
        (["worker", "--allow-network", "10.0.0.1/8"], {}, ["--allow-network", "10.0.0.1/8"]),
        (["worker", "--delivery", "twice"], {}, ["--delivery", "twice"]),
        (["worker", "--sasl-mechanism", "PLAIN"], {}, ["sasl_mechanism PLAIN", "security_protocol"]),
        (["worker", "--metrics-prot", "1"], {}, ["--metrics-prot", "--metrics-port"]),
        (["wroker"], {}, ["wroker", "worker"]),
        (["topics", "create", "--partitions", "0"], {}, ["--partitions", "0"]),
        (["train", "--train", "a", "--dev", "b", "--output", "c", "--preset", "tiny"], {}, ["tiny", "paper"]),
        (["train", "--train", "a", "--dev", "b"], {}, ["--output"]),
        (["tail", "--limit", "0"], {}, ["--limit", "0"]),
        (["tag"], {}, ["TEXT", "`rpbert tag --help`"]),
        (["dlq", "list", "--since", "yesterday"], {}, ["--since", "'yesterday'", "2h or 7d"]),
        (["dlq", "list", "--reason", "bad"], {}, ["--reason", "model_failed"]),
        (["dlq", "show", "3"], {}, ["'3'", "PARTITION:OFFSET"]),
        (["dlq", "replay", "3:1", "x:2"], {}, ["'x:2'", "PARTITION:OFFSET"]),
        (["releases", "list"], {}, ["--store", "`rpbert releases list --help`"]),
        (["releases", "rollback", "--store", "x"], {}, ["--reason"]),
        (["releases", "prune", "--store", "x", "--keep", "0"], {}, ["--keep", "0"]),
    ],
)
def test_misuse_is_one_sentence_and_status_2(
    rpbert: Rpbert, words: list[str], variables: dict[str, str], says: list[str]
) -> None:
    run = rpbert(*words, **variables)
    assert run.status == 2
    for each in says:
        assert each in run.sentence


def test_a_store_without_the_release_is_one_sentence_and_status_1(rpbert: Rpbert) -> None:
    run = rpbert("releases", "show", "stable", RPBERT_STORE="memory://empty")
    assert run.status == 1
    assert "no release in the channel stable" in run.sentence
    assert rpbert("releases", "list", "--store", "memory://empty").status == 0


def test_a_device_that_there_is_not_is_told_by_its_own_flag(rpbert: Rpbert) -> None:
    assert rpbert("tag", "Ada", "--device", "tpu").sentence == (
        "rpbert: device 'tpu' is not to be had here: give auto, cpu or cuda (--device tpu)"
    )


def test_a_flag_wins_over_its_variable(rpbert: Rpbert) -> None:
    run = rpbert("worker", "--metrics-port", "77777", RPBERT_METRICS_PORT="88888")
    assert "77777" in run.sentence


def test_no_broker_is_one_sentence_that_says_what_to_do(rpbert_process: Rpbert) -> None:
    run = rpbert_process("topics", "create", "--bootstrap-servers", "127.0.0.1:1")
    assert run.status == 1
    assert "no Kafka broker answers at 127.0.0.1:1" in run.sentence
    assert "--bootstrap-servers" in run.sentence


def test_a_worker_without_its_topics_says_how_to_make_them(rpbert_process: Rpbert, kafka: Any) -> None:
    run = rpbert_process(
        "worker",
        *("--bootstrap-servers", kafka.bootstrap_servers),
        *("--input-topic", "nowhere", "--metrics-port", "0"),
    )
    assert run.status == 1
    assert "nowhere" in run.sentence
    assert "rpbert topics create" in run.sentence


def test_a_worker_without_its_release_says_so(rpbert_process: Rpbert, kafka: Any, make_topics: Any) -> None:
    raw, entities, dead = make_topics("raw", "entities", "dlq")
    run = rpbert_process(
        "worker",
        *("--bootstrap-servers", kafka.bootstrap_servers, "--metrics-port", "0"),
        *("--input-topic", raw, "--output-topic", entities, "--dead-letter-topic", dead),
        *("--release", "no-such-release"),
    )
    assert run.status == 1
    assert "no-such-release" in run.sentence
    assert "--release" in run.sentence


def test_topics_are_created_once(rpbert: Rpbert, kafka: Any) -> None:
    words = ["topics", "create", "--bootstrap-servers", kafka.bootstrap_servers]
    words += ["--partitions", "3", "--replication-factor", "1"]
    words += ["--input-topic", "cli.raw", "--output-topic", "cli.out", "--dead-letter-topic", "cli.dlq"]
    words += ["--release-topic", "cli.releases", "--annotation-topic", "cli.annotations"]
    assert rpbert(*words).output.count("created") == 6
    assert rpbert(*words).output.count("was there already") == 6


def test_too_many_copies_are_refused_in_one_sentence(rpbert: Rpbert, kafka: Any) -> None:
    run = rpbert(
        *("topics", "create", "--bootstrap-servers", kafka.bootstrap_servers),
        *("--replication-factor", "3", "--input-topic", "cli.never"),
    )
    assert run.status == 1
    assert "replication factor 3" in run.sentence


def test_produced_posts_are_seen_by_a_reader(rpbert: Rpbert, kafka: Any, topic: str) -> None:
    posts = '{"id": "1", "text": "a"}\n\n{"id": "2", "text": "b"}\n'
    run = rpbert(
        *("produce", "-", "--bootstrap-servers", kafka.bootstrap_servers, "--input-topic", topic), stdin=posts
    )
    assert run.output == f"2 posts produced to {topic}\n"
    read = rpbert(
        *("tail", "--json", "--from-start", "--limit", "2"),
        *("--bootstrap-servers", kafka.bootstrap_servers, "--output-topic", topic),
    )
    assert [json.loads(line)["id"] for line in read.output.splitlines()] == ["1", "2"]


def test_results_are_json_for_programs(rpbert: Rpbert, kafka: Any, topic: str) -> None:
    at = ("--bootstrap-servers", kafka.bootstrap_servers, "--input-topic", topic)
    made = rpbert("topics", "create", "--json", "--replication-factor", "1", *at)
    assert json.loads(made.output)[topic] is False
    run = rpbert("produce", "-", "--json", *at, stdin='{"id": "1", "text": "a"}')
    assert json.loads(run.output) == {"topic": topic, "posts": 1}


def test_a_wrong_line_is_named_and_nothing_is_sent(rpbert: Rpbert, tmp_path: Path) -> None:
    file = tmp_path / "posts.jsonl"
    file.write_text('{"id": "1", "text": "a"}\n{"id": 2, "text": "b"}\n', encoding="utf-8")
    run = rpbert("produce", str(file), "--bootstrap-servers", "127.0.0.1:1")
    assert run.status == 1
    assert f"{file}, line 2: The field id must be a string; it is 2." in run.sentence


def test_training_on_what_is_not_there_is_one_sentence(rpbert: Rpbert, tmp_path: Path) -> None:
    run = rpbert(
        "train", "--train", str(tmp_path / "none.txt"), "--dev", "b", "--output", str(tmp_path / "run")
    )
    assert run.status == 1
    assert "none.txt" in run.sentence


def test_a_reader_that_has_seen_enough_is_no_error_to_read_about() -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "workers.cli", "schemas"]
    with os.fdopen(write, "w") as closed:
        ended = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, check=False, timeout=120)
    assert (ended.returncode, ended.stderr) == (1, b"")


def test_an_interrupted_command_is_status_130(kafka: Any, topic: str) -> None:
    command = [sys.executable, "-m", "workers.cli", "tail", "--from-start", "--json"]
    command += ["--bootstrap-servers", kafka.bootstrap_servers, "--output-topic", topic]
    with closing(KafkaProducer(bootstrap_servers=kafka.bootstrap_servers)) as producer:
        producer.send(topic, b"{}").get(timeout=30)
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=heed_interrupts,  # noqa: PLW1509 - it takes no lock
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, b"")


def test_schemas_are_printed(rpbert: Rpbert) -> None:
    schema = json.loads(rpbert("schemas", "tagged_post").output)
    assert schema["title"] == "TaggedPost"


def test_one_post_is_tagged_without_kafka(rpbert: Rpbert, tiny_release: Path, tmp_path: Path) -> None:
    run = rpbert("tag", "Anita Borg speaks in Lisbon", "--release", str(tiny_release), "--json")
    result = json.loads(run.output)
    assert result["release"] == {"name": "tiny", "version": "1"}
    for entity in result["entities"]:
        assert "Anita Borg speaks in Lisbon"[entity["start"] : entity["end"]] == entity["text"]
    run = rpbert("tag", "x", "--release", str(tiny_release), "--image", str(tmp_path / "none.jpg"))
    assert run.status == 1
    assert "none.jpg" in run.sentence
