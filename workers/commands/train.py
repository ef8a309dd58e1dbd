"""`rpbert train`: a release from gold data."""

from __future__ import annotations

import sys
from json import dumps

from rich.console import Console

from model.training.settings import TrainingSettings
from workers.errors import SetupError


def train(*, settings: TrainingSettings, json: bool = False) -> None:
    """Train a release by Algorithm 1 of the RpBERT paper.

    Each epoch goes through all pairs of the relation task, then through all posts; the development files
    choose the epoch. Writes into `--output`: the release with its card, a report, TensorBoard logs, and
    checkpoints that `--resume` goes on from. On many GPUs start it by torchrun.

    For example:

        rpbert train --train train.txt --dev valid.txt --captioned-pictures stamps --output runs/small

        torchrun --nproc-per-node 8 --no-python rpbert train --train train.txt --dev valid.txt --output runs/x

    Args:
        settings: what to train, on what, and how.
        json: print one JSON object at the end, and what is told meanwhile on standard error.
    """
    try:
        from accelerate import PartialState

        from model.data.gold import DatasetError
        from model.pretrained import WeightsError
        from model.release import ReleaseError
        from model.training.errors import TrainingError
        from model.training.processes import Crew
        from model.training.run import REPORT
        from model.training.run import train as run
        from workers.fetching import fetch_ahead
    except ModuleNotFoundError as error:
        raise SetupError(
            f"training needs {error.name}, which is not installed: pip install 'rpbert-stream[train]'"
        ) from None
    try:
        if settings.initial_release is not None and Crew(settings.device).leads:
            fetch_ahead(settings.initial_release)
        release = run(settings, Console(stderr=True) if json else None)
    except (DatasetError, ReleaseError, TrainingError, WeightsError) as error:
        raise SetupError(str(error)) from None
    if json and PartialState().is_main_process:
        sys.stdout.write(dumps({"release": str(release), "report": str(settings.output / REPORT)}) + "\n")
