"""Every command of the documentation is run here, or held against what it names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from cyclopts import App

from tests.command_line import Rpbert
from tests.docs.commands import ROOT, Shown, shown
from tests.docs.programs import HELD, run_program
from tests.docs.stage import lay_out, service
from workers.cli import app
from workers.local.kafka import KafkaCluster
from workers.local.picture_host import PictureHost
from workers.local.samples import picture_bytes
from workers.local.valkey import ValkeyServer
from workers.local.viewer_process import ViewerProcess

# How a command of rpbert's begins, and why it isn't run. Its flags are parsed all the same.
NOT_RUN = {
    "rpbert data captions --clip-art art/": "needs a font of Debian's; training.md has it without",
    "rpbert local up": "stays; tests/end_to_end/test_local_up.py runs it",
    "rpbert train ": "trains for hours; tests/model/training runs it",
    "rpbert trainer ": "trains for minutes; tests/workers/trainer runs it",
    "python -m bench.": "measures for hours, on data of the reader's",
}
DRAWN = {"rpbert trainer: training, from what is in service"}

COMMANDS = tuple(dict.fromkeys(command for command in shown() if command.line not in DRAWN))


def _is_run(command: Shown) -> bool:
    held = command.words[0] in HELD
    return not held and not any(f"{command.line} ".startswith(start) for start in NOT_RUN)


RUN = [command for command in COMMANDS if _is_run(command)]


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
        output = run_program(words, stdin, here)
        assert output or words[:2] == ["kcat", "-P"]
        return
    if ">" in words:
        words = words[: words.index(">")]
    if words[1] == "viewer":
        viewer = ViewerProcess(words[2:], here / "viewer.log").launch()
        try:
            viewer.wait_ready()
        finally:
            viewer.stop()
        return
    # The packaged one takes seconds more to load, and one page's test has it.
    further = {} if "store#" in " ".join(words) else {"RPBERT_RELEASE": str(tiny_release)}
    run = rpbert(*_ending(words[1:], here), stdin=stdin, **further)
    assert run.status == 0, run.errors + run.output
    assert run.output or run.errors


@pytest.mark.parametrize(
    "command", [each for each in COMMANDS if "rpbert" in each.words and not _is_run(each)], ids=str
)
def test_a_command_that_is_not_run_has_flags_that_there_are(command: Shown) -> None:
    words = command.words
    app.parse_args(words[words.index("rpbert") + 1 :], exit_on_error=False, print_error=False)


@pytest.mark.parametrize("command", [each for each in COMMANDS if each.words[0] in HELD], ids=str)
def test_a_command_of_another_program_names_what_there_is(command: Shown) -> None:
    HELD[command.words[0]](command)


def test_a_bench_that_is_not_run_has_flags_that_there_are() -> None:
    for command in COMMANDS:
        match command.words:
            case ["python", "-m", module, *words] if module.startswith("bench."):
                bench: App = import_module(module).app
                bench.parse_args(words, exit_on_error=False, print_error=False)


@pytest.mark.parametrize(
    "line",
    [
        "make tset",
        "pip install '.[lokal]'",
        "kubectl apply --server-side -k deploy/kubernetes/overlays/nowhere",
        "docker build --file deploy/docker/Dockerfile --target worker-gpu .",
        "torchrun --nproc-of-node 2 --no-python rpbert train",
        "for each in *.deb; dpkg-deb -x $each art; done",
    ],
)
def test_what_a_command_names_wrongly_is_seen(line: str) -> None:
    command = Shown("here", line)
    with pytest.raises((AssertionError, SystemExit)):
        HELD[command.words[0]](command)


def test_each_reason_not_to_run_is_in_use() -> None:
    for start in NOT_RUN:
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
