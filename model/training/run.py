"""A run from its settings to its release and report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState
from rich.console import Console
from rich.progress import track
from tokenizers import Tokenizer

from model import card
from model.device import pick_dtype
from model.inference import Tagger
from model.manifest import CARD
from model.release import save_release, seal
from model.rpbert import RpBert
from model.training import charts
from model.training.alignment import Alignment
from model.training.checkpoint import Checkpoint, Identity, list_checkpoints
from model.training.data import Data
from model.training.errors import TrainingError
from model.training.feed import Feed
from model.training.judge import Judge
from model.training.logs import RunLog
from model.training.loop import Loop
from model.training.pictures import Pictures, describe_with
from model.training.processes import on_cpu
from model.training.progress import Progress
from model.training.report import Environment, Report
from model.training.settings import TrainingSettings
from model.training.start import guess_projection, start
from model.words import WordPieces

RELEASE: Final = "release"
REPORT: Final = "report"
CHECKPOINTS: Final = "checkpoints"
TENSORBOARD: Final = "tensorboard"

Item = TypeVar("Item")


def train(settings: TrainingSettings, console: Console | None = None) -> Path:
    """Train a release and write it, with its report.

    Under torchrun or `accelerate launch` each process calls this; the first of them writes.

    Args:
        settings: what to train, on what, and how.
        console: where the first process tells how far it is; standard output by default.

    Returns:
        The release's directory. Its card states the figures of the written, half-precision release.

    Raises:
        TrainingError: the run can't start or go on.
        DatasetError: a file can't be read.
        ReleaseError: the release to start from can't be used.
        WeightsError: the pretrained weights to start from can't be had.
    """
    data = Data.read(settings)
    accelerator = _accelerator(settings)
    if console is None or not accelerator.is_main_process:
        console = Console(quiet=not accelerator.is_main_process)
    newest = _newest_checkpoint(settings)
    # No process writes before all have looked.
    accelerator.wait_for_everyone()

    with accelerator.local_main_process_first():
        model, tokenizer = start(settings)
    model.to(accelerator.device)
    pieces = WordPieces(tokenizer, window=model.config.window, overlap=model.config.overlap)
    pictures = _read_pictures(settings, data, model, console)
    alignment = Alignment.prepare(settings, data, model, pictures)
    relation = data.labelled_pairs(pictures, pieces, settings.seed)
    if alignment is not None:
        console.print(f"{alignment}", soft_wrap=True, markup=False, highlight=False)
        relation = [*alignment.pairs(settings, pieces), *relation]
    run = _identity(settings, data, pictures, model)
    checkpoint = None if newest is None else Checkpoint.load(newest, run)
    posts = data.training_posts(pictures)
    if checkpoint is None:
        guess_projection(settings, model, pieces, pictures, alignment)

    judge = Judge(data.dev_posts(pictures), relation, pictures, tokenizer, accelerator.device)
    loop = Loop(
        settings,
        accelerator,
        model,
        feed=Feed(
            settings,
            model.config,
            pieces,
            posts=posts,
            relation=relation,
            pictures=pictures,
            alignment=alignment,
            process=accelerator.process_index,
            processes=accelerator.num_processes,
        ),
        judge=judge,
        folder=settings.output / CHECKPOINTS,
        run=run,
        checkpoint=checkpoint,
    )
    logs = settings.output / TENSORBOARD if accelerator.is_main_process else None
    with RunLog(logs, console, steps=loop.steps, done=loop.done) as log:
        if settings.resume:
            log.say(f"going on from {newest}" if newest else "no checkpoint yet: beginning anew")
        best = loop.run(log)
    if accelerator.is_main_process:
        said = {
            "untrained_start": settings.untrained,
            "data": data.counts(pictures, relation),
            "alignment": None if alignment is None else alignment.counts(pictures, relation[0].held_out),
            "environment": _environment(accelerator),
        }
        _write(settings, best, tokenizer, judge=judge, progress=loop.progress, said=said)
        console.print(
            f"release {settings.output / RELEASE}, report {settings.output / REPORT}", soft_wrap=True
        )
    accelerator.end_training()
    return settings.output / RELEASE


def _accelerator(settings: TrainingSettings) -> Accelerator:
    cpu = on_cpu(settings.device)
    dtype = pick_dtype(settings.dtype, torch.device("cpu" if cpu else "cuda"))
    # A step trains one task, and of it what the gates let through.
    parallel = DistributedDataParallelKwargs(find_unused_parameters=True)
    # accelerate keeps a process's first precision and refuses another; a notebook may train twice.
    AcceleratorState._reset_state()  # noqa: SLF001 - it offers no other way
    return Accelerator(
        cpu=cpu, mixed_precision="bf16" if dtype is torch.bfloat16 else "no", kwargs_handlers=[parallel]
    )


def _newest_checkpoint(settings: TrainingSettings) -> Path | None:
    """Where to go on from, if that is asked for.

    Raises:
        TrainingError: there is a run and nobody asked to go on with it.
    """
    occupied = [each for each in (CHECKPOINTS, RELEASE, REPORT) if (settings.output / each).exists()]
    if occupied and not settings.resume:
        raise TrainingError(
            f"{settings.output} holds a run already ({', '.join(occupied)}): go on with it by --resume, "
            "or give another --output"
        )
    return next(reversed(list_checkpoints(settings.output / CHECKPOINTS)), None)


def _read_pictures(settings: TrainingSettings, data: Data, model: RpBert, console: Console) -> Pictures:
    def shown(batches: Sequence[Item]) -> Iterable[Item]:
        hidden = not (batches and console.is_terminal)
        return track(batches, "reading pictures", console=console, transient=True, disable=hidden)

    device = model.project.weight.device
    describe = describe_with(model.vision.eval(), device) if settings.vision == "frozen" else None
    return Pictures(data.picture_paths(), describe, shown)


def _identity(settings: TrainingSettings, data: Data, pictures: Pictures, model: RpBert) -> Identity:
    network = model.config.model_dump(mode="json")
    if settings.vision == "frozen":
        network["backbone_digest"] = model.vision.digest()
    return Identity(settings=settings.recipe(), network=network, data=data.digest(pictures))


def _environment(accelerator: Accelerator) -> Environment:
    return Environment.here(
        device=str(accelerator.device.type),
        dtype="bfloat16" if accelerator.mixed_precision == "bf16" else "float32",
        processes=accelerator.num_processes,
    )


def _write(
    settings: TrainingSettings,
    model: RpBert,
    tokenizer: Tokenizer,
    *,
    judge: Judge,
    progress: Progress,
    said: dict[str, Any],
) -> None:
    """Write the release, measure what was written, and put that into card and report."""
    directory, identity = (
        settings.output / RELEASE,
        {"name": settings.release_name, "version": settings.version},
    )
    save_release(directory, model=model, tokenizer=tokenizer, card="", **identity)
    tagger = Tagger.load(str(directory), device=settings.device, dtype="float32")
    report = Report.of(
        progress,
        judge.judge(tagger),
        gold={name: judge.gold(name) for name in judge.dev},
        settings=settings.recipe(),
        network=model.config.model_dump(mode="json"),
        **identity,
        **said,
    )
    (directory / CARD).write_text(card.write(report, settings.command()), encoding="utf-8")
    seal(directory, **identity)
    report.write(settings.output / REPORT)
    charts.draw(report, settings.output / REPORT)
