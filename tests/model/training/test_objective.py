"""The loss of the relation task is the paper's, and takes a teacher's doubt too."""

import torch
from torch.nn import functional

from model.training.objective import relation_loss


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
