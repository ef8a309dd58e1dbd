from pathlib import Path

import pytest

from model.data.conll import read_conll
from model.data.gold import DatasetError, GoldPost, mend

CONLL = """IMGID:7
Anita\tB-PER
Borg\tI-PER
 \tO
\u200b\tO
in\tO
Porto\tI-OTHER

IMGID:8
ok\tO
"""


@pytest.fixture
def conll(tmp_path: Path) -> Path:
    path = tmp_path / "train.txt"
    path.write_text(CONLL, encoding="utf-8")
    return path


def test_posts_are_read_with_their_pictures_and_blank_tokens_keep_their_place(conll: Path) -> None:
    first, second = read_conll(conll).posts
    assert first.images == ("7",)
    assert first.words == ("Anita", "Borg", "\ufffd", "\ufffd", "in", "Porto")
    assert first.tags == ("B-PER", "I-PER", "O", "O", "O", "I-MISC")
    assert second == GoldPost(("ok",), ("O",), ("8",))


def test_what_is_mended_is_counted(conll: Path) -> None:
    assert read_conll(conll).oddities == {
        "blank_tokens": 1,
        "zero_width_tokens": 1,
        "other_as_misc": 1,
        "orphan_inside_tags": 1,
    }


def test_a_sound_file_has_no_oddities_to_tell(conll: Path) -> None:
    conll.write_text("IMGID:1\nAna\tB-PER\n\n\nin\tO\n", encoding="utf-8")
    read = read_conll(conll)
    assert not any(read.oddities.values())
    assert [post.images for post in read.posts] == [("1",), ()]


def test_posts_run_together_are_parted_and_a_post_of_no_words_is_left_out(conll: Path) -> None:
    conll.write_text("IMGID:1\na\tO\nIMGID:2\nb\tO\n\nIMGID:3\n\nc\tO\n", encoding="utf-8")
    read = read_conll(conll)
    assert [(post.words, post.images) for post in read.posts] == [
        (("a",), ("1",)),
        (("b",), ("2",)),
        (("c",), ()),
    ]
    assert read.oddities["posts_without_blank_line"] == 1
    assert read.oddities["posts_without_words"] == 1


def test_several_pictures_of_a_post_are_all_its_own(conll: Path) -> None:
    conll.write_text("IMGID:1\nIMGID:2\na\tO\n", encoding="utf-8")
    assert read_conll(conll).posts[0].images == ("1", "2")


def test_line_ends_of_windows_and_separators_inside_a_token_do_not_matter(conll: Path) -> None:
    conll.write_bytes("\ufeffIMGID:1\r\na\u2028b\tO\r\n\r\nc\x85\tB-LOC\r\n".encode())
    assert [(post.words, post.tags) for post in read_conll(conll).posts] == [
        (("a\u2028b",), ("O",)),
        (("c\x85",), ("B-LOC",)),
    ]


@pytest.mark.parametrize(("line", "wrong"), [("Porto B-LOC", "neither"), ("Porto\tB-CITY", "tag 'B-CITY'")])
def test_a_wrong_line_is_named(conll: Path, line: str, wrong: str) -> None:
    conll.write_text(f"a\tO\n{line}\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=rf"train\.txt:2: .*{wrong}"):
        read_conll(conll)


def test_bytes_that_are_no_text_are_named_by_their_line(conll: Path) -> None:
    conll.write_bytes(b"a\tO\n\xff\xfe\tO\n")
    with pytest.raises(DatasetError, match=r"train\.txt:2: not UTF-8"):
        read_conll(conll)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"none\.txt: can't be read"):
        read_conll(tmp_path / "none.txt")


def test_an_orphan_inside_tag_is_mended_to_a_beginning() -> None:
    assert mend(["I-PER", "I-PER", "O", "I-LOC", "I-ORG"]) == ["B-PER", "I-PER", "O", "B-LOC", "B-ORG"]
