from pathlib import Path

import pytest

from model.data.captioned import read_captioned_pictures
from model.data.gold import DatasetError


def test_captions_are_first_lines_and_a_picture_without_one_is_left_out(tmp_path: Path) -> None:
    for name in ("a/cat.png", "a/mute.png", "b/dog.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "a/cat.txt").write_text("A cat.\npt=Um gato.\n")
    (tmp_path / "b/dog.txt").write_text("A dog.\n")
    pictures = read_captioned_pictures(tmp_path)
    assert [(picture.caption, picture.concept) for picture in pictures] == [("A cat.", "a"), ("A dog.", "b")]
    with pytest.raises(DatasetError, match="holds no"):
        read_captioned_pictures(tmp_path / "none")
