import torch

from model.training.average import Average, with_weights
from tests.model.tiny import tiny_model


def test_the_average_follows_the_weights_that_are_trained() -> None:
    model = tiny_model()
    model.vision.requires_grad_(requires_grad=False)
    first = model.relation.weight.detach().clone()
    average = Average(model, 0.9)
    with torch.no_grad():
        model.relation.weight += 1
    average.update(1_000)
    torch.testing.assert_close(average.state()["relation.weight"], first + 0.1)
    average.update(1_001)
    torch.testing.assert_close(average.state()["relation.weight"], first + 0.19)
    assert not any(name.startswith("vision.") for name in average.state())


def test_a_candidate_has_the_average_and_leaves_the_network_alone() -> None:
    model = tiny_model().train()
    average = Average(model, 0.0)
    average.restore({name: torch.zeros_like(each) for name, each in average.state().items()})
    candidate = with_weights(model, average.state())
    assert not candidate.training
    assert not candidate.relation.weight.any()
    assert model.training
    assert model.relation.weight.any()


def test_no_averaging_is_the_last_weights() -> None:
    model = tiny_model()
    average = Average(model, 0.0)
    with torch.no_grad():
        model.relation.weight += 1
    average.update(1)
    torch.testing.assert_close(average.state()["relation.weight"], model.relation.weight.detach())


def test_a_short_run_gives_little_of_what_it_began_with() -> None:
    model = tiny_model()
    first = model.relation.weight.detach().clone()
    average = Average(model, 0.998)
    with torch.no_grad():
        model.relation.weight += 1
    for step in range(1, 101):
        average.update(step)
    assert bool((average.state()["relation.weight"] > first + 0.99).all())
