from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from bench import model_costs, model_tried
from bench.figures import Figures
from bench.limits import demand
from bench.model import model
from bench.model_costs import Subject, in_batches
from bench.plain import PlainWay
from bench.workload import LENGTHS, SHORTEST, some_texts
from model.config import BLOCKS, GateKind
from model.inference import TagRequest
from model.release import Release, load_release
from model.spans import conlleval_spans
from model.words import WordPieces
from tests.model.tiny import some_regions, tagger_of, tiny_model, tiny_tokenizer
from workers.settings import BatchSettings


def tiny_release(name: str, gate: GateKind) -> Release:
    return Release(name, "1", tiny_model(gate, window=60), tiny_tokenizer())


def requests(count: int) -> list[TagRequest]:
    tagger = tagger_of(tiny_model(window=60))
    texts = some_texts(tiny_tokenizer(), count, seed=1)
    return [TagRequest(tagger.prepare(text), tuple(some_regions(i))) for i, text in enumerate(texts)]


@pytest.mark.parametrize("gate", [GateKind.SOFT, GateKind.STRAIGHT_THROUGH])
def test_the_plain_way_finds_what_ours_finds(gate: GateKind) -> None:
    network, posts = tiny_model(gate, window=60), requests(20)
    plain = PlainWay(network)
    taggings = tagger_of(network).tag(posts)
    assert any(tagging.entities for tagging in taggings)
    for post, path, tagging in zip(posts, plain.tag(posts), taggings, strict=True):
        spans = conlleval_spans([network.config.tags[tag] for tag in path])
        words = post.text.words
        assert [(words[span.start].start, words[span.end - 1].end) for span in spans] == [
            (entity.start, entity.end) for entity in tagging.entities
        ]


def test_texts_are_as_long_as_the_set_s() -> None:
    tokenizer = load_release("small").tokenizer
    pieces = WordPieces(tokenizer, window=256, overlap=64)
    lengths = [pieces.prepare(text).length for text in some_texts(tokenizer, 2_000, seed=1)]
    mean = sum(index * count for index, count in enumerate(LENGTHS, SHORTEST)) / sum(LENGTHS)
    assert mean == pytest.approx(20.2, abs=0.05)
    assert sum(lengths) / len(lengths) == pytest.approx(mean, abs=0.5)
    assert SHORTEST <= min(lengths) <= max(lengths) < SHORTEST + len(LENGTHS)


def test_batches_hold_each_post_once_and_little_padding() -> None:
    posts = requests(300)
    batches = in_batches(posts)
    assert sorted(id(each) for batch in batches for each in batch) == sorted(map(id, posts))
    assert padding(batches) < padding(split(posts, len(batches))) / 3
    assert 300 / len(batches) > 20
    # It is the budget that is kept, not the number of posts alone.
    rule = BatchSettings(batch_tokens=200, batch_wait_ms=0)
    assert all(max(map(tokens, batch)) * len(batch) <= 200 for batch in in_batches(posts, rule))


def tokens(post: TagRequest) -> int:
    return post.text.length + BLOCKS * len(post.pictures)


def padding(batches: list[list[TagRequest]]) -> float:
    """Rows that are computed for nobody, by the rows that there are."""
    computed = sum(max(map(tokens, batch)) * len(batch) for batch in batches)
    return computed / sum(tokens(post) for batch in batches for post in batch) - 1


def split(posts: list[TagRequest], count: int) -> list[list[TagRequest]]:
    """In the order of arrival."""
    return [posts[len(posts) * each // count : len(posts) * (each + 1) // count] for each in range(count)]


def test_what_is_asked_of_the_machine_is_counted() -> None:
    layer, rows = nn.Linear(8, 5), torch.ones(3, 8)
    asked = demand(lambda: layer(rows))
    assert asked.flop == 2 * 3 * 8 * 5
    # Rows, weights and bias in, sums out, in fp32.
    assert asked.bytes == 4 * (3 * 8 + 8 * 5 + 5 + 3 * 5)


@pytest.fixture
def tiny_releases(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (model_costs, model_tried):
        monkeypatch.setattr(module, "random_release", lambda name, seed: tiny_release(name, GateKind.SOFT))
        monkeypatch.setattr(
            module, "load_release", lambda name: tiny_release(name, GateKind.STRAIGHT_THROUGH)
        )


@pytest.mark.usefixtures("tiny_releases")
def test_the_bench_compares_with_the_plain_way_and_writes_table_and_plot(tmp_path: Path) -> None:
    model(posts=4, pictures=1, turns=1, output=tmp_path)
    figures = Figures.model_validate_json((tmp_path / "model.json").read_bytes())
    medians = {(figure.name, figure.unit): figure.median for figure in figures.figures}
    for part in ("backbone, once", "the rest"):
        asked = medians[f"plain way: {part}", "GFLOP a post"]
        assert asked >= medians[f"paper: {part}", "GFLOP a post"] > 0
    assert medians["FLOP of the plain way / paper, not cached", "times"] > 1.5
    plain, ours = medians["plain way, not cached", "posts/s"], medians["paper, cached", "posts/s"]
    assert medians["paper, cached / plain way", "times"] == pytest.approx(ours / plain)
    assert "| paper, not cached |" in (tmp_path / "model.md").read_text()
    assert "plain way, not cached" in (tmp_path / "model.svg").read_text()


@pytest.mark.usefixtures("tiny_releases")
def test_each_optimisation_is_taken_out_and_put_back(tmp_path: Path) -> None:
    model(posts=4, pictures=1, turns=1, tried="small", output=tmp_path)
    figures = Figures.model_validate_json((tmp_path / "model_tried_small.json").read_bytes())
    names = [figure.name for figure in figures.figures]
    assert "small: the rest, all rows in the last layer" in names
    assert "small: the rest, each post read twice" in names


def test_a_subject_s_batches_are_its_posts() -> None:
    subject = Subject(tiny_release("a", GateKind.SOFT), posts=5, pictures=2, seed=1, dtype=torch.float32)
    assert sum(map(len, subject.batches)) == len(subject.requests) == 5
    assert subject.cost().tag > 0
