import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from model.batch import Batch, collate
from model.config import GateKind
from model.gates import related
from model.rpbert import RpBert
from model.unpadded import Unpadded
from model.words import WordPieces
from tests.model.tiny import CHANNELS, some_regions, tiny_model, tiny_tokenizer

TEXTS = ("new york is loud", "a b c", "so many words stand here in one small line", "x")


def batch_of(texts: list[str], pictures: list[int]) -> Batch:
    pieces = WordPieces(tiny_tokenizer(), window=60, overlap=8)
    return collate(
        [pieces.prepare(text) for text in texts],
        [some_regions(seed, count) for seed, count in enumerate(pictures)],
        channels=CHANNELS,
    )


def judge(model: RpBert, verdict: float) -> RpBert:
    """Make the relation head say the same of every picture: above 0 related, below 0 not."""
    with torch.no_grad():
        model.relation.weight.zero_()
        model.relation.bias.copy_(torch.tensor([0.0, verdict]))
    return model


@torch.inference_mode()
def run(model: RpBert, batch: Batch) -> tuple[Tensor, Tensor]:
    logits, emissions = model(batch)
    return logits, emissions


@pytest.mark.parametrize("kind", [kind for kind in GateKind if kind is not GateKind.OFF])
def test_a_shut_gate_leaves_exactly_the_text(kind: GateKind) -> None:
    # So sure that even the soft gate's probability is 0.
    model = judge(tiny_model(kind), -500.0)
    _, beside = run(model, batch_of(list(TEXTS), [1, 0, 4, 2]))
    _, alone = run(model, batch_of(list(TEXTS), [0, 0, 0, 0]))
    assert torch.equal(beside, alone)


def test_beside_open_pictures_a_shut_one_leaves_no_trace() -> None:
    model = tiny_model()
    texts = [WordPieces(tiny_tokenizer(), window=60, overlap=8).prepare("new york is loud")]
    pictures = some_regions(3, 4)
    batch = collate(texts, [pictures], channels=CHANNELS)
    logits, _ = run(model, batch)
    yes = logits[:, 1] - logits[:, 0]
    with torch.no_grad():
        model.relation.bias[1] -= yes.mean()
        if yes[0] > yes.mean():
            model.relation.weight.neg_()
            model.relation.bias.neg_()
    logits, beside = run(model, batch)
    opened = [picture for picture, score in zip(pictures, related(logits), strict=True) if score > 0.5]
    assert 0 < len(opened) < len(pictures)
    assert opened[0] is not pictures[0]
    _, alone = run(model, collate(texts, [opened], channels=CHANNELS))
    torch.testing.assert_close(beside, alone, atol=1e-6, rtol=0)


def test_an_open_gate_lets_the_picture_in() -> None:
    model = judge(tiny_model(), 5.0)
    _, beside = run(model, batch_of(["new york"], [1]))
    _, alone = run(model, batch_of(["new york"], [0]))
    assert not torch.allclose(beside, alone, atol=1e-3)


def test_without_a_gate_a_picture_is_let_in_and_its_score_still_told() -> None:
    batch = batch_of(list(TEXTS), [1, 0, 4, 2])
    logits, emissions = run(judge(tiny_model(GateKind.OFF), -5.0), batch)
    _, let_in = run(judge(tiny_model(), 5.0), batch)
    assert torch.equal(emissions, let_in)
    assert (related(logits) < 0.01).all()


def test_what_pass_1_has_read_is_not_read_again_and_is_the_same() -> None:
    """Hard gates, one open picture each or none; a gradient asks for the second reading."""
    pieces = WordPieces(tiny_tokenizer(), window=20, overlap=8)
    long = " ".join("abcdefghijklmnopqrstuv")
    texts = [pieces.prepare(text) for text in ("new york is loud", long, "x")]
    assert [len(text.windows) for text in texts] == [1, 2, 1]
    pictures = [some_regions(seed, count) for seed, count in enumerate((1, 1, 0))]
    batch = collate(texts, pictures, channels=CHANNELS)
    # Both pairs in pass 1; in pass 2 the windows that were not beside an open picture there.
    for verdict, windows in ((5.0, 2 + 2), (-5.0, 2 + 4)):
        model = judge(tiny_model(), verdict)
        read: list[int] = []
        model.encoder.register_forward_hook(lambda _, inputs, __, read=read: read.append(len(inputs[0])))
        _, once = run(model, batch)
        assert sum(read) == windows
        _, twice = model(batch)
        torch.testing.assert_close(once, twice, atol=1e-5, rtol=0)


