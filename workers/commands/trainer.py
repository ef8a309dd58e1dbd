"""`rpbert trainer`: one run from annotations to a release."""

from __future__ import annotations

import sys
from typing import Annotated, Final

from cyclopts import Parameter

from model.training.settings import GoldData, Recipe
from workers.errors import SetupError
from workers.settings import KafkaSettings, StoreSettings, TrainerSettings
from workers.settings.groups import RECIPE

REFUSED: Final = 3
"""Exit status of a run whose candidate was refused."""


def trainer(
    *,
    settings: TrainerSettings,
    store: StoreSettings,
    kafka: KafkaSettings = KafkaSettings(),
    gold: GoldData,
    recipe: Annotated[Recipe, Parameter(group=RECIPE)] = Recipe(),
    json: bool = False,
) -> None:
    """Train the release in service on, judge what comes of it, and publish it or refuse it.

    It starts from the store's stable release and trains on the gold files and on all annotations up to now.
    The newest annotations and the development files judge candidate and release in service side by side. A
    run that was killed is gone on with by the same command. Exit status: 0 published, 3 refused, 1 failed,
    2 misused.

    For example:

        rpbert trainer --store s3://bucket/releases --train train.txt --dev valid.txt --work runs/trainer

        torchrun --nproc-per-node 8 --no-python rpbert trainer --work /shared/run ...

    Args:
        settings: of the run.
        store: where the release in service is, and the new one goes.
        kafka: how to reach Kafka.
        gold: what to train on beside the annotations, and what judges.
        recipe: how to train.
        json: print the record of the run as one JSON object.
    """
    try:
        from workers.trainer.begin import Job
        from workers.trainer.record import Outcome
        from workers.trainer.run import run_trainer
    except ModuleNotFoundError as error:
        raise SetupError(
            f"training needs {error.name}, which is not installed: pip install 'rpbert-stream[train]'"
        ) from None
    record = run_trainer(Job(settings, gold, recipe, kafka, store))
    if record is not None and json:
        sys.stdout.write(f"{record.model_dump_json()}\n")
    if record is not None and record.outcome is Outcome.REFUSED:
        sys.exit(REFUSED)
