"""A release measured on a data file, and the figures printed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from pydantic import BaseModel
from rich.console import Console
from rich.table import Column
from rich.text import Text

from model.config import GateKind
from model.data.gold import DatasetError, GoldSet, Oddity
from model.data.images import ImageFolder, PictureCounts, PostPictures
from model.data.read import DataForm, form_of, read_gold
from model.data.relation import read_trc
from model.evaluation import entity_scores, predict, relation_scores
from model.scores import EntityScores, RelationScores, Scores
from schemas import ReleaseName
from workers.data_check import oddities_line, pictures_line
from workers.errors import SetupError
from workers.fetching import ShownFetch
from workers.progress import bar
from workers.render import plain
from workers.settings import ModelSettings
from workers.tables import Cell, print_lines, print_table
from workers.tagger.process import load_tagger

_FIRST_COLUMN: Final = 19


class ScoredPictures(BaseModel):
    """What became of the pictures; `named` is the sum of the others, see `PictureCounts`."""

    named: int
    scored: int
    missing: int
    broken: int
    left_out: int


class Evaluation(BaseModel):
    """What `rpbert evaluate --json` prints; figures are 0-1."""

    release: ReleaseName
    data: str
    posts: int
    pictures: ScoredPictures
    gate: GateKind
    dtype: str
    entities: EntityScores | None
    relation: RelationScores | None
    oddities: dict[str, int]


def evaluate_and_print(
    model: ModelSettings,
    data: Path,
    *,
    images: Path | None,
    texts: Path | None,
    gate: GateKind | None,
    as_json: bool,
) -> None:
    """Measure a release on a data file and print the figures.

    Args:
        model: which release, and where it runs.
        data: posts with gold entities, or TRC's labels.
        images: folder of the pictures; None for text only.
        texts: tweets as JSON Lines, for TRC.
        gate: another gate than the release's own.
        as_json: print one JSON object instead of tables.

    Raises:
        SetupError: the release or the data can't be used, or there is nothing to score.
    """
    try:
        gold, pictures, lost = _read(data, images, texts)
    except DatasetError as error:
        raise SetupError(str(error)) from error
    if not gold.posts:
        raise SetupError(f"{data}: holds no post to score; `rpbert data check` says what it holds")
    with bar("loading the release") as loading:
        tagger = load_tagger(model, gate=gate, progress=ShownFetch(loading))
    with bar(f"{tagger.name} {tagger.version}", len(gold.posts)) as tagging:
        predicted = predict(tagger, gold.posts, pictures, tagging.step)
    counts = replace(
        pictures.counts,
        named=pictures.counts.named + lost,
        missing=pictures.counts.missing + lost,
    )
    evaluation = Evaluation(
        release=ReleaseName(name=tagger.name, version=tagger.version),
        data="/".join(data.absolute().parts[-2:]),
        posts=len(gold.posts),
        pictures=ScoredPictures(
            named=counts.named,
            scored=counts.usable,
            missing=counts.missing,
            broken=counts.broken,
            left_out=counts.left_out,
        ),
        gate=tagger.gate,
        dtype=tagger.dtype,
        entities=entity_scores(gold.posts, predicted),
        relation=relation_scores(gold.posts, predicted),
        oddities={name: count for name, count in gold.oddities.items() if count},
    )
    if as_json:
        sys.stdout.write(evaluation.model_dump_json() + "\n")
    else:
        _print(evaluation, counts)


def _read(data: Path, images: Path | None, texts: Path | None) -> tuple[GoldSet, PostPictures, int]:
    """The posts, their pictures, and how many posts are not there for want of their picture."""
    if form_of(data) is not DataForm.TRC:
        return read_gold(data), PostPictures(None if images is None else ImageFolder(images)), 0
    if images is None or texts is None:
        raise SetupError(
            f"{data} has labels of tweets only: give --texts with the tweets and --images with their pictures"
        )
    trc = read_trc(data, texts, images)
    left_out: dict[str, int] = {
        Oddity.MALFORMED_ROWS: len(trc.labels.malformed),
        Oddity.MISSING_TEXTS: trc.missing_texts,
    }
    return GoldSet(trc.posts, left_out), PostPictures(ImageFolder(images)), trc.missing_pictures


def _print(evaluation: Evaluation, counts: PictureCounts) -> None:
    console = Console(highlight=False)
    release = f"{evaluation.release.name} {evaluation.release.version}"
    how = f"{evaluation.posts:,} posts, gate {evaluation.gate}, {evaluation.dtype}"
    title = Text(f"{release} on {plain(evaluation.data)}: {how}", style="bold")
    lines = [title, pictures_line(counts)]
    if evaluation.oddities:
        lines.append(oddities_line(evaluation.oddities))
    print_lines(console, *lines)
    if evaluation.entities is not None:
        _print_entities(console, "conlleval", evaluation.entities.conlleval)
        _print_entities(console, "strict", evaluation.entities.strict)
    if evaluation.relation is not None:
        _print_relation(console, evaluation.relation)


def _print_entities(console: Console, way: str, scores: Scores) -> None:
    rows: list[list[Cell]] = []
    for kind, score in (*scores.types.items(), ("micro", scores.micro)):
        figures = (_percent(figure) for figure in (score.precision, score.recall, score.f1))
        rows.append([kind, f"{score.support:,}", *figures])
    rows[-1] = [Text(str(cell), style="bold") for cell in rows[-1]]
    _print_figures(console, f"entities, {way}", ("gold", "precision", "recall", "F1"), rows)


def _print_relation(console: Console, scores: RelationScores) -> None:
    figures = (scores.precision, scores.recall, scores.f1, scores.accuracy)
    auc = "none" if scores.auc is None else f"{scores.auc:.3f}"
    headings = ("pairs", "precision", "recall", "F1", "accuracy", "AUC")
    row = ["related", f"{scores.pairs:,}", *map(_percent, figures), auc]
    _print_figures(console, "relation", headings, [row])
    if scores.auc_missing is not None:
        print_lines(console, Text(f"no AUC: {scores.auc_missing}"))


def _print_figures(
    console: Console, first: str, headings: Sequence[str], rows: Sequence[Sequence[Cell]]
) -> None:
    console.print()
    columns = [Column(first, min_width=_FIRST_COLUMN)]
    columns += [Column(each, justify="right") for each in headings]
    print_table(console, columns, rows, headed=True)


def _percent(figure: float) -> str:
    return f"{100 * figure:.2f}"
