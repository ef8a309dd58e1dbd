import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from fsspec.callbacks import Callback

from model.manifest import FILES, MANIFEST, ReleaseError, verify_directory
from model.signing import make_keys, read_private_key
from model.store.download import default_cache, download
from model.store.files import StoreFiles
from model.store.reference import Reference
from model.store.store import ReleaseStore
from tests.model.store.conftest import Publish
from tests.model.store.releases import small_release

Fetch = Callable[..., Path]


@pytest.fixture
def fetch(store: ReleaseStore, tmp_path: Path) -> Fetch:
    """Downloads from the store into a cache of the test's own."""

    def fetch(target: str = "stable", **options: Any) -> Path:
        return download(Reference.parse(f"{store.url}#{target}"), tmp_path / "cache", **options)

    return fetch


def left(tmp_path: Path) -> list[str]:
    """What is in the cache beside locks."""
    return sorted(path.name for path in (tmp_path / "cache").iterdir() if path.suffix != ".lock")


def test_a_channel_s_release_comes_whole(store: ReleaseStore, publish: Publish, fetch: Fetch) -> None:
    publish("1")
    publish("2")
    assert verify_directory(fetch()).version == "2"
    assert verify_directory(fetch("small/1")).version == "1"
    store.roll_back("stable", by="ada", reason="bad")
    assert verify_directory(fetch()).version == "1"


def test_a_store_alone_means_its_stable_channel(
    store: ReleaseStore, publish: Publish, tmp_path: Path
) -> None:
    publish("1")
    assert verify_directory(download(Reference.parse(store.url), tmp_path / "cache")).version == "1"


