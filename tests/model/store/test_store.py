import json
from pathlib import Path
from time import sleep

import pytest

from model.manifest import FILES, MANIFEST, ReleaseError
from model.signing import make_keys, read_private_key, read_public_key
from model.store.reference import ReleaseId
from model.store.store import ReleaseStore
from tests.model.store.conftest import Publish
from tests.model.store.releases import small, small_release


def test_what_is_added_is_there_whole_and_in_the_order_of_publishing(
    store: ReleaseStore, publish: Publish
) -> None:
    for version in ("10", "9", "11"):
        publish(version, channel=None)
        if store.url.startswith("s3:"):
            # S3 tells whole seconds.
            sleep(1.0)
    publish("1", channel=None, name="base")
    assert list(map(str, store.releases())) == ["base/1", "small/10", "small/9", "small/11"]
    for release in store.releases():
        store.verify(release)
    assert store.unfinished() == []


def test_an_empty_store_has_nothing_and_says_so(store: ReleaseStore) -> None:
    assert store.releases() == []
    assert store.channels() == []
    with pytest.raises(ReleaseError, match=r"has no release small/1; see `rpbert releases list`"):
        store.sealed(small("1"))
    with pytest.raises(ReleaseError, match="no release in the channel stable"):
        store.current("stable")


def test_what_has_no_manifest_is_not_there(store: ReleaseStore, publish: Publish) -> None:
    release = publish("1", channel=None)
    store.files.remove(f"{release}/{MANIFEST}")
    assert store.releases() == []
    assert store.unfinished() == [release]
    with pytest.raises(ReleaseError, match="no release small/1"):
        store.point("stable", release, by="ada", reason="")
    assert store.channels() == []


def test_what_was_broken_off_is_finished_by_the_next_try(
    store: ReleaseStore, publish: Publish, tmp_path: Path
) -> None:
    release = publish("1", channel=None)
    store.files.remove(f"{release}/{MANIFEST}")
    store.files.write(f"{release}/{FILES[0]}", b"half of i")
    assert store.add(tmp_path / "small-1") == release
    store.verify(release)


def test_a_version_never_changes(store: ReleaseStore, publish: Publish, tmp_path: Path) -> None:
    release = publish("1")
    assert store.add(tmp_path / "small-1") == release
    other = small_release(tmp_path / "other", "1", content="another")
    with pytest.raises(ReleaseError, match=r"another small/1 already.*another version"):
        store.add(other)
    store.verify(release)


def test_a_manifest_is_written_by_one_of_two_at_a_time(store: ReleaseStore) -> None:
    assert store.files.write_new("a/b", b"mine")
    assert not store.files.write_new("a/b", b"yours")
    assert store.files.read("a/b", at_most=10) == b"mine"


def test_who_reads_while_a_file_is_written_sees_it_whole(tmp_path: Path) -> None:
    store = ReleaseStore(str(tmp_path / "store"))
    store.files.write("channels/stable.json", b"the old")
    with (tmp_path / "store" / "channels" / "stable.json").open("rb") as reader:
        store.files.write("channels/stable.json", b"new")
        assert reader.read() == b"the old"
    assert store.files.read("channels/stable.json", at_most=10) == b"new"


def test_a_release_that_is_not_whole_is_not_added(store: ReleaseStore, tmp_path: Path) -> None:
    directory = small_release(tmp_path / "release")
    (directory / "config.json").write_text("changed")
    with pytest.raises(ReleaseError, match=r"config\.json is not the file that the manifest names"):
        store.add(directory)
    assert store.releases() == store.unfinished() == []


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("fault", ["changed", "truncated", "missing"])
def test_verify_reads_every_byte(store: ReleaseStore, publish: Publish, file: str, fault: str) -> None:
    release = publish("1")
    key = f"{release}/{file}"
    content = bytearray(store.files.read(key, at_most=1_000_000) or b"")
    if fault == "missing":
        store.files.remove(key)
    else:
        content[-1] ^= 1
        store.files.write(key, bytes(content if fault == "changed" else content[:-1]))
    with pytest.raises(ReleaseError, match=file):
        store.verify(release)


def test_verify_finds_what_is_no_file_of_a_release(store: ReleaseStore, publish: Publish) -> None:
    release = publish("1")
    store.files.write(f"{release}/model.pkl", b"\x80\x04.")
    with pytest.raises(ReleaseError, match=r"holds model\.pkl, which is no file of a release"):
        store.verify(release)


@pytest.mark.parametrize(
    "files",
    [
        {"../../etc/passwd": "0" * 64},
        dict.fromkeys((*FILES, "/etc/passwd"), "0" * 64),
        dict.fromkeys((*FILES, "model.pkl"), "0" * 64),
        dict.fromkeys(FILES[:-1], "0" * 64),
    ],
)
def test_a_manifest_names_the_files_of_a_release_and_no_other(
    store: ReleaseStore, publish: Publish, files: dict[str, str]
) -> None:
    release = publish("1")
    manifest = {"name": "small", "version": "1", "files": files}
    store.files.write(f"{release}/{MANIFEST}", json.dumps(manifest).encode())
    with pytest.raises(ReleaseError, match=r"manifest\.json must name exactly"):
        store.sealed(release)


