"""Other programs' commands in the documentation, run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from tests.docs.commands import ROOT, outside_make
from workers.local.debian import debian_libraries, debian_program
from workers.local.jars import kafka_classpath
from workers.local.java import java_executable

_ECJ = Path(__file__).with_name("ecj-jars.sha256")
_TIMEOUT_S = 120
_APT_GET = """#!/bin/bash -e
test "$1" = download
for package in "${@:2}"; do
  [[ $package =~ ^[a-z0-9][a-z0-9+.-]+$ ]]
  made=$(mktemp -d)
  mkdir -p "$made/DEBIAN" "$made/usr/share/$package"
  touch "$made/usr/share/$package/stand-in"
  printf 'Package: %s\\nVersion: 1\\nArchitecture: all\\nMaintainer: us\\nDescription: one\\n' "$package" \\
    > "$made/DEBIAN/control"
  dpkg-deb --build --root-owner-group "$made" .
  rm -r "$made"
done
"""


def run_program(
    words: Sequence[str], stdin: str, folder: Path, variables: Mapping[str, str] | None = None
) -> str:
    """Run a program of the reader's and give what it prints; a failure is an assertion.

    Args:
        words: the command.
        stdin: its standard input.
        folder: an empty one of the test's, for what has to be compiled.
        variables: of the environment, beside ours.
    """
    more = dict(variables or {})
    match words:
        case ["pip", "install", wanted]:
            return _install(wanted)
        case ["python", *arguments]:
            command = [sys.executable, *arguments]
        case ["make", "test"]:
            # All of it would run this too.
            command = ["make", "--directory", str(ROOT), "test", "ARGS=tests/schemas", "PROCESSES=0"]
        case ["java", "-cp", "$JARS", source, *arguments]:
            command = [*_java(Path(source), folder), *arguments]
        case ["kcat", *arguments]:
            command = [str(debian_program("kcat", "kcat")), *arguments]
            more["LD_LIBRARY_PATH"] = ":".join(map(str, debian_libraries("kcat")))
        case ["tensorboard", *arguments]:
            # It would serve; so it says what it would show.
            command = [sys.executable, "-m", "tensorboard.main", *arguments, "--inspect"]
        case ["torchrun", *arguments]:
            command = [sys.executable, "-m", "torch.distributed.run", *arguments]
            # Beside other runs on this machine: a free port, one thread each.
            more |= {"PET_STANDALONE": "1", "OMP_NUM_THREADS": "1", "PATH": _with_ours()}
        case _:
            raise AssertionError(f"{words[0]} is not run: run it here, or say in tests/docs/held.py why not")
    return _run(command, stdin, more)


def run_unpacking(line: str, folder: Path) -> list[Path]:
    """Run a line of a shell that downloads or unpacks Debian packages, and give what came of it.

    They are hundreds of megabytes, so stand-ins of the same names come, each with one file.

    Args:
        line: as the page has it.
        folder: where we are.
    """
    (own := folder / "bin").mkdir()
    (own / "apt-get").write_text(_APT_GET, encoding="utf-8")
    (own / "apt-get").chmod(0o755)
    on_path = {"PATH": f"{own}:{os.environ['PATH']}"}
    if not line.startswith("apt-get "):
        # What the line before has left.
        _run([str(own / "apt-get"), "download", "one", "another"], variables=on_path)
    _run(["bash", "-e", "-u", "-c", line], variables=on_path)
    return list(folder.rglob("stand-in" if "dpkg-deb -x" in line else "*.deb"))


@cache
def _install(wanted: str) -> str:
    """What pip says that it would do: the environment that this runs in holds it already.

    No registry has our distribution yet: by its name, too, it is this checkout.
    """
    ours = re.sub(r"^(\.|rpbert-stream)(?=\[|$)", str(ROOT), wanted)
    run = _finished([sys.executable, "-m", "pip", "install", "--dry-run", ours])
    assert "does not provide the extra" not in run.stderr, run.stderr
    return run.stdout


def _with_ours() -> str:
    return f"{Path(sys.executable).parent}:{os.environ['PATH']}"


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
    return _finished(command, stdin, variables).stdout


def _finished(
    command: Sequence[str], stdin: str = "", variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    run = subprocess.run(
        command,
        input=stdin,
        env={**outside_make(), **(variables or {})},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    assert run.returncode == 0, run.stderr + run.stdout
    return run
