"""Programs of Debian packages, unpacked into the user's cache: nothing is installed, nobody need be root."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from workers.local.cache import cache_directory
from workers.local.errors import LocalServiceError
from workers.local.progress import Progress, silent

_DOWNLOAD_SECONDS = 300.0
_TO_INSTALL = re.compile(r"^Inst (\S+)", re.MULTILINE)


def debian_package(package: str, progress: Progress = silent) -> Path:
    """The folder of a Debian package's files, unpacked in the cache.

    apt checks the package against its signed index. It enters the cache whole, by a rename.

    Args:
        package: the Debian package.
        progress: told what is downloaded.

    Raises:
        LocalServiceError: the machine has no way to get it.
    """
    kept = cache_directory() / "debian" / package
    if not kept.is_dir():
        _unpack(package, kept, progress)
    return kept


def debian_program(package: str, program: str, progress: Progress = silent) -> Path:
    """A program: the machine's own, else that of a Debian package, see `debian_package`.

    Args:
        package: the Debian package.
        program: the program's name, on PATH or in the package's `/usr/bin` or `/bin`.
        progress: told what is downloaded.

    Raises:
        LocalServiceError: the machine has neither the program nor a way to get it.
    """
    if installed := shutil.which(program):
        return Path(installed)
    kept = debian_package(package, progress)
    for found in (kept / "usr" / "bin" / program, kept / "bin" / program):
        if found.is_file():
            return found
    raise LocalServiceError(f"The Debian package {package} brings no {program}: delete {kept}, try again")


def debian_libraries(package: str, progress: Progress = silent) -> list[Path]:
    """Folders of the shared libraries that a Debian package needs and this machine lacks.

    Args:
        package: the Debian package; none of its own libraries is among them.
        progress: told what is downloaded.

    Raises:
        LocalServiceError: the machine has no way to get them.
    """
    apt = shutil.which("apt-get")
    if apt is None:
        raise _no_debian(package)
    asked = subprocess.run(  # noqa: S603
        [apt, "install", "--simulate", "--no-install-recommends", "-qq", package],
        capture_output=True,
        text=True,
        check=False,
    )
    needed = [name for name in _TO_INSTALL.findall(asked.stdout) if name != package]
    kept = (debian_package(name, progress) for name in needed)
    return sorted({library.parent for tree in kept for library in tree.rglob("*.so.*")})


def _no_debian(package: str) -> LocalServiceError:
    return LocalServiceError(
        f"{package} is missing and this is no Debian or Ubuntu, whose package would be fetched: "
        f"install {package} so that its programs are on PATH"
    )


def _unpack(package: str, kept: Path, progress: Progress) -> None:
    apt, dpkg = shutil.which("apt-get"), shutil.which("dpkg-deb")
    if apt is None or dpkg is None:
        raise _no_debian(package)
    kept.parent.mkdir(parents=True, exist_ok=True)
    progress(f"{package}: downloading Debian's package")
    with tempfile.TemporaryDirectory(prefix=".incoming-", dir=kept.parent) as folder:
        incoming = Path(folder)
        try:
            _run([apt, "download", "-qq", package], incoming)
            (file,) = incoming.glob("*.deb")
            _run([dpkg, "-x", str(file), str(incoming / "tree")], incoming)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise LocalServiceError(
                f"Cannot get Debian's package {package}: run `apt-get update` and try again, "
                f"or install {package} so that its programs are on PATH"
            ) from error
        try:
            (incoming / "tree").rename(kept)
        except OSError:
            # Another process was faster.
            if not kept.is_dir():
                raise


def _run(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=_DOWNLOAD_SECONDS)  # noqa: S603
