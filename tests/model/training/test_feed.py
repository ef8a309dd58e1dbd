"""The order of Algorithm 1 and what each process and each epoch sees of it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from model.alignment.captions import Captions
from model.alignment.imagined import ImaginedClasses
from model.alignment.teacher import Teacher
from model.config import RpBertConfig
from model.data.captioned import CaptionedPicture
from model.data.gold import GoldPost
from model.recognition import NAME_WIDTH
from model.relation import LabelledPairs, Pair, Pairs
from model.training.alignment import Alignment
from model.training.feed import Feed
from model.training.objective import Hints, RelationBatch, TaggingBatch
from model.training.pictures import Pictures
from model.training.progress import Phase
from model.training.settings import TrainingSettings
from model.words import WordPieces
from tests.model.alignment.words import BagsOfWords
from tests.model.tiny import CHANNELS, some_regions, tiny_config, tiny_preset, tiny_tokenizer
from tests.model.training.conftest import Recipe

PIECES = WordPieces(tiny_tokenizer(), window=24, overlap=8)
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


class Half(Teacher):
    """Says 1/2 of everything, and what it was asked."""

    def __init__(self) -> None:
        self.pooled: list[np.ndarray] = []

    def probability(self, pooled: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        assert len(texts) == len(pooled)
        self.pooled += list(pooled)
        return np.full(len(texts), 0.5, np.float32)

    def vectors(self, pooled: np.ndarray, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.tensor([float(len(text)) for text in texts]), torch.from_numpy(pooled)


def parted(stamps: list[CaptionedPicture], seed: int) -> Captions:
    return Captions.part(stamps, (), BagsOfWords(), seed)


def helped(stamps: list[CaptionedPicture], settings: TrainingSettings, *, classes: bool = False) -> Alignment:
    imagined = ImaginedClasses(nn.Linear(CHANNELS, 1000), range(0, 1000, 10)) if classes else None
    return Alignment(parted(stamps, settings.seed), None, imagined, Half(), None)


def relating(made: Feed, epoch: int = 1) -> list[RelationBatch]:
    return [batch for batch in made.batches(epoch, Phase.RELATION) if isinstance(batch, RelationBatch)]


def feed(
    settings: TrainingSettings,
    stamps: list[CaptionedPicture],
    pictures: Pictures,
    process: int = 0,
    processes: int = 1,
    *,
    config: RpBertConfig | None = None,
    alignment: Alignment | None = None,
    labelled: Sequence[Pairs] = (),
) -> Feed:
    captioned = (alignment or Alignment(parted(stamps, settings.seed), None, None, None, None)).pairs(
        settings, PIECES
    )
    return Feed(
        settings,
        config or tiny_config(),
        PIECES,
        posts=[(post, []) for post in POSTS],
        relation=[*captioned, *labelled],
        pictures=pictures,
        alignment=alignment,
        process=process,
        processes=processes,
    )


def told(batch: RelationBatch | TaggingBatch) -> list[torch.Tensor]:
    gold = batch.targets if isinstance(batch, RelationBatch) else batch.tags
    return [batch.posts.ids, batch.posts.regions, gold]


def same(one: RelationBatch | TaggingBatch, other: RelationBatch | TaggingBatch) -> bool:
    return all(torch.equal(a, b) for a, b in zip(told(one), told(other), strict=True))


def test_an_epoch_sees_every_post_and_every_picture_twice(
    recipe: Recipe, stamps: list[CaptionedPicture], pictures: Pictures, tmp_path: Path
) -> None:
    made = feed(recipe(tmp_path, merged_signs=0, masked_pieces=0), stamps, pictures)
    tagging = list(made.batches(1, Phase.TAGGING))
    assert len(tagging) == made.order.count(Phase.TAGGING) == 3
    lengths = [int(length) for batch in tagging for length in batch.posts.lengths]
    assert sorted(lengths) == sorted(2 + 2 + 1 + 5 + len(post.words[3]) for post in POSTS)
    relation = list(made.batches(1, Phase.RELATION))
    # 12 pictures: a quarter of the concepts is held out.
    assert len(relation) == made.order.count(Phase.RELATION) == 6
    labels = [
        each for batch in relation if isinstance(batch, RelationBatch) for each in batch.targets.tolist()
    ]
    assert sorted(labels) == [0.0] * 12 + [1.0] * 12


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
    settings = recipe(tmp_path, batch_size=5, relation_batch_size=7)
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
    settings = recipe(tmp_path, vision="tuned")
    pixels = next(feed(settings, stamps, undescribed).batches(1, Phase.RELATION)).posts.regions
    assert (pixels.dtype, pixels.shape) == (torch.uint8, (4, 224, 224, 3))
    regions = next(feed(recipe(tmp_path), stamps, pictures).batches(1, Phase.RELATION)).posts.regions
    assert (regions.dtype, regions.shape) == (torch.float16, (4, 16, CHANNELS))


def test_a_relation_step_reads_some_blocks_of_a_picture_and_others_the_next_time(
    recipe: Recipe, stamps: list[CaptionedPicture], pictures: Pictures, tmp_path: Path
) -> None:
    whole = {block.tobytes() for stamp in stamps for block in pictures.load(stamp.path)}
    settings = recipe(tmp_path, relation_blocks=5, relation_batch_size=24)
    made = feed(settings, stamps, pictures)
    read = []
    for epoch in (1, 2):
        (batch,) = relating(made, epoch)
        assert batch.posts.regions.shape == (24, 5, CHANNELS)
        read.append([{block.numpy().tobytes() for block in picture} for picture in batch.posts.regions])
    assert all(len(blocks) == 5 and blocks <= whole for epoch in read for blocks in epoch)
    # Each picture comes four times in two epochs: it is not always seen by the same blocks.
    assert len(set(map(frozenset, read[0] + read[1]))) > 2 * 24 - 5


def test_a_teacher_s_judgement_is_mixed_into_captions_and_what_people_say_stays(
    recipe: Recipe, stamps: list[CaptionedPicture], pictures: Pictures, tmp_path: Path
) -> None:
    settings = recipe(tmp_path, teacher_share=0.8, relation_batch_size=24)
    said = [
        Pair(PIECES.prepare("at porto"), stamps[0].path, number < 3, by_people=True) for number in range(8)
    ]
    people = LabelledPairs("people", said, seed=1)
    made = feed(settings, stamps, pictures, alignment=helped(stamps, settings), labelled=[people])
    targets = torch.cat([batch.targets for batch in relating(made)]).tolist()
    mixed = [each for each in targets if each not in (0, 1)]
    assert sorted(mixed) == pytest.approx([0.2 * 0 + 0.8 * 0.5] * 12 + [0.2 * 1 + 0.8 * 0.5] * 12)
    assert len(targets) - len(mixed) == len(people)


def test_the_teacher_hints_at_where_texts_and_pictures_lie_if_the_encoder_is_as_wide(
    recipe: Recipe, stamps: list[CaptionedPicture], pictures: Pictures, tmp_path: Path
) -> None:
    tiny = tiny_config()
    wide = tiny.model_copy(update={"encoder": tiny.encoder.model_copy(update={"hidden": NAME_WIDTH})})

    def hints(config: RpBertConfig, **changed: object) -> list[Hints | None]:
        settings = recipe(tmp_path, **changed)
        alignment = helped(stamps, settings)
        batches = relating(feed(settings, stamps, pictures, config=config, alignment=alignment))
        for batch in batches:
            if batch.hints is not None:
                told = [float(len(text)) for text in ("one of the cats", "one of the trees")]
                assert set(batch.hints.texts.tolist()) <= set(told)
                assert batch.hints.pictures.shape == (len(batch.targets), CHANNELS)
        return [batch.hints for batch in batches]

    assert None not in hints(wide)
    assert set(hints(wide, hint_weight=0)) == {None}
    assert set(hints(tiny)) == {None}


def test_the_teacher_sees_the_whole_picture_and_the_step_some_blocks(
    recipe: Recipe, stamps: list[CaptionedPicture], pictures: Pictures, tmp_path: Path
) -> None:
    settings = recipe(tmp_path)
    alignment = helped(stamps, settings)
    relating(feed(settings, stamps, pictures, alignment=alignment))
    assert isinstance(alignment.teacher, Half)
    means = {pictures.load(stamp.path).mean(axis=0, dtype=np.float32).tobytes() for stamp in stamps}
    assert len(alignment.teacher.pooled) == 24
    assert {each.tobytes() for each in alignment.teacher.pooled} <= means


def test_imagined_pictures_take_their_share_and_follow_from_the_seed(
    recipe: Recipe, stamps: list[CaptionedPicture], pictures: Pictures, tmp_path: Path
) -> None:
    settings = recipe(tmp_path, imagined_share=0.4)
    alignment = helped(stamps, settings, classes=True)
    made, again = (feed(settings, stamps, pictures, alignment=alignment) for _ in range(2))
    whole = relating(made, 2)
    assert sum(len(batch.targets) for batch in whole) == 24 + 16
    real = {block.tobytes() for stamp in stamps for block in pictures.load(stamp.path)}
    shown = [picture for batch in whole for picture in batch.posts.regions]
    assert sum(any(block.numpy().tobytes() not in real for block in picture) for picture in shown) == 16
    rest = list(again.batches(2, Phase.RELATION, first=3))
    assert all(same(one, other) for one, other in zip(whole[3:], rest, strict=True))


def test_blocks_with_positions_of_their_own_are_all_read(
    recipe: Recipe, stamps: list[CaptionedPicture], pictures: Pictures, tmp_path: Path
) -> None:
    made = feed(recipe(tmp_path), stamps, pictures, config=tiny_preset("authors2022"))
    assert next(made.batches(1, Phase.RELATION)).posts.regions.shape == (4, 49, CHANNELS)


def test_the_tasks_take_turns_as_often_as_asked_and_no_batch_is_lost(
    recipe: Recipe, stamps: list[CaptionedPicture], pictures: Pictures, tmp_path: Path
) -> None:
    def turns(rounds: int) -> str:
        order = feed(recipe(tmp_path, rounds=rounds), stamps, pictures).order
        return "".join(phase[0] for phase in order)

    assert turns(1) == "rrrrrrttt"
    assert turns(3) == "rrtrrtrrt"
    assert turns(2) == "rrrtrrrtt"
    assert turns(100).count("r") == 6
    assert turns(100).count("t") == 3
