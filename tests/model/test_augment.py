import numpy as np
import torch

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
