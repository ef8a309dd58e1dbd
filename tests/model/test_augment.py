import numpy as np

from model.augment import mask_pieces, merge_signs, shuffled_batches
from model.data.gold import GoldPost
from model.words import WordPieces
from tests.model.tiny import tiny_tokenizer


def test_merged_signs_keep_the_entity() -> None:
    post = GoldPost(("#", "NBA", "by", "@", "nasa"), ("O", "B-ORG", "O", "O", "B-ORG"))
    merged = merge_signs(post, 1.0, np.random.default_rng(0))
    assert merged.words == ("#NBA", "by", "@nasa")
    assert merged.tags == ("B-ORG", "O", "B-ORG")
    assert merge_signs(post, 0.0, np.random.default_rng(0)).words == post.words


def test_masking_spares_specials() -> None:
    pieces = WordPieces(tiny_tokenizer(), window=8, overlap=2)
    text = pieces.prepare("abcd efgh")
    masked = mask_pieces(text, 1.0, pieces, np.random.default_rng(0))
    assert len(masked.windows) == len(text.windows) == 2
    for hidden, window in zip(masked.windows, text.windows, strict=True):
        assert hidden[1:-1].tolist() == [pieces.mask] * (len(window) - 2)
        assert hidden[[0, -1]].tolist() == window[[0, -1]].tolist()
    untouched = mask_pieces(text, 0.0, pieces, np.random.default_rng(0))
    assert all((one == other).all() for one, other in zip(untouched.windows, text.windows, strict=True))


def test_every_sentence_is_in_one_batch() -> None:
    batches = shuffled_batches([3, 1, 2, 9, 4, 4, 1], 2, np.random.default_rng(0))
    assert sorted(index for batch in batches for index in batch) == list(range(7))
    assert all(len(batch) <= 2 for batch in batches)
