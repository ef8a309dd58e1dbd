"""Algorithm 1 of the paper: each epoch all relation batches, then all tagging batches; or both by turns.

Batches and their order are `feed`'s, losses are `objective`'s; here they become steps, checkpoints and the
choice of an epoch. Every process runs the same loop and only the first writes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor

from model.rpbert import RpBert
from model.training.average import Average, with_weights
from model.training.checkpoint import Checkpoint, Identity
from model.training.errors import TrainingError
from model.training.feed import Feed
from model.training.judge import Judge
from model.training.logs import RunLog
from model.training.objective import Objective, RelationBatch, TaggingBatch
from model.training.optimizer import (
    make_optimizer,
    make_schedule,
    moments,
    restore_moments,
    temperature,
    trained_parameters,
)
from model.training.progress import Epoch, Phase, Progress, Step
from model.training.settings import TrainingSettings

_STEPS_BETWEEN_READINGS: Final = 10
"""A loss is read off the device this seldom: reading waits for it."""


class Loop:
    """A run from where it is to its end.

    Args:
        settings: how to train.
        accelerator: device, precision and processes.
        model: the network, on the accelerator's device.
        feed: batches.
        judge: development data.
        folder: for checkpoints.
        run: what their manifests say.
        checkpoint: where to go on from; None begins.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        accelerator: Accelerator,
        model: RpBert,
        *,
        feed: Feed,
        judge: Judge,
        folder: Path,
        run: Identity,
        checkpoint: Checkpoint | None,
    ) -> None:
        self._settings = settings
        self._accelerator = accelerator
        self._model = model
        self._feed = feed
        self._judge = judge
        self._folder = folder
        self._run = run
        self.progress = Progress()
        self._best: Mapping[str, Tensor] = {}
        self._optimizer = make_optimizer(model, settings)
        self._average = Average(model, settings.averaging)
        if checkpoint is not None:
            self._restore(checkpoint)
        self.done = len(self.progress.steps)
        self.steps = settings.epochs * len(feed.order)
        self._schedule = make_schedule(self._optimizer, self.steps, settings.warm_up, self.done)
        self._objective = accelerator.prepare(Objective(model, settings.hint_weight))
        self._parameters = list(trained_parameters(model).values())
        self._unread: list[tuple[Phase, Tensor, Tensor]] = []

    def _restore(self, checkpoint: Checkpoint) -> None:
        self.progress = checkpoint.progress
        self._model.load_state_dict(dict(checkpoint.model))
        self._average.restore(checkpoint.average)
        self._best = checkpoint.best
        restore_moments(self._optimizer, self._model, checkpoint.optimizer)

    def run(self, log: RunLog) -> RpBert:
        """Train until the last epoch, or until patience ends.

        Returns:
            The averaged network of the best epoch.

        Raises:
            TrainingError: the loss is no number any more.
        """
        self._model.train()
        # Running statistics of single posts' pictures would be worse than ImageNet's.
        self._model.vision.eval()
        while self.progress.epoch <= self._settings.epochs:
            if self.progress.out_of_patience(self._settings.patience):
                log.say(f"no better epoch in {self._settings.patience}: the run ends early")
                break
            self._epoch(log)
        return with_weights(self._model, self._best)

    def _epoch(self, log: RunLog) -> None:
        """The rest of the epoch that the run is in, and the way to the next."""
        progress, order = self.progress, self._feed.order
        began = time.monotonic()
        batches = {
            phase: self._feed.batches(progress.epoch, phase, order[: progress.batch].count(phase))
            for phase in Phase
        }
        for phase in order[progress.batch :]:
            self._step(phase, next(batches[phase]))
            progress.batch += 1
            due = self.done % self._settings.checkpoint_steps == 0 and progress.batch < len(order)
            if due or len(self._unread) == _STEPS_BETWEEN_READINGS or progress.batch == len(order):
                self._read(log)
            if due:
                progress.seconds += time.monotonic() - began
                began = time.monotonic()
                self._save()
        self._end_epoch(log)
        progress.seconds += time.monotonic() - began
        self._save()

    def _step(self, phase: Phase, batch: RelationBatch | TaggingBatch) -> None:
        # Dropout and Gumbel noise follow from the step, so that a resumed run draws what it would have drawn.
        noise = (self._settings.seed, self.done, self._accelerator.process_index)
        torch.manual_seed(int(np.random.SeedSequence(noise).generate_state(1)[0]))
        self._model.gumbel_temperature = temperature(self.done, self.steps)
        loss = self._objective(batch)
        self._accelerator.backward(loss)
        norm = self._accelerator.clip_grad_norm_(self._parameters, self._settings.clip)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._schedule.step()
        self.done += 1
        self._average.update(self.done)
        self._unread.append((phase, loss.detach(), norm))

    def _read(self, log: RunLog) -> None:
        """Read the losses off the device, their mean over processes, and show them."""
        phases, losses, norms = zip(*self._unread, strict=True)
        mean_losses = self._accelerator.reduce(torch.stack(losses), "mean").tolist()
        self._unread.clear()
        read = [
            Step(self.progress.epoch, phase, loss, norm)
            for phase, loss, norm in zip(phases, mean_losses, torch.stack(norms).tolist(), strict=True)
        ]
        for number, step in enumerate(read, start=len(self.progress.steps) + 1):
            if not (math.isfinite(step.loss) and math.isfinite(step.gradient_norm)):
                raise TrainingError(
                    f"the {step.phase} loss is no number at step {number}: lower --encoder-rate and "
                    "--head-rate, or give --dtype float32"
                )
        self.progress.steps += read
        rates = {f"rate/{group['name']}": group["lr"] for group in self._optimizer.param_groups}
        log.steps(self.done, read, {**rates, "temperature": temperature(self.done - 1, self.steps)})

    def _end_epoch(self, log: RunLog) -> None:
        """Ask the development data; keep the weights if they are the best so far."""
        progress = self.progress
        judged: list[Epoch | None] = [None]
        if self._accelerator.is_main_process:
            candidate = with_weights(self._model, self._average.state())
            judged = [self._judge.epoch(progress.epoch, candidate)]
        (epoch,) = broadcast_object_list(judged)
        progress.epochs.append(epoch)
        if progress.best is epoch:
            self._best = {name: weight.cpu().clone() for name, weight in self._average.state().items()}
        of_epoch = [step for step in progress.steps if step.epoch == epoch.epoch]
        losses = {phase: [step.loss for step in of_epoch if step.phase is phase] for phase in Phase}
        log.epoch(self.done, epoch, {phase: float(np.mean(each)) for phase, each in losses.items() if each})
        progress.epoch, progress.batch = progress.epoch + 1, 0

    def _save(self) -> None:
        if self._accelerator.is_main_process:
            Checkpoint(
                self.progress,
                self._model.state_dict(),
                self._average.state(),
                self._best,
                moments(self._optimizer, self._model),
            ).save(self._folder, self._run)
