"""What a run shows while it goes: a bar on a terminal, lines elsewhere, and TensorBoard's scalars."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

from model.training.progress import Epoch, Phase, Step

_SECONDS_BETWEEN_LINES: Final = 10.0


class RunLog:
    """The log of one process; all but the first are silent.

    Args:
        directory: for TensorBoard; None writes nothing.
        console: where bar and lines go.
        steps: of the whole run.
        done: of them, when the run was resumed; later scalars of the broken run are hidden.
    """

    def __init__(self, directory: Path | None, console: Console, *, steps: int, done: int) -> None:
        self.console = console
        self._steps = steps
        self._losses: dict[Phase, float] = {}
        self._f1 = ""
        self._first = done
        self._began = self._last_line = time.monotonic()
        self._writer = None if directory is None else SummaryWriter(str(directory), purge_step=done + 1)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[losses]}"),
            TextColumn("[bold]{task.fields[f1]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=steps, completed=done, rate="", losses="", f1="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        if self._writer is not None:
            self._writer.close()

    def say(self, line: str) -> None:
        """Print a line, above the bar if there is one."""
        self.console.print(line, soft_wrap=True, markup=False, highlight=False)

    def steps(self, done: int, steps: Sequence[Step], scalars: Mapping[str, float]) -> None:
        """Show some steps that were made.

        Args:
            done: how many steps of the run are done, with these.
            steps: the latest of them.
            scalars: what else to draw over the last step, by name.
        """
        for number, step in enumerate(steps, start=done - len(steps) + 1):
            self._losses[step.phase] = step.loss
            self._scalar(f"loss/{step.phase}", step.loss, number)
            self._scalar("gradient norm", step.gradient_norm, number)
        for name, value in scalars.items():
            self._scalar(name, value, done)
        where = f"epoch {steps[-1].epoch} {steps[-1].phase}"
        losses = ", ".join(f"{phase} loss {loss:.3f}" for phase, loss in self._losses.items())
        now = time.monotonic()
        rate = f"{(done - self._first) / (now - self._began):.2f} steps/s"
        self._bar.update(self._task, description=where, completed=done, rate=rate, losses=losses, f1=self._f1)
        if not self.console.is_terminal and now - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = now
            self.say(f"{where}: step {done} of {self._steps}, {rate}, {losses}")

    def epoch(self, done: int, epoch: Epoch, losses: Mapping[Phase, float]) -> None:
        """Show what the development data said.

        Args:
            done: how many steps of the run are done.
            epoch: the judgement.
            losses: mean of each phase of the epoch.
        """
        figures = {f"dev F1/{file}": scores.conlleval.micro.f1 for file, scores in epoch.entities.items()}
        figures |= {f"relation AUC/{source}": auc for source, auc in epoch.relation_auc.items()}
        for name, value in figures.items():
            self._scalar(name, value, done)
        self._f1 = f"dev F1 {100 * epoch.f1:.1f}"
        means = ", ".join(f"{phase} loss {loss:.3f}" for phase, loss in losses.items())
        shown = ", ".join(f"{name.replace('/', ' ', 1)} {value:.4f}" for name, value in figures.items())
        self.say(f"epoch {epoch.epoch}: {means}; {shown}")

    def _scalar(self, name: str, value: float, step: int) -> None:
        if self._writer is not None:
            self._writer.add_scalar(name, value, step)
