"""The doctor's findings for a person, a pipe, or a program."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from json import dumps
from typing import Final

from fsspec.callbacks import Callback
from rich.console import Console
from rich.filesize import decimal
from rich.status import Status
from rich.table import Table
from rich.text import Text

from workers import kafka_clients
from workers.doctor.finding import Check, Finding, Verdict
from workers.doctor.full import examine
from workers.render import plain
from workers.settings import WorkerSettings

_STYLES: Final = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red"}
_LOOKING: Final = "looking"
_CHECK_CELLS: Final = max(len(check.value) for check in Check)


def examine_and_print(settings: WorkerSettings, picture_url: str | None, *, as_json: bool) -> bool:
    """Look at everything and print what is found.

    Returns:
        Whether nothing fails.
    """
    console = Console(highlight=False)
    # On the console of the findings, so that they go above it.
    looking = console.status(_LOOKING)
    progress = Callback(hooks={"status": partial(_show_fetch, looking)})
    shown = looking if console.is_terminal and not as_json else nullcontext()
    with shown, kafka_clients.told_by_us():
        findings = list(_told(examine(settings, picture_url, progress), None if as_json else console))
    counts = Counter(finding.verdict for finding in findings)
    passes = not counts[Verdict.FAIL]
    if as_json:
        content = {"passes": passes, "findings": [asdict(finding) for finding in findings]}
        sys.stdout.write(dumps(content) + "\n")
    else:
        notes = Console(stderr=True, highlight=False)
        notes.print(", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict), markup=False)
    return passes


def _show_fetch(looking: Status, size: int, value: int, **_: object) -> None:
    far = f"fetching the release: {decimal(value)} of {decimal(size)}"
    looking.update(far if value < size else _LOOKING)


def _told(findings: Iterable[Finding], console: Console | None) -> Iterable[Finding]:
    for finding in findings:
        if console is not None:
            _tell(console, finding)
        yield finding


def _tell(console: Console, finding: Finding) -> None:
    says, do = plain(finding.says), plain(finding.do)
    if not console.is_terminal:
        # Not by rich, which makes spaces of tabs.
        sys.stdout.write(f"{finding.verdict.value}\t{finding.check.value}\t{says}\t{do}\n")
        return
    line = Table.grid(padding=(0, 1))
    line.add_column(width=4)
    line.add_column(width=_CHECK_CELLS)
    line.add_column(ratio=1, overflow="fold")
    body = Text(says)
    if do:
        body.append(f"\n→ {do}", style="bold")
    line.add_row(Text(finding.verdict.value, style=_STYLES[finding.verdict]), finding.check.value, body)
    console.print(line)