def test_a_soft_gate_of_almost_nothing_still_is_not_nothing() -> None:
    model = judge(tiny_model(GateKind.SOFT), -3.0)
    _, beside = run(model, batch_of(["new york"], [1]))
    _, alone = run(model, batch_of(["new york"], [0]))
    assert not torch.equal(beside, alone)


def test_a_network_that_a_run_judges_meanwhile_takes_the_argmax_of_its_gumbel_gate() -> None:
    batch = batch_of(list(TEXTS), [1, 0, 4, 2])
    model = tiny_model(GateKind.GUMBEL)
    _, served = run(model, batch)
    model.gumbel_temperature = 0.5
    _, judged = run(model, batch)
    assert torch.equal(judged, served)


@pytest.mark.parametrize(("verdict", "open_pictures"), [(-40.0, 0), (40.0, 1)])
def test_a_sure_gumbel_gate_trains_what_is_served(verdict: float, open_pictures: int) -> None:
    model = judge(tiny_model(GateKind.GUMBEL), verdict)
    batch = batch_of(["new york is loud"], [1])
    _, served = run(model, batch)
    _, expected = run(model, batch_of(["new york is loud"], [open_pictures]))
    assert torch.equal(served, expected)
    model.train()
    for part in model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    # So warm that the gate of a picture that is out is 1e-6 rather than 0.
    model.gumbel_temperature = 3.0
    torch.manual_seed(0)
    _, trained = model(batch)
    torch.testing.assert_close(trained, served, atol=1e-3, rtol=0)


def test_one_picture_is_the_paper() -> None:
    """Section 3 written out for one post and one picture, without batch, windows or slots."""
    model = tiny_model(GateKind.SOFT)
    batch = batch_of(["new york is loud"], [1])
    logits, emissions = run(model, batch)

    embeddings, n = model.encoder.embeddings, batch.ids.shape[1]
    with torch.inference_mode():
        plain = embeddings.words(batch.ids) + embeddings.positions.weight[:n] + embeddings.segments.weight[0]
        assert model.surface is not None
        text = embeddings.norm(plain + model.surface(batch))
        assert model.recognition is not None
        projected = model.project(batch.regions.float()) + model.recognition(batch.regions.float())
        visual = embeddings.norm(projected + embeddings.positions.weight[n] + embeddings.segments.weight[1])
        everything = torch.ones(1, 1, 1, n + 49, dtype=torch.bool)
        all_rows = Unpadded.of(everything[0, 0])

        def bert(hidden: Tensor) -> Tensor:
            rows = all_rows.take(hidden)
            for layer in model.encoder.layers:
                rows = layer(rows, everything, all_rows)
            return all_rows.pad(rows)

        r = model.relation(bert(torch.cat((text, visual), 1))[:, 0]).softmax(-1)[0, 1]
        output = bert(torch.cat((text, r * visual), 1))
        vectors = torch.cat((text, output[:, :n]), -1)[:, batch.places[0]]
        expected = model.tagger(vectors, batch)
    assert logits.softmax(-1)[0, 1].item() == pytest.approx(r.item(), abs=1e-6)
    torch.testing.assert_close(emissions, expected, atol=1e-5, rtol=0)


def test_the_order_of_pictures_changes_their_scores_order_and_nothing_else() -> None:
    model = tiny_model(GateKind.SOFT)
    batch = batch_of(["new york"], [3])
    turned = dataclasses.replace(batch, regions=batch.regions.flip(0))
    logits, emissions = run(model, batch)
    logits_turned, emissions_turned = run(model, turned)
    torch.testing.assert_close(logits.flip(0), logits_turned, atol=1e-5, rtol=0)
    torch.testing.assert_close(emissions, emissions_turned, atol=1e-5, rtol=0)


