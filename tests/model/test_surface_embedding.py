"""Word shape and characters at the encoder's input."""

import torch

from model.batch import Batch, collate
from model.config import PRESETS
from model.rpbert import RpBert
from model.surface_embedding import SurfaceEmbedding
from model.words import WordPieces
from tests.model.tiny import CHANNELS, tiny_config, tiny_model, tiny_tokenizer

POSTS = ("Oslo is far", "a", "oslo IS")


def batch_of(*texts: str) -> Batch:
    pieces = WordPieces(tiny_tokenizer(), window=24, overlap=8)
    return collate([pieces.prepare(text) for text in texts], [()] * len(texts), channels=CHANNELS)


def wide(width: int = 8) -> SurfaceEmbedding:
    torch.manual_seed(3)
    surface = SurfaceEmbedding(16, width)
    for weight in surface.parameters():
        torch.nn.init.normal_(weight)
    with torch.no_grad():
        surface.shapes.weight[0] = 0
    return surface


def test_every_piece_of_a_word_gets_the_same_and_specials_get_nothing() -> None:
    batch = batch_of("Oslo is far")
    (added,) = wide()(batch)
    assert batch.lengths.tolist() == [11]
    bounds = ((1, 5), (5, 7), (7, 10))
    for start, end in bounds:
        assert (added[start:end] == added[start]).all()
    assert len({tuple(added[start].tolist()) for start, _ in bounds}) == 3
    assert not added[0].any()
    assert not added[10].any()


def test_case_shows_where_the_vocabulary_has_none() -> None:
    lower, upper = batch_of("oslo"), batch_of("Oslo")
    assert torch.equal(lower.ids, upper.ids)
    assert not torch.equal(wide()(lower), wide()(upper))


def test_padding_and_batch_mates_change_nothing() -> None:
    together = wide()(batch_of(*POSTS))
    for row, text in enumerate(POSTS):
        (alone,) = wide()(batch_of(text))
        torch.testing.assert_close(together[row, : len(alone)], alone)
        assert not together[row, len(alone) :].any()


def test_training_begins_with_the_encoder_as_it_was() -> None:
    plain = tiny_config()
    plain = plain.model_copy(update={"encoder": plain.encoder.model_copy(update={"surface_width": 0})})
    with_surface = RpBert(tiny_config()).eval()
    without = RpBert(plain).eval()
    without.load_state_dict({k: v for k, v in with_surface.state_dict().items() if "surface." not in k})
    with torch.inference_mode():
        assert torch.equal(with_surface(batch_of(*POSTS))[1], without(batch_of(*POSTS))[1])


def test_small_has_it_and_the_paper_s_networks_do_not() -> None:
    assert {name for name, config in PRESETS.items() if config.encoder.surface_width} == {"small"}
    assert tiny_model().surface is not None
