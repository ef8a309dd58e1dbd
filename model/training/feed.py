"""Batches in the order of Algorithm 1: which, in what order and how varied follows from the seed alone.

Nothing here has a state: a run that was broken off asks for the rest of a phase and gets it, and several
processes each take their share of the same batches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.augment import mask_pieces, merge_signs, shuffled_batches
from model.batch import collate
from model.config import BLOCKS, RpBertConfig, VisualPositions
from model.data.gold import GoldPost
from model.recognition import NAME_WIDTH
from model.relation import Pair, Pairs
from model.training.alignment import Alignment
from model.training.objective import Hints, RelationBatch, TaggingBatch
from model.training.pictures import Pictures
from model.training.progress import Phase
from model.training.settings import TrainingSettings
from model.words import PreparedText, WordPieces

_AHEAD: Final = 2
_PREPARED: Final = 65_536
_PHASES: Final = tuple(Phase)

Made = TypeVar("Made")
Item = TypeVar("Item")


class Feed:
    """The batches of one of several processes.

    Args:
        settings: batch size, augmentation, seed.
        config: of the network.
        pieces: cuts words into word pieces.
        posts: gold posts, and the pictures of each that can be had.
        relation: pairs for the relation task.
        pictures: where their pictures are.
        alignment: the relation task's teacher, and what may be imagined.
        process: which of `processes` this is.
        processes: how many share each batch.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        config: RpBertConfig,
        pieces: WordPieces,
        *,
        posts: Sequence[tuple[GoldPost, Sequence[Path]]],
        relation: Sequence[Pairs],
        pictures: Pictures,
        alignment: Alignment | None = None,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        self._settings = settings
        self._channels = config.vision.channels
        self._tag_indices = {tag: index for index, tag in enumerate(config.tags)}
        self._pieces = pieces
        # Most posts are cut the same way in every epoch.
        self._prepare = lru_cache(_PREPARED)(pieces.prepare_words)
        self._posts = posts
        self._lengths = [self._prepare(post.words).length for post, _ in posts]
        self._relation = relation
        self._pictures = pictures
        self._classes = None if alignment is None else alignment.classes
        self._teacher = None if alignment is None else alignment.teacher
        self._hints = settings.hint_weight > 0 and config.encoder.hidden == NAME_WIDTH
        # A block can't be left out where it has a position of its own.
        shared = config.encoder.visual_positions is VisualPositions.SHARED
        some = settings.vision == "frozen" and shared
        self._blocks = settings.relation_blocks if some else BLOCKS
        self._some_pictures = [path for pairs in relation for path in pairs.pictures if path in pictures]
        self._process = process
        self._processes = processes

    @cached_property
    def order(self) -> tuple[Phase, ...]:
        """The task of each batch of an epoch, the same in every one: round by round, relation first."""
        pairs = sum(map(len, self._relation))
        counts = {
            Phase.RELATION: -(-pairs // self._settings.relation_batch_size),
            Phase.TAGGING: -(-len(self._posts) // self._settings.batch_size),
        }
        rounds = self._settings.rounds
        return tuple(
            phase
            for part in range(rounds)
            for phase, count in counts.items()
            for _ in range(count * part // rounds, count * (part + 1) // rounds)
        )

    def batches(self, epoch: int, phase: Phase, first: int = 0) -> Iterator[RelationBatch | TaggingBatch]:
        """This process's share of the batches of a phase, from the `first` on.

        They are made ready on a thread of their own, a little ahead.
        """
        made = self._tagging(epoch, first) if phase is Phase.TAGGING else self._relating(epoch, first)
        return _ahead(made)

    def _relating(self, epoch: int, first: int) -> Iterator[RelationBatch]:
        random = self._random(epoch, Phase.RELATION)
        pairs = [pair for source in self._relation for pair in source.draw(random)]
        order = random.permutation(len(pairs))
        size = self._settings.relation_batch_size
        for start in range(first * size, len(pairs), size):
            share, weight = self._share(order[start : start + size].tolist())
            chosen = [pairs[index] for index in share]
            randoms = [self._random(epoch, Phase.RELATION, index) for index in share]
            shown = [self._show(pair, each) for pair, each in zip(chosen, randoms, strict=True)]
            read = [[self._some_blocks(each, random)] for each, random in zip(shown, randoms, strict=True)]
            posts = collate([pair.text for pair in chosen], read, channels=self._channels)
            targets, hints = self._taught(chosen, shown)
            yield RelationBatch(posts, targets, weight, hints)

    def _show(self, pair: Pair, random: np.random.Generator) -> npt.NDArray[Any]:
        """All of a pair's picture."""
        picture: npt.NDArray[Any] = self._pictures.load(pair.picture)
        if pair.kind is None or self._classes is None:
            return picture
        laid_over = self._classes.imagine(picture[None], np.array([pair.kind]), random)
        imagined: npt.NDArray[np.float16] = laid_over[0].astype(np.float16)
        return imagined

    def _some_blocks(self, shown: npt.NDArray[Any], random: np.random.Generator) -> npt.NDArray[Any]:
        return shown if self._blocks == BLOCKS else shown[random.permutation(BLOCKS)[: self._blocks]]

    def _taught(
        self, pairs: Sequence[Pair], shown: Sequence[npt.NDArray[Any]]
    ) -> tuple[Tensor, Hints | None]:
        """Labels, with the teacher's judgement mixed into those that no person gave, and its hints.

        It sees all blocks.
        """
        targets = torch.tensor([float(pair.related) for pair in pairs])
        if self._teacher is None:
            return targets, None
        pooled = np.stack([picture.mean(axis=0, dtype=np.float32) for picture in shown])
        texts = [pair.text.text for pair in pairs]
        judged = torch.from_numpy(self._teacher.probability(pooled, texts))
        unsure = torch.tensor([not pair.by_people for pair in pairs])
        mixed = targets.lerp(judged, self._settings.teacher_share)
        hints = Hints(*self._teacher.vectors(pooled, texts)) if self._hints else None
        return torch.where(unsure, mixed, targets), hints

    def _tagging(self, epoch: int, first: int) -> Iterator[TaggingBatch]:
        order = self._random(epoch, Phase.TAGGING)
        batches = shuffled_batches(self._lengths, self._settings.batch_size, order)
        for batch in batches[first:]:
            chosen, weight = self._share(batch)
            texts, tags, pictures = zip(*(self._vary(epoch, index) for index in chosen), strict=True)
            yield TaggingBatch(collate(texts, pictures, channels=self._channels), _stack(tags), weight)

    def _vary(self, epoch: int, index: int) -> tuple[PreparedText, list[int], list[np.ndarray]]:
        """A post as it is read this time."""
        random = self._random(epoch, Phase.TAGGING, index)
        gold, paths = self._posts[index]
        post = merge_signs(gold, self._settings.merged_signs, random)
        text = mask_pieces(self._prepare(post.words), self._settings.masked_pieces, self._pieces, random)
        if not paths and self._some_pictures and random.random() < self._settings.posts_with_picture:
            paths = [self._some_pictures[random.integers(len(self._some_pictures))]]
        tags = [self._tag_indices[tag] for tag in post.tags]
        return text, tags, [self._pictures.load(path) for path in paths]

    def _share(self, batch: Sequence[Item]) -> tuple[Sequence[Item], float]:
        """This process's part of a batch, and the weight of its mean.

        Where a batch has fewer items than there are processes, one without an item takes the first for
        nothing: all must step together.
        """
        share = batch[self._process :: self._processes]
        return share or batch[:1], len(share) * self._processes / len(batch)

    def _random(self, epoch: int, phase: Phase, *item: int) -> np.random.Generator:
        return np.random.default_rng((self._settings.seed, epoch, _PHASES.index(phase), *item))


def _stack(tags: Sequence[Sequence[int]]) -> Tensor:
    stacked = torch.zeros(len(tags), max(map(len, tags)), dtype=torch.long)
    for row, each in zip(stacked, tags, strict=True):
        row[: len(each)] = torch.tensor(each)
    return stacked


def _ahead(made: Iterator[Made]) -> Iterator[Made]:
    """The same, each made while those before it are used."""
    with ThreadPoolExecutor(1) as thread:
        waiting = deque(thread.submit(next, made, None) for _ in range(_AHEAD))
        while (item := waiting.popleft().result()) is not None:
            waiting.append(thread.submit(next, made, None))
            yield item
