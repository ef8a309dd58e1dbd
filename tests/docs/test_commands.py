"""Every command of the documentation is run here, or held against what it names."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from cyclopts import MissingArgumentError, ValidationError

from model.manifest import verify_directory
from model.store.reference import ReleaseId
from model.store.store import ReleaseStore
from tests.command_line import Rpbert
from tests.docs.commands import ROOT, Shown, named, shown
from tests.docs.gold import SHORT, lay_out_captioned_pictures, write_golden_posts
from tests.docs.held import NOT_RUN, RUN_ELSEWHERE, elsewhere, held
from tests.docs.programs import run_program, run_unpacking
from tests.docs.stage import lay_out, service
from tests.docs.staying import begin_and_end, stays
from workers.cli import app
from workers.local.debian import debian_package
from workers.local.kafka import KafkaCluster
from workers.local.picture_host import PictureHost
from workers.local.samples import picture_bytes
from workers.local.valkey import ValkeyServer

DRAWN = {"rpbert trainer: training, from what is in service"}

COMMANDS = tuple(dict.fromkeys(command for command in shown() if command.line not in DRAWN))
RUN = [command for command in COMMANDS if held(command) is None and elsewhere(command) is None]


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
            "/var/lib/rpbert": "runs",
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
    if command.words[0] in {"apt-get", "for"}:
        assert run_unpacking(command.line, here)
        return
    words, stdin = _here(command, world), ""
    if words[0] == "echo":
        stdin, words = words[1] + "\n", words[words.index("|") + 1 :]
    elif "|" in words:
        words = words[: words.index("|")]
    if ">" in words:
        words = words[: words.index(">")]
    if {"train", "trainer"} & set(words):
        _train(rpbert, words, here, tiny_release)
    elif words[0] != "rpbert":
        output = run_program(words, stdin, here)
        assert output or words[:2] == ["kcat", "-P"]
    else:
        # The packaged one takes seconds more to load, and one page's test has it.
        further = {} if "store#" in " ".join(words) else {"RPBERT_RELEASE": str(tiny_release)}
        if stays(words[1:]):
            begin_and_end(words[1:], here, _settings(world) | further)
            return
        run = rpbert(*_ending(words[1:], here), stdin=stdin, **further)
        assert run.status == 0, run.errors + run.output
        assert run.output or run.errors


@pytest.mark.parametrize("command", [each for each in COMMANDS if held(each)], ids=str)
def test_a_command_that_is_not_run_names_what_there_is(command: Shown) -> None:
    instead = held(command)
    assert instead is not None
    instead.against(command)


@pytest.mark.parametrize(
    "line",
    [
        "make test-autoscale ARGS='--most 3' burst",
        "docker build --file deploy/docker/Dockerfile --target worker-gpu .",
    ],
)
def test_what_a_command_names_wrongly_is_seen(line: str) -> None:
    command = Shown("here", line)
    instead = held(command)
    assert instead is not None
    with pytest.raises(AssertionError):
        instead.against(command)


def test_an_extra_that_there_is_not_is_seen(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="does not provide the extra 'lokal'"):
        run_program(["pip", "install", ".[lokal]"], "", tmp_path)


@pytest.mark.parametrize("test", RUN_ELSEWHERE.values())
def test_what_is_run_elsewhere_has_its_test(test: str) -> None:
    file, _, name = test.partition("::")
    assert f"\ndef {name}_" in (ROOT / file).read_text("utf-8")


@pytest.mark.parametrize("command", dict.fromkeys(named()), ids=str)
def test_a_command_that_a_sentence_names_is_there(command: Shown) -> None:
    # A value may be missing, or stand for one.
    with suppress(MissingArgumentError, ValidationError):
        app.parse_args(command.words[1:], exit_on_error=False, print_error=False)


def test_a_command_that_nobody_knows_is_to_be_run_and_says_so(tmp_path: Path) -> None:
    command = Shown("here", "make everything-better")
    assert held(command) is None
    with pytest.raises(AssertionError, match=r"say in tests/docs/held\.py why not"):
        run_program(command.words, "", tmp_path)


@pytest.mark.parametrize("start", [*NOT_RUN, *RUN_ELSEWHERE])
def test_each_reason_not_to_run_here_is_in_use(start: str) -> None:
    assert any(command.begins(start) for command in COMMANDS)


def _here(command: Shown, world: dict[str, str]) -> list[str]:
    line = command.line
    for place, ours in world.items():
        line = line.replace(place, ours)
    line = line.replace("--allow-host pictures", "--allow-host localhost")
    return Shown(command.page, line).words


def _settings(world: Mapping[str, str]) -> dict[str, str]:
    return {
        "RPBERT_BOOTSTRAP_SERVERS": world["kafka:9092"],
        "RPBERT_REDIS_URL": world["redis://redis:6379/0"],
    }


def _train(rpbert: Rpbert, words: list[str], here: Path, tiny_release: Path) -> None:
    """A command that trains, on few posts and from a tiny release."""
    lay_out_captioned_pictures(here)
    if words[1] == "trainer":
        write_golden_posts(here / "golden.jsonl", tiny_release)
        store = ReleaseStore(str(here / "store"))
        store.point("stable", ReleaseId("tiny", "1"), by="ada", reason="better")
        run = rpbert(*words[1:], **SHORT)
        assert run.status == 0, run.errors
        assert store.current("stable").release == ReleaseId("tiny", "1.1.0")
        return
    variables = {**SHORT, "RPBERT_INITIAL_RELEASE": str(tiny_release)}
    output = here / words[words.index("--output") + 1]
    shutil.rmtree(output, ignore_errors=True)
    if "--resume" in words:
        begun = rpbert(*(word for word in words[1:] if word != "--resume"), **variables)
        assert begun.status == 0, begun.errors
    if words[0] == "torchrun":
        run_program(words, "", here, variables)
    else:
        run = rpbert(*words[1:], **variables)
        assert run.status == 0, run.errors
    verify_directory(output / "release")


def _ending(words: list[str], here: Path) -> list[str]:
    """The same command, made to end."""
    match words:
        case ["tail", *_] if "--limit" not in words:
            return [*dict.fromkeys([*words, "--from-start"]), "--limit", "1"]
        case ["data", "captions", *_] if "--emoji" in words:
            font = here / words[words.index("--emoji") + 1]
            font.parent.mkdir(parents=True)
            (found,) = debian_package("fonts-noto-color-emoji").rglob(font.name)
            font.symlink_to(found)
        case ["topics", "create", *_]:
            return [*words, "--replication-factor", "1"]
        case ["releases", "keygen", key]:
            (here / key).unlink()
            (here / f"{key}.pub").unlink()
    return words
