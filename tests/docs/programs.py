"""Other programs' commands in the documentation: run where they can be, else held against what they name."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from torch.distributed.run import get_args_parser

from tests.docs.commands import ROOT, Shown
from workers.local.debian import debian_libraries, debian_program
from workers.local.jars import kafka_classpath
from workers.local.java import java_executable

_ECJ = Path(__file__).with_name("ecj-jars.sha256")
_TIMEOUT_S = 120
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")


def run_program(words: Sequence[str], stdin: str, folder: Path) -> str:
    """Run a program of the reader's and give what it prints; a failure is an assertion.

    Args:
        words: the command.
        stdin: its standard input.
        folder: an empty one of the test's, for what has to be compiled.
    """
    match words:
        case ["python", *arguments]:
            return _run([sys.executable, *arguments])
        case ["java", "-cp", "$JARS", source, *arguments]:
            return _run([*_java(Path(source), folder), *arguments])
        case ["kcat", *arguments]:
            path = ":".join(map(str, debian_libraries("kcat")))
            return _run([str(debian_program("kcat", "kcat")), *arguments], stdin, {"LD_LIBRARY_PATH": path})
        case ["tensorboard", *arguments]:
            # It would serve; so it says what it would show.
            return _run([sys.executable, "-m", "tensorboard.main", *arguments, "--inspect"])
    raise AssertionError(f"{words[0]} is neither run nor held against anything")


def _java(source: Path, folder: Path) -> list[str]:
    """The program of one source file: as it stands where there is a compiler, else compiled by Eclipse's."""
    jars = ":".join(map(str, kafka_classpath()))
    java = shutil.which("java")
    if java is not None and shutil.which("javac") is not None:
        return [java, "-cp", jars, str(source)]
    (compiler,) = kafka_classpath(pins=_ECJ)
    java = str(java_executable())
    main = "org.eclipse.jdt.internal.compiler.batch.Main"
    _run([java, "-cp", str(compiler), main, "-17", "-cp", jars, "-d", str(folder / "classes"), str(source)])
    return [java, "-cp", f"{folder / 'classes'}:{jars}", source.stem]


def _run(command: Sequence[str], stdin: str = "", variables: Mapping[str, str] | None = None) -> str:
    run = subprocess.run(
        command,
        input=stdin,
        env={**os.environ, **(variables or {})},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    assert run.returncode == 0, run.stderr + run.stdout
    return run.stdout


def _make(command: Shown) -> None:
    assert _run(["make", "--dry-run", "--directory", str(ROOT), *command.words[1:]])


def _pip(command: Shown) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    verb, named = command.words[1:]
    assert verb == "install"
    wanted = Requirement(re.sub(r"^\.", project["name"], named))
    if wanted.name == project["name"]:
        assert wanted.extras <= set(project["optional-dependencies"])
    else:
        # What a reader's own program needs is what ours is tested with.
        assert wanted.name in {Requirement(each).name for each in project["dependencies"]}


def _debian(command: Shown) -> None:
    parts = " ".join(command.words).split(" && ")
    verb, *packages = parts[0].split()[1:]
    assert verb == "download"
    assert all(_PACKAGE.fullmatch(each) for each in packages)
    for part in parts[1:]:
        assert re.fullmatch(rf"dpkg-deb -x ({'|'.join(map(re.escape, packages))})_\*\.deb \w+", part)


def _docker(command: Shown) -> None:
    words = command.words
    file = ROOT / words[words.index("--file") + 1]
    text = file.read_text("utf-8")
    if "--target" in words:
        assert re.search(rf"^FROM .* AS {words[words.index('--target') + 1]}$", text, re.MULTILINE)
    for name in (words[at + 1].partition("=")[0] for at, each in enumerate(words) if each == "--build-arg"):
        assert re.search(rf"^ARG {name}\b", text, re.MULTILINE), name


def _kubectl(command: Shown) -> None:
    verb, *flags, overlay = command.words[1:]
    assert (verb, flags) == ("apply", ["--server-side", "-k"])
    assert (ROOT / overlay / "kustomization.yaml").is_file()


def _torchrun(command: Shown) -> None:
    launched = get_args_parser().parse_args(command.words[1:])
    assert (launched.training_script, launched.no_python) == ("rpbert", True)


def _shell(command: Shown) -> None:
    _run(["bash", "-n", "-c", command.line])


HELD: Mapping[str, Callable[[Shown], None]] = {
    "apt-get": _debian,
    "docker": _docker,
    "for": _shell,
    "kubectl": _kubectl,
    "make": _make,
    "pip": _pip,
    "torchrun": _torchrun,
}
"""What a command that is not run is held against, by its program: the targets, extras and files it names."""
