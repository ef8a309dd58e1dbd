"""Apache Kafka's jars: downloaded once, checked against committed digests at every start."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from workers.local.cache import cache_directory
from workers.local.errors import LocalServiceError
from workers.local.progress import Progress, silent

KAFKA_VERSION = "4.4.0"
PINNED_JARS = Path(__file__).with_name("kafka-jars.sha256")

# More makes no difference to the time it takes, and a public repository deserves some modesty.
_DOWNLOADS_AT_ONCE = 8


@dataclass(frozen=True)
class PinnedJar:
    """One line of `kafka-jars.sha256`.

    Attributes:
        sha256: Digest of the file, hexadecimal.
        path: Its place in any Maven repository, `group/as/folders/artifact/version/artifact-version.jar`,
            which says its coordinates as well.
    """

    sha256: str
    path: PurePosixPath

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    @property
    def coordinates(self) -> tuple[str, str, str]:
        """Group, artifact and version."""
        *group, artifact, version, _file = self.path.parts
        return ".".join(group), artifact, version


def pinned_jars(pins: Path = PINNED_JARS) -> list[PinnedJar]:
    """The jars that make up the broker: `kafka_2.13` and all it needs at run time."""
    lines = [line.split() for line in pins.read_text(encoding="ascii").splitlines()]
    return [PinnedJar(sha256, PurePosixPath(path)) for sha256, path in lines]


def kafka_classpath(
    progress: Progress = silent, *, store: Path | None = None, pins: Path = PINNED_JARS
) -> list[Path]:
    """Every pinned jar as a file whose content was just checked; missing ones are downloaded first.

    The whole set is hashed each time: 45 MB take 30 ms, and no stamp can be fooled or go stale. A download
    enters the store only after its check, by a rename, so neither an interruption nor a second process
    leaves half a file there.

    Args:
        progress: Told what is downloaded.
        store: The folder of kept jars, laid out as a Maven repository; the user's cache by default.
        pins: File of digests.

    Raises:
        LocalServiceError: A jar cannot be downloaded or is not what was pinned.
    """
    store = cache_directory() / "jars" if store is None else store
    jars = pinned_jars(pins)
    missing = [jar for jar in jars if not (store / jar.path).is_file()]
    if missing:
        _download(missing, store, progress)
    for jar in jars:
        if _sha256(store / jar.path) != jar.sha256:
            raise LocalServiceError(
                f"{jar.name} in {store} is not the file that {pins.name} pins: "
                f"delete {store} and run again to download it afresh"
            )
    return [store / jar.path for jar in jars]


def _download(jars: list[PinnedJar], store: Path, progress: Progress) -> None:
    store.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix=".incoming-", dir=store) as incoming,
        _quiet_resolver(),
        ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool,
    ):
        fetch = _fetcher(Path(incoming))
        pending = [pool.submit(fetch, jar) for jar in jars]
        try:
            for done, future in enumerate(as_completed(pending), start=1):
                jar, file = future.result()
                if (found := _sha256(file)) != jar.sha256:
                    raise LocalServiceError(
                        f"The repository sent another {jar.name} than {PINNED_JARS.name} pins "
                        f"(SHA-256 {found}): it was thrown away; check the repositories in jgo's "
                        "configuration and run again"
                    )
                (store / jar.path).parent.mkdir(parents=True, exist_ok=True)
                file.replace(store / jar.path)
                progress(f"Apache Kafka {KAFKA_VERSION}: downloaded {done} of {len(jars)} jars")
        finally:
            pool.shutdown(cancel_futures=True)


def _fetcher(incoming: Path) -> Callable[[PinnedJar], tuple[PinnedJar, Path]]:
    try:
        from jgo.config import GlobalSettings  # noqa: PLC0415 - an optional dependency
        from jgo.constants import MAVEN_CENTRAL_URL  # noqa: PLC0415
        from jgo.maven import MavenContext  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise LocalServiceError(
            "jgo, which downloads Apache Kafka, is missing: install the extra with "
            "`pip install 'rpbert-stream[local]'`, or use a broker of your own with --bootstrap-servers"
        ) from error
    # Whoever sits behind a mirror names it once in jgo's own configuration, section [repositories].
    repositories = {"central": MAVEN_CENTRAL_URL, **GlobalSettings.load().repositories}
    maven = MavenContext(repo_cache=incoming, remote_repos=repositories, timeout=30)

    def fetch(jar: PinnedJar) -> tuple[PinnedJar, Path]:
        group, artifact, version = jar.coordinates
        try:
            file = maven.project(group, artifact).at_version(version).artifact().resolve()
        # requests, jgo and the file system each have their own; to the user they are one thing.
        except (OSError, RuntimeError) as error:
            raise LocalServiceError(
                f"Cannot download {jar.name}, a part of Apache Kafka: no Maven repository was reached; "
                "name one in jgo's configuration, section [repositories], "
                "or use a broker of your own with --bootstrap-servers"
            ) from error
        return jar, Path(file)

    return fetch


@contextmanager
def _quiet_resolver() -> Iterator[None]:
    # jgo warns about SHA-1 files; ours are the digests that count.
    log = logging.getLogger("jgo")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
