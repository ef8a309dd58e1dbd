"""A picture as the names of its likeliest classes."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from model.recognition import CLASSES, NAME_WIDTH, Recognition, conse

CHANNELS = 24


def test_a_picture_is_the_mean_of_its_likeliest_names_by_their_probability() -> None:
    scores = torch.full((1, CLASSES), -50.0)
    scores[0, 7:9] = torch.tensor([2.0, 1.0])
    (vector,) = conse(scores, torch.eye(CLASSES))
    torch.testing.assert_close(vector.norm(), torch.tensor(1.0))
    # Odds of e to the difference of the scores.
    torch.testing.assert_close(vector[7] / vector[8], torch.tensor(1.0).exp())
    assert vector[[index for index in range(CLASSES) if index not in (7, 8)]].max() < 1e-6


def classifier() -> nn.Linear:
    torch.manual_seed(1)
    layer = nn.Linear(CHANNELS, CLASSES)
    nn.init.normal_(layer.weight)
    return layer


def pictures() -> Tensor:
    """They lie in six directions."""
    torch.manual_seed(2)
    return torch.rand(200, 6) @ torch.randn(6, CHANNELS) + 3


@pytest.fixture(scope="module")
def names() -> Tensor:
    torch.manual_seed(3)
    return functional.normalize(torch.randn(CLASSES, NAME_WIDTH), dim=-1)


def test_of_such_pictures_as_it_learnt_on_a_low_rank_names_what_the_whole_classifier_names(
    names: Tensor,
) -> None:
    learnt, whole = Recognition(CHANNELS, 8, rank=6), classifier()
    learnt.learn(whole, names, pictures()[:150])
    fresh = pictures()[150:]
    with torch.no_grad():
        expected = conse(whole(fresh), names)
        torch.testing.assert_close(learnt.name(fresh), expected, atol=1e-3, rtol=0)
        blind = Recognition(CHANNELS, 8, rank=2)
        blind.learn(whole, names, pictures()[:150])
        assert functional.cosine_similarity(blind.name(fresh), expected).mean() < 0.9


def test_it_begins_as_if_it_were_not_there_and_only_how_it_is_widened_is_trained(names: Tensor) -> None:
    recognition = Recognition(CHANNELS, 8, rank=6)
    recognition.learn(classifier(), names, pictures())
    regions = pictures()[:98].view(2, 49, CHANNELS)
    given = recognition(regions)
    assert given.shape == (2, 1, 8)
    assert not given.any()
    assert [name for name, each in recognition.named_parameters() if each.requires_grad] == ["widen.weight"]
