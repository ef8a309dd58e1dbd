"""A program is the machine's own, else Debian's, else it is said what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.local.debian import debian_libraries, debian_program
from workers.local.errors import LocalServiceError


def program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    file.chmod(0o755)
    return file


@pytest.fixture(autouse=True)
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


def test_the_machine_s_own_is_taken(bare_machine: Path) -> None:
    own = program(bare_machine, "promtool", "")
    assert debian_program("prometheus", "promtool") == own


def test_one_of_debian_s_package_is_unpacked_once(bare_machine: Path) -> None:
    program(bare_machine, "apt-get", ": > prometheus.deb")
    unpacks = "/bin/mkdir -p $3/usr/bin && : > $3/usr/bin/promtool"
    unpacker = program(bare_machine, "dpkg-deb", unpacks)
    found = debian_program("prometheus", "promtool")
    assert found.is_file()
    unpacker.unlink()
    assert debian_program("prometheus", "promtool") == found


def test_the_libraries_that_a_package_needs_are_unpacked_too(bare_machine: Path) -> None:
    says = 'echo "Inst librdkafka1 (2.0.2-1 Debian [amd64])"; echo "Inst kcat (1.7.1-2 Debian [amd64])"'
    program(bare_machine, "apt-get", f'if [ "$1" = install ]; then {says}; else : > package.deb; fi')
    program(bare_machine, "dpkg-deb", "/bin/mkdir -p $3/usr/lib/cpu && : > $3/usr/lib/cpu/librdkafka.so.1")
    (folder,) = debian_libraries("kcat")
    assert (folder / "librdkafka.so.1").is_file()


def test_a_machine_that_can_t_have_it_says_so(bare_machine: Path) -> None:
    with pytest.raises(LocalServiceError, match=r"this is no Debian .* install prometheus"):
        debian_program("prometheus", "promtool")
    program(bare_machine, "apt-get", "exit 100")
    program(bare_machine, "dpkg-deb", "")
    with pytest.raises(LocalServiceError, match="apt-get update"):
        debian_program("prometheus", "promtool")
