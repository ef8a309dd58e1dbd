"""Completion, asked of the shells themselves."""

from __future__ import annotations

import os
import pty
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.command_line import Rpbert
from workers.local.debian import debian_libraries, debian_program

CASES = [
    (("rel",), "releases"),
    (("releases", "ro"), "rollback"),
    (("releases", "publish", "--sig"), "--signing-key"),
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


@pytest.mark.parametrize("way", ["in fpath", "sourced"])
@pytest.mark.parametrize(("words", "offered"), CASES)
def test_zsh_completes(
    rpbert: Rpbert, tmp_path: Path, words: tuple[str, ...], offered: str, *, way: str
) -> None:
    file = script(rpbert, "zsh", tmp_path)
    (functions := tmp_path / "functions").mkdir()
    if way == "in fpath":
        # As the help of the command says.
        file = file.rename(functions / "_rpbert")
    line, seen = typed_in_zsh(
        f"rpbert {' '.join(words)}", functions, tmp_path, f"source {file}" if way == "sourced" else ""
    )
    # Beside the hint at an argument that is to come, an option is listed and not yet put in.
    assert line.split() == ["rpbert", *words[:-1], offered] or f"{offered}  -- " in seen


def typed_in_zsh(typed: str, functions: Path, folder: Path, set_up: str) -> tuple[str, str]:
    """The line of an interactive zsh once TAB was pressed behind what was typed, and all that it showed."""
    zsh = debian_program("zsh", "zsh")
    # Of a package that is only unpacked it does not find its own.
    tree = zsh.parents[1]
    modules = [each.parents[1] for each in tree.rglob("zle.so")] if tree.name == "zsh" else []
    shared = tree.with_name("zsh-common") / "usr" / "share" / "zsh" / "functions"
    own = {each.parent for each in shared.rglob("*") if each.is_file()}
    (folder / ".zshenv").write_text(
        "".join(f"module_path=({module})\n" for module in modules)
        + f"fpath=({functions} {' '.join(map(str, sorted(own)))} $fpath)\n",
        "utf-8",
    )
    (folder / ".zshrc").write_text(
        f"autoload -Uz compinit && compinit -u -D\n{set_up}\n"
        f"show() {{ print -r -- $BUFFER > {folder}/line; exit }}\nzle -N show\nbindkey '^X' show\n"
        "PS1='ready> '\n",
        "utf-8",
    )
    terminal, device = pty.openpty()
    with subprocess.Popen(
        [zsh, "-d", "-i"],
        stdin=device,
        stdout=device,
        stderr=device,
        start_new_session=True,
        env={"HOME": str(folder), "ZDOTDIR": str(folder), "TERM": "xterm"},
    ) as running:
        os.close(device)
        seen = b""
        while b"ready> " not in seen:
            seen += os.read(terminal, 4096)
        os.write(terminal, typed.encode() + b"\t\x18")
        # Linux says so when nobody has the other end open any more.
        with suppress(OSError):
            while more := os.read(terminal, 4096):
                seen += more
        running.wait()
    os.close(terminal)
    return (folder / "line").read_text("utf-8"), seen.decode()