def test_a_release_under_the_name_of_another_is_refused(
    store: ReleaseStore, publish: Publish, tmp_path: Path
) -> None:
    publish("1")
    small_release(tmp_path / "2", "2")
    store.files.write(f"small/1/{MANIFEST}", (tmp_path / "2" / MANIFEST).read_bytes())
    with pytest.raises(ReleaseError, match="is that of small/2"):
        store.verify(small("1"))


@pytest.mark.parametrize("name", ["..", "a/b", "", ".hidden", "channels", "a b", "\u0430", "x" * 101])
def test_a_name_that_leads_elsewhere_is_refused(store: ReleaseStore, tmp_path: Path, name: str) -> None:
    with pytest.raises(ReleaseError, match="can't be a release's name"):
        ReleaseId(name, "1")
    if name:
        with pytest.raises(ReleaseError, match="can't be a release's name"):
            store.add(small_release(tmp_path / "release", name=name))


def test_signed_by_the_owner_of_the_key(store: ReleaseStore, tmp_path: Path) -> None:
    mine, yours = tmp_path / "mine", tmp_path / "yours"
    public, other = read_public_key(make_keys(mine)), read_public_key(make_keys(yours))
    directory = small_release(tmp_path / "release")
    release = store.add(directory)
    store.verify(release)
    with pytest.raises(ReleaseError, match=r"small/1 is not signed.*--signing-key"):
        store.verify(release, key=public)
    # Signing what is there already.
    store.add(directory, key=read_private_key(mine))
    store.verify(release, key=public)
    with pytest.raises(ReleaseError, match="not signed by the owner of the public key"):
        store.verify(release, key=other)
    store.sign(release, read_private_key(yours))
    store.verify(release, key=other)
    for wrong in (b"", b"no base64!", b"AAAA", "\u00e4".encode()):
        store.files.write(f"{release}/{MANIFEST}.sig", wrong)
        with pytest.raises(ReleaseError, match="not signed by the owner of the public key"):
            store.verify(release, key=public)


def test_a_signature_of_one_version_is_none_of_another(store: ReleaseStore, tmp_path: Path) -> None:
    make_keys(tmp_path / "key")
    private = read_private_key(tmp_path / "key")
    one, two = (store.add(small_release(tmp_path / each, each), key=private) for each in ("1", "2"))
    signature = store.files.read(f"{one}/{MANIFEST}.sig", at_most=1_000)
    store.files.write(f"{two}/{MANIFEST}.sig", signature or b"")
    with pytest.raises(ReleaseError, match="not signed by the owner"):
        store.verify(two, key=private.public_key())


def test_channels_point_and_roll_back(store: ReleaseStore, publish: Publish) -> None:
    for version in ("1", "2", "3"):
        publish(version)
    publish("4", channel="candidate")
    assert store.channels() == ["candidate", "stable"]
    assert store.current("candidate").release == small("4")
    assert store.roll_back("stable", by="ada", reason="3 is bad").current == store.current("stable")
    assert store.current("stable").release == small("2")
    assert store.roll_back("stable", by="ada", reason="2 as well").current is not None
    assert store.current("stable").release == small("1")
    with pytest.raises(ReleaseError, match="no earlier release to roll back to"):
        store.roll_back("stable", by="ada", reason="and 1")
    assert [entry.version for entry in store.channel("stable").entries] == ["1", "2", "3"]


def test_no_rollback_to_what_is_gone(store: ReleaseStore, publish: Publish) -> None:
    publish("1")
    publish("2")
    store.files.remove("small/1")
    with pytest.raises(ReleaseError, match="no release small/1"):
        store.roll_back("stable", by="ada", reason="bad")
    assert store.current("stable").release == small("2")


def test_a_channel_s_file_of_something_else_is_one_sentence(store: ReleaseStore) -> None:
    store.files.write("channels/stable.json", b"[]")
    with pytest.raises(ReleaseError, match=r"stable\.json is not a channel of this version"):
        store.current("stable")
    store.files.write("channels/stable.json", b" " * 2_000_000)
    with pytest.raises(ReleaseError, match="more than 1,048,576 bytes"):
        store.current("stable")


def test_other_things_beside_are_left_alone(store: ReleaseStore, publish: Publish) -> None:
    publish("1")
    others = ("notes.txt", "small/notes.txt", "a b/c/manifest.json", "channels/README", "docs/all/README.md")
    for key in (*others, "runs/7/config.json", "runs/7/events"):
        store.files.write(key, b"mine")
    assert store.releases() == [small("1")]
    # What is unfinished may be pruned.
    assert store.unfinished() == []
    assert store.channels() == ["stable"]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("gs://bucket/releases", r"pip install 'rpbert-stream\[store-gcs\]'"),
        ("foo://bucket", "'foo://bucket' is no address of a store"),
        ("ftp://me:secret@host/releases", "holds no password"),
    ],
)
def test_an_address_that_can_t_be_used_says_what_to_do(url: str, says: str) -> None:
    with pytest.raises(ReleaseError, match=says) as caught:
        ReleaseStore(url)
    assert "secret" not in str(caught.value)


def test_a_store_that_doesn_t_answer_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    store = ReleaseStore(str(tmp_path / "file"))
    with pytest.raises(ReleaseError, match=r"can't write small/1/.*; check the store's address"):
        store.add(small_release(tmp_path / "release"))
