"""The loss of the relation task is the paper's, and takes a teacher's doubt too."""

import pytest
import torch
from torch.nn import functional

from model.batch import collate
from model.training.objective import Hints, Objective, RelationBatch, hint_loss, relation_loss
from model.words import WordPieces
from tests.model.tiny import CHANNELS, some_regions, tiny_model, tiny_tokenizer


def test_of_hard_labels_it_is_the_cross_entropy_over_two_classes() -> None:
    torch.manual_seed(0)
    logits, labels = 4 * torch.randn(50, 2), torch.randint(2, (50,))
    expected = functional.cross_entropy(logits, labels)
    torch.testing.assert_close(relation_loss(logits, labels.float()), expected)


def test_it_is_least_where_the_network_is_as_sure_as_the_teacher() -> None:
    targets = torch.tensor([0.3])
    losses = [
        relation_loss(torch.tensor([[1 - sure, sure]]).log(), targets).item() for sure in (0.1, 0.3, 0.5, 0.9)
    ]
    assert min(losses) == losses[1]


def test_hints_are_a_part_of_the_loss_by_their_weight() -> None:
    pieces = WordPieces(tiny_tokenizer(), window=24, overlap=8)
    posts = collate([pieces.prepare("new york")], [some_regions(1)], channels=CHANNELS)
    model = tiny_model()
    _, texts, pictures = model.relate_with_means(posts)
    hints = Hints(texts.detach(), -pictures.detach())

    def loss(hints: Hints | None, hint_weight: float) -> float:
        batch = RelationBatch(posts, torch.tensor([1.0]), 0.5, hints)
        return float(Objective(model, hint_weight)(batch).detach())

    plain = loss(None, 3.0)
    assert loss(hints, 0.0) == pytest.approx(plain)
    # The texts lie where they should, the pictures on the other side: 1 - (-1).
    assert loss(hints, 3.0) == pytest.approx(plain + 0.5 * 3.0 * (0 + 2), rel=1e-5)


def test_a_hint_tells_a_direction() -> None:
    torch.manual_seed(0)
    vectors = torch.randn(5, 7)
    assert hint_loss(vectors, 3 * vectors).item() == pytest.approx(0, abs=1e-6)
    assert hint_loss(vectors, -vectors).item() == pytest.approx(2)
