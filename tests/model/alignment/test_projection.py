"""Pictures begin among the words, by those of their captions."""

import pytest
import torch
from torch.nn import functional

from model.alignment.contrast import Examples
from model.alignment.projection import bags_of_words, fit_projection
from model.words import WordPieces
from tests.model.tiny import CHANNELS, tiny_model, tiny_tokenizer

PIECES = WordPieces(tiny_tokenizer(), window=24, overlap=8)
CAPTIONS = ["the a", "the b", "the c", "the d"]


def test_a_bag_is_of_the_words_that_tell_captions_apart() -> None:
    embeddings = tiny_model().encoder.embeddings.words.weight.detach()
    bags = bags_of_words(embeddings, PIECES, [*CAPTIONS, "a"], len(CAPTIONS))
    near = functional.cosine_similarity(bags[-1:], bags[:-1])
    assert near.argmax() == 0
    own = functional.cosine_similarity(bags[0], bags[-1], dim=0)
    plain = embeddings[PIECES.prepare("the a").windows[0][1:-1]].mean(dim=0)
    assert own > functional.cosine_similarity(plain, bags[-1], dim=0) + 0.1


@pytest.mark.parametrize("named", [False, True])
def test_pictures_lie_by_their_words_and_blocks_as_words_do(named: bool) -> None:
    torch.manual_seed(0)
    model = tiny_model()
    if not named:
        model.recognition = None
    shown = torch.rand(len(CAPTIONS), 1, CHANNELS)
    regions = (shown + 0.3 * torch.rand(len(CAPTIONS), 49, CHANNELS)).half()
    examples = Examples(regions.float().mean(dim=1), CAPTIONS, first=len(CAPTIONS), classes=None)
    fit_projection(model, PIECES, examples, regions, seed=1)
    words = model.encoder.embeddings.words.weight.detach()
    blocks = model.project(regions.float()).detach()
    if model.recognition is not None:
        blocks = blocks + model.recognition(regions.float()).detach()
    torch.testing.assert_close(blocks.flatten(0, 1).mean(dim=0), words.mean(dim=0), atol=1e-3, rtol=0)
    torch.testing.assert_close(
        blocks.flatten(0, 1).std(dim=0).mean(), words.std(dim=0).mean(), atol=0, rtol=0.5 if named else 1e-5
    )
    bags = bags_of_words(words, PIECES, CAPTIONS, len(CAPTIONS))
    pictures = blocks.mean(dim=1) - words.mean(dim=0)
    near = functional.cosine_similarity(pictures[:, None], bags[None], dim=-1)
    assert torch.equal(near.argmax(dim=1), torch.arange(len(CAPTIONS)))
