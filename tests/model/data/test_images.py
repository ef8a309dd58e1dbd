from pathlib import Path

import pytest
from PIL import Image

from model.data.gold import DatasetError
from model.data.images import ImageFolder, PictureCounts, PostPictures


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("7.jpg", "7.png", "a.b.PNG", "8.gif"):
        Image.new("RGB", (8, 8), (200, 0, 0)).save(tmp_path / name)
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "7.jpg").read_bytes()[:40])
    (tmp_path / "9.txt").write_text("no picture")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "file"),
    [("7", "7.jpg"), ("7.png", "7.png"), ("a.b", "a.b.PNG"), ("9", None), ("../7", None), ("", None)],
)
def test_a_picture_is_found_by_its_name_with_or_without_suffix(
    folder: Path, name: str, file: str | None
) -> None:
    found = ImageFolder(folder).find(name)
    assert (found and found.name) == file


def test_a_picture_further_down_is_found_by_its_path_alone(tmp_path: Path) -> None:
    for name in ("birds/lark.png", "fish/lark.jpg"):
        (tmp_path / name).parent.mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    folder = ImageFolder(tmp_path)
    assert folder.find("birds/lark.png") == folder.find("birds/lark") == tmp_path / "birds" / "lark.png"
    assert folder.find("fish/lark") == tmp_path / "fish" / "lark.jpg"
    assert folder.find("lark") is None
    assert ImageFolder(tmp_path / "fish").find("../birds/lark") is None


def test_missing_and_broken_pictures_are_counted_and_lose_no_post(folder: Path) -> None:
    pictures = PostPictures(ImageFolder(folder))
    first, second, third = pictures.decode(("8", "cut", "none"))
    assert first is not None
    assert first.shape == (224, 224, 3)
    assert (second, third) == (None, None)
    assert pictures.decode(()) == ()
    assert pictures.counts == PictureCounts(named=3, usable=1, broken=1, missing=1)


def test_pictures_beyond_four_are_left_out(folder: Path) -> None:
    pictures = PostPictures(ImageFolder(folder))
    assert [each is None for each in pictures.decode(("7",) * 6)] == [False] * 4 + [True] * 2
    assert pictures.counts.left_out == 2


def test_without_a_folder_no_picture_is_called_missing() -> None:
    pictures = PostPictures(None)
    assert pictures.decode(("7", "8")) == (None, None)
    assert pictures.counts == PictureCounts(named=2, left_out=2)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere: no folder of pictures"):
        ImageFolder(tmp_path / "nowhere")
