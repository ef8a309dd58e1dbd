from pathlib import Path

import numpy as np
import pytest
import torch

from model.augment import mask_pieces, merge_signs, shuffled_batches
from model.datasets import DatasetError, Sentence, mend, read_captioned_pictures, read_conll
from model.evaluation import score, to_bio
from model.training import gold
from model.words import WordPieces
from tests.model.tiny import tiny_tokenizer

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
    first, second = read_conll(conll)
    assert first.image == "7"
    assert first.words == ("Anita", "Borg", "\ufffd", "\ufffd", "in", "Porto")
    assert first.tags == ("B-PER", "I-PER", "O", "O", "O", "I-MISC")
    assert second == Sentence(("ok",), ("O",), "8")


@pytest.mark.parametrize(("line", "wrong"), [("Porto B-LOC", "neither"), ("Porto\tB-CITY", "tag 'B-CITY'")])
def test_a_wrong_line_is_named(conll: Path, line: str, wrong: str) -> None:
    conll.write_text(f"a\tO\n{line}\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=rf"train\.txt:2: .*{wrong}"):
        read_conll(conll)


def test_an_orphan_inside_tag_is_mended_to_a_beginning() -> None:
    assert mend(["I-PER", "I-PER", "O", "I-LOC", "I-ORG"]) == ["B-PER", "I-PER", "O", "B-LOC", "B-ORG"]


def test_gold_is_always_a_path_of_the_chain(conll: Path) -> None:
    tags = ("O", "B-PER", "I-PER", "B-MISC", "I-MISC")
    assert gold(read_conll(conll), tags).tolist() == [[1, 2, 0, 0, 0, 3], [0] * 6]


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


def test_merged_signs_keep_the_entity() -> None:
    sentence = Sentence(("#", "NBA", "by", "@", "nasa"), ("O", "B-ORG", "O", "O", "B-ORG"), None)
    merged = merge_signs(sentence, 1.0, np.random.default_rng(0))
    assert merged.words == ("#NBA", "by", "@nasa")
    assert merged.tags == ("B-ORG", "O", "B-ORG")
    assert merge_signs(sentence, 0.0, np.random.default_rng(0)).words == sentence.words


def test_masking_spares_specials_and_padding() -> None:
    pieces = WordPieces(tiny_tokenizer(), window=24, overlap=8)
    ids = torch.tensor([[*pieces.prepare("ab").windows[0].tolist(), 0, 0]])
    masked = mask_pieces(ids, 1.0, pieces, torch.Generator())
    assert masked[0, 1:-3].tolist() == [pieces.mask] * (ids.shape[1] - 4)
    assert masked[0, [0, -3, -2, -1]].tolist() == ids[0, [0, -3, -2, -1]].tolist()


def test_every_sentence_is_in_one_batch() -> None:
    batches = shuffled_batches([3, 1, 2, 9, 4, 4, 1], 2, np.random.default_rng(0))
    assert sorted(index for batch in batches for index in batch) == list(range(7))
    assert all(len(batch) <= 2 for batch in batches)


def test_the_two_ways_of_scoring_part_at_orphans() -> None:
    sentences = [Sentence(("a", "b", "c"), ("I-PER", "O", "B-LOC"), None)]
    scores = score(sentences, [["B-PER", "O", "B-LOC"]])
    assert scores.conlleval.micro.f1 == 1.0
    assert scores.strict.micro.precision == 0.5
    assert scores.conlleval.types["PER"].support == 1


def test_spans_become_tags() -> None:
    assert to_bio(5, [("PER", 0, 2), ("LOC", 4, 5)]) == ["B-PER", "I-PER", "O", "O", "B-LOC"]