def trained_parts(model: RpBert, loss: Tensor) -> set[str]:
    """Parts of the network that a step down this loss would change.

    The surface counts as the encoder's, how names of classes are widened as the projection's.
    """
    torch.autograd.backward(loss)
    return {
        {"surface": "encoder", "recognition": "project"}.get(name, name)
        for name, part in model.named_children()
        if any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in part.parameters())
    }


def in_training(kind: GateKind) -> tuple[RpBert, Batch]:
    """A network in training, its gate open, and posts whose pictures it looks at itself."""
    model = tiny_model(kind).train()
    model.gumbel_temperature = 0.5 if kind is GateKind.GUMBEL else None
    with torch.no_grad():
        model.relation.weight.mul_(0.01)
        model.relation.bias.copy_(torch.tensor([-1.0, 1.0]))
    batch = batch_of(list(TEXTS), [1, 1, 1, 1])
    pixels = torch.randint(0, 255, (4, 224, 224, 3), dtype=torch.uint8)
    return model, dataclasses.replace(batch, regions=model.vision(pixels))


def no_tags(emissions: Tensor) -> Tensor:
    return torch.zeros(emissions.shape[:2], dtype=torch.long)


def test_the_relation_task_trains_relation_head_rpbert_and_vision() -> None:
    model, batch = in_training(GateKind.SOFT)
    loss = functional.cross_entropy(model.relate(batch), torch.tensor([0, 1, 1, 0]))
    assert trained_parts(model, loss) == {"relation", "encoder", "project", "vision"}


def test_hints_come_with_the_same_judgement_and_reach_rpbert_and_vision() -> None:
    model, batch = in_training(GateKind.SOFT)
    model.eval()
    logits, texts, pictures = model.relate_with_means(batch)
    torch.testing.assert_close(logits, model.relate(batch), atol=1e-5, rtol=0)
    assert texts.shape == pictures.shape == (4, 32)
    assert trained_parts(model, texts.sum() + pictures.square().sum()) == {"encoder", "project", "vision"}
    # Padding is no part of the mean: beside longer texts a text's is the same.
    alone = batch_of([TEXTS[0]], [1])
    alone = dataclasses.replace(alone, regions=batch.regions[:1])
    with torch.no_grad():
        torch.testing.assert_close(model.relate_with_means(alone)[1][0], texts[0], atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", [GateKind.SOFT, GateKind.STRAIGHT_THROUGH, GateKind.GUMBEL])
def test_the_tagging_task_trains_tagger_rpbert_and_vision_and_through_the_gate_the_head(
    kind: GateKind,
) -> None:
    model, batch = in_training(kind)
    _, emissions = model(batch)
    loss = model.tagging_loss(emissions, no_tags(emissions), batch.word_counts)
    assert trained_parts(model, loss) == {"tagger", "encoder", "project", "vision", "relation"}


def test_without_a_gate_nothing_of_the_tagging_task_reaches_the_relation_head() -> None:
    model, batch = in_training(GateKind.OFF)
    _, emissions = model(batch)
    loss = model.tagging_loss(emissions, no_tags(emissions), batch.word_counts)
    assert "relation" not in trained_parts(model, loss)


def test_features_that_were_computed_before_leave_the_vision_as_it_is() -> None:
    model, batch = in_training(GateKind.SOFT)
    batch = dataclasses.replace(batch, regions=batch.regions.detach())
    _, emissions = model(batch)
    loss = model.tagging_loss(emissions, no_tags(emissions), batch.word_counts)
    assert trained_parts(model, loss) == {"tagger", "encoder", "project", "relation"}


def test_likelihood_of_gold_rises_with_its_emissions() -> None:
    model = tiny_model()
    counts = torch.tensor([3, 2])
    tags = torch.tensor([[1, 2, 0], [0, 3, 0]])
    flat = torch.zeros(2, 3, len(model.config.tags))
    told = flat.scatter(2, tags[..., None], 4.0)
    losses = [model.tagging_loss(emissions, tags, counts).item() for emissions in (flat, told)]
    assert losses[1] < losses[0]
    assert np.isfinite(losses).all()
