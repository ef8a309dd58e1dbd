from pathlib import Path

import pytest

from model.data.captioned import read_captioned_pictures
from model.data.images import ImageFolder
from model.data.read import read_gold
from tests.model.data.ambiguous import make_stamps
from workers.data_ambiguity import generate_and_write
from workers.errors import SetupError


def test_what_is_written_is_read_and_its_pictures_are_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stamps, output = make_stamps(tmp_path / "stamps"), tmp_path / "deep" / "set"
    generate_and_write(stamps, output, seed=1)
    assert "test.jsonl: 600 posts, 120 texts" in capsys.readouterr().out
    folder, test = ImageFolder(stamps), read_gold(output / "test.jsonl")
    assert len(test.posts) == 600
    assert not test.oddities
    assert all(folder.find(name) for post in test.posts for name in post.images)
    assert all(sum(tag != "O" for tag in post.tags) == 1 for post in test.posts)


def test_captions_for_training_tell_nothing_of_dev_and_test(tmp_path: Path) -> None:
    stamps, output = make_stamps(tmp_path / "stamps"), tmp_path / "set"
    for name in ("clothes/hats/y", "sports/y"):
        (stamps / name).with_suffix(".txt").write_text("A pink ball.")
    for _ in range(2):
        generate_and_write(stamps, output, seed=1)
    linked = {
        str(each.path.relative_to(output / "captioned"))
        for each in read_captioned_pictures(output / "captioned")
    }
    assert "clothes/hats/z.png" in linked
    assert not linked & {"clothes/hats/y.png", "sports/y.png", "sports/z.png", "medical/z.png"}


def test_what_is_wrong_is_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"holds no \.png"):
        generate_and_write(tmp_path, tmp_path / "set", seed=1)
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="set: can't be written"):
        generate_and_write(make_stamps(tmp_path / "stamps"), tmp_path / "file" / "set", seed=1)


def test_further_captions_that_tell_of_dev_and_test_are_left_out(tmp_path: Path) -> None:
    stamps, art = make_stamps(tmp_path / "stamps"), tmp_path / "art"
    (stamps / "sports/z.txt").write_text("A basketball hoop.")
    art.mkdir()
    captions = {"ball": "A hoop to throw a basketball through", "lamp": "A lamp on a desk", "game": "Sports"}
    for name, caption in captions.items():
        (art / f"{name}.png").write_bytes(b"")
        (art / f"{name}.txt").write_text(caption)
    generate_and_write(stamps, tmp_path / "set", seed=1, further=(art,))
    linked = read_captioned_pictures(tmp_path / "set" / "captioned-further")
    assert [each.caption for each in linked] == ["A lamp on a desk"]
    assert read_captioned_pictures(tmp_path / "set" / "captioned")
