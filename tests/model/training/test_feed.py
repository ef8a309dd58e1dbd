"""The order of Algorithm 1 and what each process and each epoch sees of it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from model.data.captioned import CaptionedPicture
from model.data.gold import GoldPost
from model.relation import CaptionedPairs
from model.training.feed import Feed
from model.training.objective import RelationBatch, TaggingBatch
from model.training.pictures import Pictures
from model.training.progress import Phase
from model.training.settings import TrainingSettings
from model.words import WordPieces
from tests.model.tiny import CHANNELS, some_regions, tiny_config, tiny_tokenizer
from tests.model.training.conftest import Recipe

POSTS = [GoldPost(("at", "#", "porto", "a" * number), ("O", "O", "B-LOC", "O")) for number in range(1, 12)]


@pytest.fixture
def stamps(recipe: Recipe, tmp_path: Path) -> list[CaptionedPicture]:
    (folder,) = recipe(tmp_path).captioned_pictures
    return [
        CaptionedPicture(path, f"one of the {path.parent.name}", path.parent.name)
        for path in sorted(folder.rglob("*.png"))
    ]


@pytest.fixture
def pictures(stamps: list[CaptionedPicture]) -> Pictures:
    described = iter(range(1000))
    return Pictures(
        (stamp.path for stamp in stamps),
        lambda pixels: np.stack([some_regions(next(described))[0] for _ in pixels]),
        lambda batches: batches,
    )


def feed(
    settings: TrainingSettings,
    stamps: list[CaptionedPicture],
    pictures: Pictures,
    process: int = 0,
    processes: int = 1,
) -> Feed:
    pieces = WordPieces(tiny_tokenizer(), window=24, overlap=8)
    return Feed(
        settings,
        tiny_config(),
        pieces,
        posts=[(post, []) for post in POSTS],
        relation=[CaptionedPairs(stamps, pieces.prepare, settings.seed)],
        pictures=pictures,
        process=process,
        processes=processes,
    )


def told(batch: RelationBatch | TaggingBatch) -> list[torch.Tensor]:
    labels = batch.labels if isinstance(batch, RelationBatch) else batch.tags
    return [batch.posts.ids, batch.posts.regions, labels]


def same(one: RelationBatch | TaggingBatch, other: RelationBatch | TaggingBatch) -> bool:
    return all(torch.equal(a, b) for a, b in zip(told(one), told(other), strict=True))


def test_an_epoch_sees_every_post_and_every_picture_twice(
    recipe: Recipe, stamps: list[CaptionedPicture], pictures: Pictures, tmp_path: Path
) -> None:
    made = feed(recipe(tmp_path, merged_signs=0, masked_pieces=0), stamps, pictures)
    tagging = list(made.batches(1, Phase.TAGGING))
    assert len(tagging) == made.steps(Phase.TAGGING) == 3
    lengths = [int(length) for batch in tagging for length in batch.posts.lengths]
    assert sorted(lengths) == sorted(2 + 2 + 1 + 5 + len(post.words[3]) for post in POSTS)
    relation = list(made.batches(1, Phase.RELATION))
    assert len(relation) == made.steps(Phase.RELATION) == 6  # 12 pictures, a quarter of the concepts held out
    labels = [label for batch in relation if isinstance(batch, RelationBatch) for label in batch.labels]
    assert (len(labels), sum(labels)) == (24, 12)


@pytest.mark.parametrize("phase", Phase)
def test_what_comes_follows_from_seed_and_epoch_alone(
    recipe: Recipe, stamps: list[CaptionedPicture], pictures: Pictures, tmp_path: Path, phase: Phase
) -> None:
    made, again = (feed(recipe(tmp_path), stamps, pictures) for _ in range(2))
    whole = list(made.batches(2, phase))
    rest = list(again.batches(2, phase, first=1))
    assert all(same(one, other) for one, other in zip(whole[1:], rest, strict=True))
    assert not all(same(one, other) for one, other in zip(whole, made.batches(3, phase), strict=True))
    other_seed = feed(recipe(tmp_path, seed=2), stamps, pictures)
    assert not all(same(one, other) for one, other in zip(whole, other_seed.batches(2, phase), strict=True))


@pytest.mark.parametrize("phase", Phase)
def test_processes_share_each_batch_and_step_together(
    recipe: Recipe, stamps: list[CaptionedPicture], pictures: Pictures, tmp_path: Path, phase: Phase
) -> None:
    settings = recipe(tmp_path, batch_size=5)
    whole = list(feed(settings, stamps, pictures).batches(1, phase))
    shares = [list(feed(settings, stamps, pictures, each, 2).batches(1, phase)) for each in range(2)]
    assert len(shares[0]) == len(shares[1]) == len(whole)
    for batch, *parts in zip(whole, *shares, strict=True):
        counts = [len(part.posts.word_counts) if part.weight else 0 for part in parts]
        assert sum(counts) == len(batch.posts.word_counts)
        expected = [2 * count / sum(counts) for count in counts]
        assert [part.weight for part in parts] == pytest.approx(expected)


def test_some_posts_get_a_captioned_picture_that_training_may_see(
    recipe: Recipe, stamps: list[CaptionedPicture], pictures: Pictures, tmp_path: Path
) -> None:
    def given(share: float) -> int:
        made = feed(recipe(tmp_path, posts_with_picture=share), stamps, pictures)
        return sum(len(batch.posts.regions) for batch in made.batches(1, Phase.TAGGING))

    assert given(0.0) == 0
    assert 0 < given(0.5) < len(POSTS)
    assert given(1.0) == len(POSTS)


def test_pixels_come_where_the_vision_is_trained(
    recipe: Recipe, stamps: list[CaptionedPicture], pictures: Pictures, tmp_path: Path
) -> None:
    undescribed = Pictures((stamp.path for stamp in stamps), None, lambda batches: batches)
    pixels = next(feed(recipe(tmp_path), stamps, undescribed).batches(1, Phase.RELATION)).posts.regions
    assert (pixels.dtype, pixels.shape) == (torch.uint8, (4, 224, 224, 3))
    regions = next(feed(recipe(tmp_path), stamps, pictures).batches(1, Phase.RELATION)).posts.regions
    assert (regions.dtype, regions.shape) == (torch.float16, (4, 49, CHANNELS))
