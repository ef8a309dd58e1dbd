"""Programs of Debian packages, unpacked into the user's cache: nothing is installed, nobody need be root."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from workers.local.cache import cache_directory
from workers.local.errors import LocalServiceError
from workers.local.progress import Progress, silent

_DOWNLOAD_SECONDS = 300.0


def debian_program(package: str, program: str, progress: Progress = silent) -> Path:
    """A program: the machine's own, else that of a Debian package that is kept unpacked in the cache.

    apt checks the package against its signed index. It enters the cache whole, by a rename.

    Args:
        package: the Debian package.
        program: the program's name, on PATH or in the package's `/usr/bin`.
        progress: told what is downloaded.

    Raises:
        LocalServiceError: the machine has neither the program nor a way to get it.
    """
    if installed := shutil.which(program):
        return Path(installed)
    kept = cache_directory() / "debian" / package
    if not kept.is_dir():
        _unpack(package, kept, progress)
    found = kept / "usr" / "bin" / program
    if not found.is_file():
        raise LocalServiceError(f"The Debian package {package} brings no {program}: delete {kept}, try again")
    return found


def _unpack(package: str, kept: Path, progress: Progress) -> None:
    apt, dpkg = shutil.which("apt-get"), shutil.which("dpkg-deb")
    if apt is None or dpkg is None:
        raise LocalServiceError(
            f"{package} is missing and this is no Debian or Ubuntu, whose package would be fetched: "
            f"install {package} so that its programs are on PATH"
        )
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
