"""Does the picture help, and does the gate? Each gate trained and measured on the ambiguity set.

    python -m bench.ambiguity --captioned-pictures STAMPS --work runs/ambiguity

Every run is kept under `--work`: the same command goes on where it was broken off.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from statistics import fmean, stdev
from typing import Final

from cyclopts import App
from pydantic import BaseModel, ConfigDict
from rich.console import Console

from model.config import GateKind
from model.data.ambiguity.concepts import Split
from model.data.ambiguity.generate import Role, role_of
from model.data.gold import GoldPost
from model.data.images import ImageFolder, PostPictures
from model.data.read import read_gold
from model.evaluation import predict, relation_scores
from model.inference import Tagger
from model.scores import score_entities
from model.training.report import FILE, Report
from model.training.run import CHECKPOINTS, REPORT, train
from model.training.settings import TrainingSettings, shown
from schemas import AnnotatedPost
from workers.data_ambiguity import CAPTIONED, generate_and_write

FIGURES: Final = "figures.json"
RESULTS: Final = Path(__file__).parent / "results"

_SUBSETS: Final[Mapping[str, frozenset[Role]]] = {
    "all": frozenset(Role),
    "picture decides": frozenset({Role.CONFIRMS, Role.OVERTURNS}),
    **{role.value: frozenset({role}) for role in Role},
    "unrelated": frozenset({Role.MISLEADS, Role.DISTRACTS}),
}
_SHOWN: Final = ("all", "picture decides", "overturns", "misleads", "distracts")

# Nothing is imagined: ImageNet's classes are what dev and test show too. Fewer captioned pictures than usual,
# since each post has labels of its own.
_RECIPE: Final = {"captioned_pictures_per_epoch": 400, "imagined_share": 0.0, "rounds": 100}

console = Console(highlight=False)


class Variant(StrEnum):
    """What the network is given of the pictures."""

    TEXT_ONLY = "text only"
    OFF = "no gate"
    SOFT = "soft"
    STRAIGHT_THROUGH = "straight-through"
    GUMBEL = "gumbel"

    @property
    def gate(self) -> GateKind | None:
        """Its gate; None without pictures."""
        return None if self is Variant.TEXT_ONLY else GateKind[self.name]


class Figures(BaseModel):
    """What one training gave on the test posts.

    Attributes:
        recipe: The settings of the training.
        data: SHA-256 of the set.
        f1: Entity micro F1, conlleval-style, on each kind of post, 0-1.
        relation_auc: Of the relation score; None for text only.
        best_epoch: The epoch that the development posts chose.
        seconds: Spent on training and measuring.
    """

    model_config = ConfigDict(frozen=True)

    recipe: dict[str, object]
    data: str
    f1: dict[str, float]
    relation_auc: float | None
    best_epoch: int
    seconds: float


class Comparison(BaseModel):
    """All runs; `first_reading` is the most that text alone can give: the first reading, always."""

    first_reading: dict[str, float]
    runs: dict[Variant, dict[int, Figures]]


def compare(
    data: Path,
    pictures: Path,
    work: Path,
    *,
    seeds: Sequence[int],
    variants: Sequence[Variant] = tuple(Variant),
    options: Mapping[str, object],
) -> Comparison:
    """Train and measure each variant with each seed, unless that was done before.

    Args:
        data: directory of the set.
        pictures: directory of its pictures.
        work: directory of the runs.
        seeds: of the trainings.
        variants: what to compare.
        options: settings of the trainings, where they differ from the defaults.
    """
    posts, roles = _read(data / "test.jsonl")
    digest = hashlib.sha256(b"".join((data / f"{split}.jsonl").read_bytes() for split in Split)).hexdigest()
    runs: dict[Variant, dict[int, Figures]] = {variant: {} for variant in variants}
    # Seed by seed, so that a broken-off comparison compares something.
    for seed in seeds:
        for variant in variants:
            settings = _settings(data, pictures, work, variant=variant, seed=seed, options=options)
            runs[variant][seed] = _figures(settings, digest, posts, roles)
            console.print(f"{variant}, seed {seed}: F1 {runs[variant][seed].f1['all']:.3f}")
    text = {post.words: post.tags for post, role in zip(posts, roles, strict=True) if role is Role.CONFIRMS}
    return Comparison(first_reading=_f1(posts, [text[post.words] for post in posts], roles), runs=runs)


def table(comparison: Comparison) -> str:
    """F1 in % with its spread over the seeds, a row a variant; then what each gate adds, seed by seed."""
    head = ["", *_SHOWN, "relation AUC"]
    rows = [["first reading, always", *(_percent([comparison.first_reading[each]]) for each in _SHOWN), ""]]
    for variant, runs in comparison.runs.items():
        f1 = [_percent([run.f1[each] for run in runs.values()]) for each in _SHOWN]
        auc = [run.relation_auc for run in runs.values() if run.relation_auc is not None]
        rows.append([variant.value, *f1, f"{fmean(auc):.3f}" if auc else ""])
    open_door = comparison.runs.get(Variant.OFF, {})
    for variant in (Variant.SOFT, Variant.STRAIGHT_THROUGH, Variant.GUMBEL):
        pairs = [
            (run, open_door[seed]) for seed, run in comparison.runs.get(variant, {}).items() if open_door
        ]
        if pairs:
            more = [_percent([run.f1[each] - other.f1[each] for run, other in pairs]) for each in _SHOWN]
            rows.append([f"{variant} less {Variant.OFF}", *more, ""])
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)) + "\n"


def write(comparison: Comparison, output: Path) -> None:
    """Write `ambiguity.json` and `ambiguity.md`, without where the start lay on this machine."""
    comparison = comparison.model_copy(deep=True)
    for runs in comparison.runs.values():
        for figures in runs.values():
            if start := figures.recipe.get("initial_release"):
                figures.recipe["initial_release"] = shown(Path(str(start)))
    (output / "ambiguity.json").write_text(comparison.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (output / "ambiguity.md").write_text(table(comparison), encoding="utf-8")


def _percent(values: Sequence[float]) -> str:
    spread = f" ± {100 * stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * fmean(values):.1f}{spread}"


def _read(path: Path) -> tuple[Sequence[GoldPost], list[Role]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return read_gold(path).posts, [role_of(AnnotatedPost.model_validate_json(line).post) for line in lines]


def _settings(
    data: Path, pictures: Path, work: Path, *, variant: Variant, seed: int, options: Mapping[str, object]
) -> TrainingSettings:
    fields: dict[str, object] = {
        "train": (data / "train.jsonl",),
        "dev": (data / "dev.jsonl",),
        "gate": variant.gate,
        "seed": seed,
        "output": work / f"{variant.name.lower()}-{seed}",
        "resume": True,
        "name": "ambiguity",
    }
    if variant is not Variant.TEXT_ONLY:
        fields |= {"images": (pictures,), "captioned_pictures": (data / CAPTIONED,)}
    return TrainingSettings.model_validate({**fields, **options})


def _figures(
    settings: TrainingSettings, data: str, posts: Sequence[GoldPost], roles: Sequence[Role]
) -> Figures:
    """The figures of a run: those that it left behind, or those of training it now."""
    folder = settings.output
    if (folder / FIGURES).is_file():
        figures = Figures.model_validate_json((folder / FIGURES).read_bytes())
        if (figures.recipe, figures.data) != (settings.recipe(), data):
            raise SystemExit(f"{folder} holds a run of other settings or data; give another --work")
        return figures
    began = time.monotonic()
    release = train(settings)
    tagger = Tagger.load(str(release), device=settings.device, dtype="float32")
    folder_of_pictures = ImageFolder(settings.images[0]) if settings.images else None
    predicted = predict(tagger, posts, PostPictures(folder_of_pictures))
    relation = relation_scores(posts, predicted)
    report = Report.model_validate_json((folder / REPORT / FILE).read_bytes())
    figures = Figures(
        recipe=settings.recipe(),
        data=data,
        f1=_f1(posts, [each.tags for each in predicted], roles),
        relation_auc=None if relation is None else relation.auc,
        best_epoch=report.best_epoch,
        seconds=time.monotonic() - began,
    )
    (folder / FIGURES).write_text(figures.model_dump_json(indent=1) + "\n", encoding="utf-8")
    # Only of use to a run that was broken off, and the largest part of it.
    shutil.rmtree(folder / CHECKPOINTS)
    return figures


def _f1(posts: Sequence[GoldPost], tags: Sequence[Sequence[str]], roles: Sequence[Role]) -> dict[str, float]:
    """Micro F1 over each subset of the posts."""
    return {
        name: score_entities(
            [post.tags for post, role in zip(posts, roles, strict=True) if role in subset],
            [found for found, role in zip(tags, roles, strict=True) if role in subset],
        ).conlleval.micro.f1
        for name, subset in _SUBSETS.items()
    }


app = App(help=__doc__)


@app.default
def main(
    *,
    captioned_pictures: Path,
    work: Path,
    output: Path = RESULTS,
    seeds: tuple[int, ...] = (1, 2, 3),
    epochs: int = 3,
    initial_release: str | None = None,
) -> None:
    """Write the set, train and measure every variant, and write `ambiguity.json` and `ambiguity.md`.

    Args:
        captioned_pictures: the stamps of Debian's tuxpaint-stamps-default.
        work: directory of the set and the runs.
        output: directory of the results.
        seeds: of the trainings.
        epochs: of each training, at most.
        initial_release: release to start every training from; by default the preset `small`.
    """
    data = work / "data"
    generate_and_write(captioned_pictures, data, seed=1)
    options = {"epochs": epochs, "initial_release": initial_release, **_RECIPE}
    comparison = compare(data, captioned_pictures, work, seeds=seeds, options=options)
    output.mkdir(parents=True, exist_ok=True)
    write(comparison, output)
    console.print(table(comparison), markup=False, soft_wrap=True)


if __name__ == "__main__":
    app()
