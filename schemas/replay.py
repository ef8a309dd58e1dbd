"""What tells that a dead letter was sent back: headers of the record, and a mark in `posts.dlq.replays`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import AwareDatetime, Field

from schemas.headers import InHeaders


class Replay(InHeaders):
    """One replay of one dead letter.

    The record that was sent bears it in headers `__rpbert.replay.*`, and keeps them if it becomes a dead
    letter again. In `posts.dlq.replays` it is a value in JSON; the key there is `ID:PARTITION:OFFSET:TO`,
    where ID is that of the dead letters' topic (KIP-516): a topic made anew begins anew.
    """

    header_prefix: ClassVar[str] = "__rpbert.replay."

    topic: str = Field(description="Topic of the dead letter.")
    partition: int = Field(ge=0, description="Partition of the dead letter.")
    offset: int = Field(ge=0, description="Offset of the dead letter.")
    to: str = Field(description="Topic that the record was sent to.")
    count: int = Field(ge=1, description="How often the record has been replayed, this time included.")
    replayed_at: AwareDatetime = Field(description="When it was sent.")
