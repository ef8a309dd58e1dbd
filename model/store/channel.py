"""Channels: what `stable` or `candidate` points to now, what it pointed to before, and why it changed."""

from __future__ import annotations

from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from model.manifest import ReleaseError
from model.store.reference import ReleaseId

# Changes that a channel remembers; far more than anyone rolls back.
_REMEMBERED: Final = 100


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Change(_Stored):
    """When something was done, by whom and why."""

    at: AwareDatetime
    by: str
    reason: str


class Entry(_Stored):
    """One release that a channel was pointed at, and whether that was taken back."""

    name: str
    version: str
    manifest_sha256: str
    pointed: Change
    withdrawn: Change | None = None

    @property
    def release(self) -> ReleaseId:
        """Which release it is."""
        return ReleaseId(self.name, self.version)


class Channel(_Stored):
    """A channel, oldest entry first: it points to the last entry that wasn't taken back.

    Pointer and history are one small file, so that one write changes both.
    """

    entries: tuple[Entry, ...] = Field(default=())

    @property
    def current(self) -> Entry | None:
        """What the channel points to."""
        return next((entry for entry in reversed(self.entries) if entry.withdrawn is None), None)

    @property
    def previous(self) -> Entry | None:
        """Where a rollback would lead: the last other release that wasn't taken back."""
        if (current := self.current) is None:
            return None
        return next(
            (
                entry
                for entry in reversed(self.entries)
                if entry.withdrawn is None and entry.release != current.release
            ),
            None,
        )

    @property
    def withdrawn(self) -> tuple[Entry, ...]:
        """What was taken back for the sake of the present pointer, oldest first."""
        if (current := self.current) is None:
            return ()
        return self.entries[self.entries.index(current) + 1 :]

    def pointed(self, entry: Entry, *, again: bool) -> Channel:
        """The channel pointed at a release; as it is, if it points there already.

        Args:
            entry: what to point at.
            again: also if the release was taken back before.

        Raises:
            ReleaseError: it was taken back before.
        """
        current = self.current
        if current is not None and (current.release, current.manifest_sha256) == (
            entry.release,
            entry.manifest_sha256,
        ):
            return self
        for old in self.entries:
            if not again and old.release == entry.release and old.withdrawn is not None:
                raise ReleaseError(
                    f"{entry.release} was rolled back on {old.withdrawn.at:%Y-%m-%d} by {old.withdrawn.by} "
                    f"({old.withdrawn.reason}); publish a mended one under another version, or add --again"
                )
        return Channel(entries=(*self.entries, entry)[-_REMEMBERED:])

    def rolled_back(self, change: Change) -> Channel:
        """The channel pointed at the release before; every entry of the present one is taken back.

        Raises:
            ReleaseError: there is none before.
        """
        current, previous = self.current, self.previous
        if current is None or previous is None:
            raise ReleaseError(
                "there is no earlier release to roll back to; publish one by its name, "
                "see `rpbert releases list`"
            )
        return Channel(
            entries=tuple(
                entry.model_copy(update={"withdrawn": change})
                if entry.withdrawn is None and entry.release == current.release
                else entry
                for entry in self.entries
            )
        )
