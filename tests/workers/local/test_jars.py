"""No jar is run that is not the one that was pinned."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from workers.local import jars
from workers.local.errors import LocalServiceError
from workers.local.jars import KAFKA_VERSION, PINNED_JARS, kafka_classpath, pinned_jars


@pytest.fixture
def small_store(tmp_path: Path) -> tuple[Path, Path]:
    """A store of one jar and its file of digests."""
    jar = tmp_path / "store/org/example/thing/1.0/thing-1.0.jar"
    jar.parent.mkdir(parents=True)
    jar.write_bytes(b"what was pinned")
    pins = tmp_path / "pins.sha256"
    pins.write_text(f"{hashlib.sha256(jar.read_bytes()).hexdigest()}  org/example/thing/1.0/thing-1.0.jar\n")
    return tmp_path / "store", pins


def test_the_pinned_jars_are_that_release_of_kafka_and_name_each_file_once() -> None:
    jars = pinned_jars()
    assert ("org.apache.kafka", "kafka_2.13", KAFKA_VERSION) in [jar.coordinates for jar in jars]
    assert len({jar.path for jar in jars}) == len(jars)
    assert all(re.fullmatch("[0-9a-f]{64}", jar.sha256) for jar in jars)
    assert not any(jar.path.is_absolute() or ".." in jar.path.parts for jar in jars)


def test_jars_that_are_right_are_the_classpath_without_a_network(small_store: tuple[Path, Path]) -> None:
    store, pins = small_store
    assert [jar.name for jar in kafka_classpath(store=store, pins=pins)] == ["thing-1.0.jar"]


def test_a_changed_jar_is_refused_by_name_with_what_to_do(small_store: tuple[Path, Path]) -> None:
    store, pins = small_store
    next(store.rglob("*.jar")).write_bytes(b"what someone else put there")
    with pytest.raises(LocalServiceError) as caught:
        kafka_classpath(store=store, pins=pins)
    assert str(caught.value) == (
        f"thing-1.0.jar in {store} is not the file that pins.sha256 pins: "
        f"delete {store} and run again to download it afresh"
    )


def test_a_download_that_is_not_what_was_pinned_never_enters_the_store(
    small_store: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, pins = small_store
    next(store.rglob("*.jar")).unlink()

    def repository_with_another_file(incoming: Path) -> object:
        def fetch(jar: jars.PinnedJar) -> tuple[jars.PinnedJar, Path]:
            file = incoming / jar.name
            file.write_bytes(b"another file")
            return jar, file

        return fetch

    # Stands for a repository that sends the wrong file, which no real one can be asked to do.
    monkeypatch.setattr(jars, "_fetcher", repository_with_another_file)
    with pytest.raises(LocalServiceError, match=r"sent another thing-1\.0\.jar than .* pins"):
        kafka_classpath(store=store, pins=pins)
    assert list(store.rglob("*.jar")) == []


def test_a_jar_that_cannot_be_downloaded_says_what_to_do(
    small_store: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, pins = small_store
    next(store.rglob("*.jar")).unlink()
    configuration = tmp_path / "jgo.conf"
    # Port 1 of loopback: nothing listens there.
    configuration.write_text("[repositories]\ncentral = http://127.0.0.1:1/maven\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(configuration))
    with pytest.raises(LocalServiceError, match=r"Cannot download thing-1\.0\.jar") as caught:
        kafka_classpath(store=store, pins=pins)
    assert "--bootstrap-servers" in str(caught.value)


def test_the_digests_can_be_checked_by_other_tools() -> None:
    assert all(re.fullmatch(r"[0-9a-f]{64}  \S+\.jar", line) for line in PINNED_JARS.read_text().splitlines())
