import errno
import json
import shutil
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import load_file, save_file

from model.config import PRESETS
from model.inference import Tagger, TagRequest
from model.release import ReleaseError, load_release, save_release, seal
from model.rpbert import RpBert
from tests.model.tiny import (
    some_regions,
    tagger_of,
    tiny_config,
    tiny_model,
    tiny_preset,
    tiny_tokenizer,
    with_random_weights,
)


def test_what_was_saved_is_loaded_in_half_precision(release_directory: Path) -> None:
    release = load_release(str(release_directory))
    assert (release.name, release.version) == ("tiny", "1")
    assert not release.model.training
    for name, tensor in tiny_model().state_dict().items():
        loaded = release.model.state_dict()[name]
        assert loaded.dtype == tensor.dtype
        torch.testing.assert_close(loaded, tensor, atol=1e-3, rtol=1e-3)


def test_releases_with_the_same_tokenizer_share_it_so_that_none_waits_for_its_parsing(
    release_directory: Path, tmp_path: Path
) -> None:
    shutil.copytree(release_directory, tmp_path / "next")
    seal(tmp_path / "next", name="tiny", version="2")
    taggers = [Tagger.load(str(each), dtype="float32") for each in (release_directory, tmp_path / "next")]
    first, second = (tagger._pieces.tokenizer for tagger in taggers)
    assert first is second
    tokenizer = json.loads((tmp_path / "next" / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["##again"] = len(tokenizer["model"]["vocab"])
    (tmp_path / "next" / "tokenizer.json").write_text(json.dumps(tokenizer))
    seal(tmp_path / "next", name="tiny", version="3")
    assert load_release(str(tmp_path / "next")).tokenizer.token_to_id("##again") is not None


def test_a_directory_holds_one_file_of_weights_and_no_pickle(release_directory: Path) -> None:
    names = sorted(path.name for path in release_directory.iterdir())
    assert names == ["README.md", "config.json", "manifest.json", "model.safetensors", "tokenizer.json"]
    matrices = [
        tensor for tensor in load_file(release_directory / "model.safetensors").values() if tensor.ndim > 1
    ]
    assert {tensor.dtype for tensor in matrices} == {torch.float16}


def test_hugging_face_s_own_ways_work_on_it(release_directory: Path, tmp_path: Path) -> None:
    model = RpBert.from_pretrained(release_directory)
    assert model.config == tiny_config()
    model.save_pretrained(tmp_path / "again")
    again = RpBert.from_pretrained(tmp_path / "again")
    assert again.config == model.config
    for ours, theirs in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json", "README.md"])
def test_a_changed_file_is_named(release_directory: Path, file: str) -> None:
    path = release_directory / file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ReleaseError, match=f"{file} is not the file that the manifest names"):
        load_release(str(release_directory))


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json", "README.md"])
def test_a_missing_file_is_named(release_directory: Path, file: str) -> None:
    (release_directory / file).unlink()
    with pytest.raises(ReleaseError, match=f"{file} is missing"):
        load_release(str(release_directory))


def test_a_directory_without_a_manifest_is_no_release(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"manifest\.json is missing"):
        load_release(str(tmp_path))


@pytest.mark.parametrize("manifest", ["[]", "{", '{"name": "x", "version": "1", "files": {"../../x": "y"}}'])
def test_a_manifest_of_something_else_is_refused(release_directory: Path, manifest: str) -> None:
    (release_directory / "manifest.json").write_text(manifest)
    with pytest.raises(ReleaseError, match=r"manifest\.json"):
        load_release(str(release_directory))


def test_another_architecture_is_refused_though_its_manifest_fits(release_directory: Path) -> None:
    path = release_directory / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"architecture": "bert/1"}))
    seal(release_directory, name="tiny", version="1")
    with pytest.raises(ReleaseError, match=r"config\.json does not describe an RpBERT.*architecture"):
        load_release(str(release_directory))


def test_weights_of_another_shape_are_refused(release_directory: Path) -> None:
    path = release_directory / "model.safetensors"
    state = load_file(path)
    state["relation.weight"] = torch.zeros(3, 32)
    save_file(state, path)
    seal(release_directory, name="tiny", version="1")
    with pytest.raises(ReleaseError, match=r"another architecture.*relation\.weight"):
        load_release(str(release_directory))


def test_weights_that_are_no_safetensors_are_refused(release_directory: Path) -> None:
    (release_directory / "model.safetensors").write_bytes(b"\x80\x04pickle")
    seal(release_directory, name="tiny", version="1")
    with pytest.raises(ReleaseError, match="not a safetensors file"):
        load_release(str(release_directory))


def test_an_unknown_name_says_what_can_be_given() -> None:
    with pytest.raises(
        ReleaseError, match=r"there is no release 'smal'.*a directory, a store such as .*, or a hub name"
    ):
        load_release("smal")


def test_a_hub_name_is_fetched_with_the_files_of_a_release_only(
    release_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def snapshot_download(name: str, *, allow_patterns: list[str]) -> str:
        asked.extend((name, sorted(allow_patterns)))
        return str(release_directory)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    assert load_release("owner/tiny").name == "tiny"
    files = [path.name for path in release_directory.iterdir()]
    # And golden posts, if it has any.
    assert asked == ["owner/tiny", sorted([*files, "golden.jsonl"])]


def test_a_hub_that_is_not_reached_is_said_in_our_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def snapshot_download(name: str, *, allow_patterns: list[str]) -> str:
        raise LocalEntryNotFoundError("a library's long story")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    with pytest.raises(ReleaseError, match="no such release could be had from the hub") as caught:
        load_release("owner/none")
    assert "long story" not in str(caught.value)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_is_full_is_said_and_half_a_release_is_never_loaded(
    release_directory: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    cut = release_directory / "model.safetensors"

    def snapshot_download(name: str, *, allow_patterns: list[str]) -> str:
        cut.write_bytes(cut.read_bytes()[:1_000])
        raise OSError(number, "a library's long story", str(cut))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    with pytest.raises(ReleaseError, match=r"no room on the disk .*'owner/tiny'.* by HF_HUB_CACHE") as caught:
        load_release("owner/tiny")
    assert "long story" not in str(caught.value)
    with pytest.raises(ReleaseError, match=r"model\.safetensors is not the file that the manifest names"):
        load_release(str(release_directory))


@pytest.mark.parametrize("preset", PRESETS)
def test_a_release_of_every_preset_comes_back_as_it_was(preset: str, tmp_path: Path) -> None:
    """In a tiny shape; what a preset chooses stands in `config.json`."""
    model = with_random_weights(tiny_preset(preset))
    save_release(tmp_path, model=model, tokenizer=tiny_tokenizer(), name="tiny", version="1", card="# tiny\n")
    loaded = load_release(str(tmp_path)).model
    assert loaded.config == model.config
    saved, read = (tagger_of(each) for each in (model, loaded))
    request = TagRequest(saved.prepare("anita borg in lisbon"), tuple(some_regions(1, 2)))
    # Matrices are stored in half precision.
    assert read.tag([request])[0].relevance == pytest.approx(saved.tag([request])[0].relevance, abs=0.01)
