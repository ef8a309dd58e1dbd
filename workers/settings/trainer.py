"""Settings of the trainer job."""

from __future__ import annotations

from pathlib import Path

from cyclopts import Parameter
from pydantic import Field

from workers.settings.base import Settings
from workers.settings.groups import RULE


@Parameter(name="*", group=RULE)
class RuleSettings(Settings):
    """What a candidate must come to beside the release in service; figures in 0-1."""

    f1_tolerance: float = Field(
        0.005, ge=0, le=1, description="Micro F1 that a candidate may lose on a development file."
    )
    type_tolerance: float = Field(
        0.1, ge=0, le=1, description="F1 that it may lose on one type of entity of a development file."
    )
    latency_factor: float = Field(
        1.25, ge=1, description="Time that it may take, as a multiple of that of the release in service."
    )


@Parameter(name="*")
class TrainerSettings(Settings):
    """Settings of `rpbert trainer`, beside those of training."""

    work: Path = Field(
        description="Directory of the run; a run that was killed is gone on with from here. Shared by all "
        "machines of a run."
    )
    channel: str = Field(
        "stable", min_length=1, description="Channel to publish to; it always starts from stable."
    )
    golden: tuple[Path, ...] = Field(
        (), description="File of posts that a release must tag exactly as they are annotated; repeatable."
    )
    held_out_share: float = Field(
        0.2, ge=0, lt=0.5, description="Share of the annotations, the newest, that judge and never train."
    )
    choosing_share: float = Field(
        0.1, ge=0, lt=0.5, description="Share, the next newest, that chooses the epoch beside --dev."
    )
    until_offsets: str | None = Field(
        None,
        pattern=r"^\d+:\d+(?:,\d+:\d+)*$",
        description="Read annotations up to these offsets, partition:offset separated by commas, as the "
        "card of a release states them; up to the topic's end if unset.",
    )
    signing_key: Path | None = Field(
        None, description="Private key in PEM to sign the release with, see `rpbert releases keygen`."
    )
    pushgateway: str | None = Field(
        None, min_length=1, description="URL of a Prometheus Pushgateway that takes the metrics of the run."
    )
    rule: RuleSettings = RuleSettings()
