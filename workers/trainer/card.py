"""What the card of a release says of the run that made it."""

from __future__ import annotations

from typing import Final

from workers.trainer.record import Judgement, Record

_TEMPLATE: Final = """
## Trained on from {incumbent}

By `rpbert trainer`, run {run}, from the release whose manifest has the SHA-256 `{sha256}`, on the gold data
above and on {train} annotations of `{topic}`, read up to `--until-offsets {until}`. The {choosing} newer
ones chose the epoch, the {held_out} newest were held out to judge. SHA-256 over all of them: `{annotations}`.

| it was published since | {incumbent} | this | bound |
| --- | --- | --- | --- |
{checks}
"""


def section(record: Record, judgement: Judgement) -> str:
    """Lineage and figures, Markdown."""
    lineage = record.lineage
    return _TEMPLATE.format(
        incumbent=record.incumbent.release,
        run=record.run,
        sha256=record.incumbent.manifest_sha256,
        topic=lineage.topic,
        until=lineage.until_offsets,
        train=lineage.train,
        choosing=lineage.choosing,
        held_out=lineage.held_out,
        annotations=lineage.sha256,
        checks="\n".join(
            f"| {check.name} | {check.incumbent:.4g} | {check.candidate:.4g} | {check.bound} |"
            for check in judgement.checks
        ),
    )
