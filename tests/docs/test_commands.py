"""Every command of the README and docs/ is run here, or stands in a list that says why not."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command_line import Rpbert
from tests.docs.commands import ROOT, Shown, shown
from tests.docs.stage import lay_out, service
from workers.cli import app
from workers.local.jars import kafka_classpath
from workers.local.kafka import KafkaCluster
from workers.local.picture_host import PictureHost
from workers.local.samples import picture_bytes
from workers.local.valkey import ValkeyServer

# How a command begins, and why it isn't run. Of rpbert's own the flags are parsed all the same.
NOT_RUN = {
    "apt-get ": "installs Debian packages of pictures",
    "docker ": "needs Docker",
    "git ": "is about the reader's clone",
    "helm ": "needs a Kubernetes cluster",
    "kcat ": "needs kcat",
    "kubectl ": "needs a Kubernetes cluster",
    "make ": "is what runs the tests; tests/end_to_end/test_demo.py runs the demo",
    "pip ": "installs",
    "promtool ": "needs Prometheus",
    "python -m bench.": "measures for hours, on data of the reader's",
    "rpbert bench ": "measures for minutes; tests/bench runs its parts",
    "rpbert data ambiguity ": "needs pictures of Debian's; tests/workers/test_data_ambiguity.py runs it",
    "rpbert data captions ": "needs pictures of Debian's; tests/workers/test_data_captions.py runs it",
    "rpbert demo": "tests/end_to_end/test_demo.py runs it",
    "rpbert local up": "stays; tests/end_to_end/test_local_up.py runs it",
    "rpbert train ": "trains for hours; tests/model/training runs it",
    "rpbert trainer ": "trains for minutes; tests/workers/trainer runs it",
    "rpbert viewer": "stays; tests/workers/viewer runs it",
    "torchrun ": "trains on two GPUs; tests/model/training/test_processes.py runs two processes",
}
DRAWN = {"rpbert trainer: training, from what is in service"}

COMMANDS = tuple(dict.fromkeys(command for command in shown() if command.line not in DRAWN))


def _reason(command: Shown) -> str | None:
    line = command.line.partition(" | ")[2] if command.line.startswith("echo ") else command.line
    return next((why for start, why in NOT_RUN.items() if f"{line} ".startswith(start)), None)


RUN = [command for command in COMMANDS if _reason(command) is None]


@pytest.fixture(scope="module")
def world(
    kafka: KafkaCluster,
    valkey: ValkeyServer,
    tiny_release: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, str]]:
    """What stands for the places that the pages name."""
    log = tmp_path_factory.mktemp("docs") / "worker.log"
    with (
        service(kafka.bootstrap_servers, valkey.url, tiny_release, log),
        PictureHost() as pictures,
    ):
        port = re.search(r":(\d+)", pictures.add("rocket.jpg", picture_bytes("rocket.jpg")).split("//")[1])
        assert port is not None
        yield {
            "kafka:9092": kafka.bootstrap_servers,
            "redis://redis:6379/0": valkey.url,
            "http://pictures:8000": f"http://localhost:{port[1]}",
            "s3://bucket/releases": "store",
            "/srv/releases": "store",
            # There is one version of it here.
            "small/1.0.0": "small/1.1.0",
            "examples/": f"{ROOT}/examples/",
        }


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: dict[str, str], tiny_release: Path) -> Path:
    lay_out(tmp_path, tiny_release)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RPBERT_BOOTSTRAP_SERVERS", world["kafka:9092"])
    monkeypatch.setenv("RPBERT_REDIS_URL", world["redis://redis:6379/0"])
    return tmp_path


@pytest.mark.parametrize("command", RUN, ids=str)
def test_a_command_of_the_docs_does_what_it_says(
    rpbert: Rpbert, here: Path, world: dict[str, str], tiny_release: Path, command: Shown
) -> None:
    words = _here(command, world)
    stdin = ""
    if words[0] == "echo":
        stdin, words = words[1] + "\n", words[words.index("|") + 1 :]
    elif "|" in words:
        words = words[: words.index("|")]
    if words[0] != "rpbert":
        _run_program(words)
        return
    if ">" in words:
        words = words[: words.index(">")]
    # The packaged one takes seconds more to load, and one page's test has it.
    further = {} if "store#" in " ".join(words) else {"RPBERT_RELEASE": str(tiny_release)}
    run = rpbert(*_ending(words[1:], here), stdin=stdin, **further)
    assert run.status == 0, run.errors + run.output
    assert run.output or run.errors


@pytest.mark.parametrize(
    "command", [command for command in COMMANDS if "rpbert " in command.line and _reason(command)], ids=str
)
def test_a_command_that_is_not_run_has_flags_that_there_are(command: Shown) -> None:
    words = command.words
    app.parse_args(words[words.index("rpbert") + 1 :], exit_on_error=False, print_error=False)


def test_each_reason_not_to_run_is_in_use() -> None:
    # Other programs may come and go with the pages; of ours each line stands for one that is shown.
    ours = [start for start in NOT_RUN if start.startswith(("rpbert train", "rpbert data", "torchrun"))]
    for start in ours:
        assert any(f"{command.line} ".startswith(start) for command in COMMANDS), start


def _here(command: Shown, world: dict[str, str]) -> list[str]:
    line = command.line
    for place, ours in world.items():
        line = line.replace(place, ours)
    line = line.replace("--allow-host pictures", "--allow-host localhost")
    return Shown(command.page, line).words


def _ending(words: list[str], here: Path) -> list[str]:
    """The same command, made to end."""
    match words:
        case ["tail", *_] if "--limit" not in words:
            return [*dict.fromkeys([*words, "--from-start"]), "--limit", "1"]
        case ["worker", *flags] if "--help" not in flags:
            # A worker stays. The doctor takes its settings and runs all that it does before it joins.
            return ["doctor", *flags]
        case ["topics", "create", *_]:
            return [*words, "--replication-factor", "1"]
        case ["releases", "keygen", key]:
            (here / key).unlink()
            (here / f"{key}.pub").unlink()
    return words


def _run_program(words: list[str]) -> None:
    match words:
        case ["python", *arguments]:
            command = [sys.executable, *arguments]
        case ["java", "-cp", "$JARS", *arguments]:
            java = shutil.which("java")
            if java is None or shutil.which("javac") is None:
                pytest.skip("a Java compiler is not here: examples/Posts.java is not run")
            command = [java, "-cp", ":".join(map(str, kafka_classpath())), *arguments]
        case _:
            pytest.fail(f"{words[0]} is neither run nor in NOT_RUN")
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout
