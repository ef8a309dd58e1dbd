"""Completion, asked of the shells themselves."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.command_line import Rpbert
from workers.local.debian import debian_libraries, debian_program

CASES = [
    (("doc",), "doctor"),
    (("releases", "ro"), "rollback"),
    (("tail", "--boot"), "--bootstrap-servers"),
]


def script(rpbert: Rpbert, shell: str, folder: Path) -> Path:
    file = folder / f"rpbert.{shell}"
    file.write_text(rpbert("completion", shell).output, encoding="utf-8")
    return file


def said(command: list[str | Path], **variables: str) -> list[str]:
    run = subprocess.run(command, capture_output=True, text=True, env=variables, check=True, timeout=60)
    return run.stdout.splitlines()


@pytest.mark.parametrize(("words", "offered"), CASES)
def test_bash_completes(rpbert: Rpbert, tmp_path: Path, words: tuple[str, ...], offered: str) -> None:
    file = script(rpbert, "bash", tmp_path)
    asked = (
        f"source {file}; COMP_WORDS=(rpbert {' '.join(words)}); COMP_CWORD={len(words)}; _rpbert; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    assert offered in said(["bash", "-c", asked])


@pytest.mark.parametrize(("words", "offered"), CASES)
def test_fish_completes(rpbert: Rpbert, tmp_path: Path, words: tuple[str, ...], offered: str) -> None:
    file = script(rpbert, "fish", tmp_path)
    libraries = ":".join(map(str, debian_libraries("fish")))
    fish = debian_program("fish", "fish")
    # Of a package that is only unpacked it does not find its own.
    functions = fish.parents[3] / "fish-common" / "usr" / "share" / "fish" / "functions"
    asked = f"set -a fish_function_path {functions}; source {file}; complete -C 'rpbert {' '.join(words)}'"
    lines = said([fish, "--no-config", "-c", asked], HOME=str(tmp_path), LD_LIBRARY_PATH=libraries)
    assert offered in [line.partition("\t")[0] for line in lines]


def test_zsh_reads_its_script(rpbert: Rpbert, tmp_path: Path) -> None:
    file = script(rpbert, "zsh", tmp_path)
    assert said([debian_program("zsh", "zsh"), "-n", file], HOME=str(tmp_path)) == []
    assert file.read_text("utf-8").startswith("#compdef rpbert")
