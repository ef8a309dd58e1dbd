"""A picture as the names of its likeliest classes."""

import torch
from torch import nn

from model.alignment.conse import conse


def test_a_picture_is_the_mean_of_its_likeliest_names_by_their_probability() -> None:
    classifier = nn.Linear(3, 1000)
    nn.init.zeros_(classifier.weight)
    nn.init.constant_(classifier.bias, -50.0)
    with torch.no_grad():
        classifier.weight[7, 0] = classifier.weight[8, 1] = 1.0
        classifier.bias[7:9] = 0
    names = torch.eye(1000)
    (vector,) = conse(torch.tensor([[2.0, 1.0, 0.0]]), classifier, names)
    torch.testing.assert_close(vector.norm(), torch.tensor(1.0))
    # Odds of e to the difference of the scores.
    torch.testing.assert_close(vector[7] / vector[8], torch.tensor(1.0).exp())
    assert vector[[index for index in range(1000) if index not in (7, 8)]].max() < 1e-6
