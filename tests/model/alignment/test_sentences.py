"""All-MiniLM's vectors; the package with its weights is part of the development environment."""

import torch

from model.alignment.sentences import SentenceVectors

TEXTS = ["a small cat", "one kitten", "the goods train stands in the station at night"]


def test_what_means_alike_lies_together() -> None:
    vectors = SentenceVectors().of(TEXTS)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))
    assert vectors[0] @ vectors[1] > 0.5
    assert vectors[0] @ vectors[2] < 0.1


def test_a_text_has_the_same_vector_whatever_else_is_read() -> None:
    together, alone = SentenceVectors().of(TEXTS), SentenceVectors().of(TEXTS[:1])
    torch.testing.assert_close(together[:1], alone, atol=1e-5, rtol=0)


def test_a_text_is_read_once() -> None:
    vectors = SentenceVectors()
    first = vectors.of([TEXTS[0], TEXTS[0]])
    del vectors.__dict__["_reader"]
    assert torch.equal(vectors.of(TEXTS[:1]), first[:1])
    assert "_reader" not in vectors.__dict__