def test_what_is_here_is_not_fetched_again_unless_it_was_damaged(
    publish: Publish, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("1")
    directory = fetch()
    fetched: list[str] = []
    chunks = StoreFiles.chunks

    def counted(self: StoreFiles, key: str) -> Iterator[bytes]:
        fetched.append(key)
        return chunks(self, key)

    monkeypatch.setattr(StoreFiles, "chunks", counted)
    assert fetch() == directory
    assert fetched == []
    (directory / FILES[1]).write_bytes(b"damaged")
    assert fetch() == directory
    assert len(fetched) == len(FILES)
    verify_directory(directory)


def test_who_waits_is_told_how_many_bytes_there_are_and_come(publish: Publish, fetch: Fetch) -> None:
    publish("1")
    told: list[tuple[int, int]] = []

    def progress() -> Callback:
        return Callback(hooks={"told": lambda size, value, **_: told.append((size, value))})

    directory = fetch(progress=progress())
    size = sum((directory / file).stat().st_size for file in FILES)
    assert told[0] == (size, 0)
    assert len(told) > len(FILES)
    assert told == sorted(told)
    assert told[-1] == (size, size)
    told.clear()
    # It is here already.
    fetch(progress=progress())
    assert told == []


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("fault", ["tampered", "truncated", "missing"])
def test_what_is_not_whole_in_the_store_leaves_nothing_here(
    store: ReleaseStore, publish: Publish, fetch: Fetch, *, tmp_path: Path, file: str, fault: str
) -> None:
    release = publish("1")
    key = f"{release}/{file}"
    content = bytearray(store.files.read(key, at_most=1_000_000) or b"")
    if fault == "missing":
        store.files.remove(key)
    else:
        content[0] ^= 1
        store.files.write(key, bytes(content if fault == "tampered" else content[: len(content) // 2]))
    with pytest.raises(ReleaseError, match=file):
        fetch()
    assert left(tmp_path) == []
    # And the next good one is taken.
    publish("2")
    assert verify_directory(fetch()).version == "2"


def test_what_is_not_in_the_manifest_is_not_fetched(
    store: ReleaseStore, publish: Publish, fetch: Fetch
) -> None:
    release = publish("1")
    store.files.write(f"{release}/model.pkl", b"\x80\x04.")
    assert sorted(path.name for path in fetch().iterdir()) == sorted((*FILES, MANIFEST))


@pytest.mark.parametrize("name", ["../../escaped", "/escaped", "model.pkl"])
def test_a_manifest_can_t_name_a_path_or_a_pickle(
    store: ReleaseStore, publish: Publish, fetch: Fetch, tmp_path: Path, name: str
) -> None:
    release = publish("1")
    manifest = json.loads(store.sealed(release).content)
    manifest["files"][name] = sha256(b"evil").hexdigest()
    store.files.write(f"{release}/{MANIFEST}", json.dumps(manifest).encode())
    with pytest.raises(ReleaseError, match="must name exactly"):
        fetch("small/1")
    assert not (tmp_path / "cache").exists()


def test_a_release_that_was_exchanged_under_its_channel_is_refused(
    store: ReleaseStore, publish: Publish, fetch: Fetch, tmp_path: Path
) -> None:
    release = publish("1")
    other = small_release(tmp_path / "other", "1", content="exchanged")
    for file in (*FILES, MANIFEST):
        store.files.put(other / file, f"{release}/{file}")
    with pytest.raises(ReleaseError, match="not the one that the channel stable was pointed at"):
        fetch()


def test_with_a_public_key_only_what_its_owner_signed_comes(
    store: ReleaseStore, publish: Publish, fetch: Fetch, tmp_path: Path
) -> None:
    make_keys(tmp_path / "key")
    private = read_private_key(tmp_path / "key")
    release = publish("1")
    fetch()
    # Also when it lies here already.
    with pytest.raises(ReleaseError, match="small/1 is not signed"):
        fetch(key=private.public_key())
    store.sign(release, private)
    verify_directory(fetch(key=private.public_key()))


def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    publish: Publish, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("1")
    make = tempfile.mkdtemp

    def with_a_full_file(prefix: str, dir: Path) -> str:  # noqa: A002
        part = make(prefix=prefix, dir=dir)
        (Path(part) / FILES[1]).symlink_to("/dev/full")
        return part

    monkeypatch.setattr(tempfile, "mkdtemp", with_a_full_file)
    with pytest.raises(ReleaseError, match=r"no space is left for .*small/1 in .*cache.*XDG_CACHE_HOME"):
        fetch()
    assert left(tmp_path) == []
    monkeypatch.undo()
    verify_directory(fetch())


def test_a_cache_that_can_t_be_is_one_sentence(publish: Publish, store: ReleaseStore, tmp_path: Path) -> None:
    publish("1")
    (tmp_path / "file").write_text("no directory")
    with pytest.raises(ReleaseError, match=r"can't be kept in .*file.*XDG_CACHE_HOME"):
        download(Reference(store.url, "stable"), tmp_path / "file" / "cache")


def test_what_a_killed_download_left_is_removed_by_the_next(
    store: ReleaseStore, publish: Publish, fetch: Fetch, tmp_path: Path
) -> None:
    release = publish("1")
    part = tmp_path / "cache" / f".part-{store.sealed(release).sha256}-killed"
    part.mkdir(parents=True)
    (part / FILES[0]).write_bytes(b"half")
    assert left(tmp_path) == [part.name]
    assert left(tmp_path) != [fetch().name]
    assert left(tmp_path) == [fetch().name]


def test_old_downloads_are_forgotten_but_not_what_may_be_in_use(
    publish: Publish, fetch: Fetch, tmp_path: Path
) -> None:
    directories = [fetch(str(publish(str(number)))) for number in range(8)]
    assert all(each.is_dir() for each in directories)
    for age, directory in enumerate(reversed(directories)):
        at = time.time() - 2 * 3_600 - age
        os.utime(directory, (at, at))
    fetch("small/0")
    assert [each.is_dir() for each in directories] == [True, False, False, False, False, True, True, True]


def test_the_cache_is_the_user_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "rpbert-stream" / "releases"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert default_cache().is_relative_to(Path.home())


CHILD = """
import sys
from pathlib import Path
from model.store import download as module
from model.store.files import StoreFiles
chunks = StoreFiles.chunks
def said(self, key):
    print("fetches", key, flush=True)
    # Long enough for the others to come too: they wait for a line of ours.
    if key.endswith("config.json"):
        sys.stdin.readline()
    return chunks(self, key)
StoreFiles.chunks = said
print("asks", flush=True)
print("has", module.download(module.Reference.parse(sys.argv[1]), Path(sys.argv[2])), flush=True)
"""


def test_several_processes_at_a_time_fetch_once(tmp_path: Path) -> None:
    store = ReleaseStore(str(tmp_path / "store"))
    store.point("stable", store.add(small_release(tmp_path / "release")), by="ada", reason="")
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, store.url, str(tmp_path / "cache")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # A line read is a line read: what follows it is left to `communicate`.
            bufsize=0,
        )
        for _ in range(4)
    ]
    try:
        # All have begun before any may go on.
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == b"asks\n"
        said: list[bytes] = []
        readers = [
            threading.Thread(
                target=lambda child=child: said.extend(child.communicate(b"go on\n")[0].splitlines())
            )
            for child in children
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
    finally:
        for child in children:
            child.kill()
            child.wait()
    assert [child.returncode for child in children] == [0] * 4
    assert sum(line.startswith(b"fetches") for line in said) == len(FILES)
    assert len({line for line in said if line.startswith(b"has")}) == 1
    assert len(left(tmp_path)) == 1
    verify_directory(tmp_path / "cache" / left(tmp_path)[0])
