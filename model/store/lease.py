"""A place in a store that one process has at a time, and that is free again soon after its holder's death."""

from __future__ import annotations

import time
from contextlib import suppress
from threading import Event, Thread
from types import TracebackType
from typing import Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from model.manifest import ReleaseError
from model.store.files import StoreFiles

BEAT_SECONDS: Final = 15.0
SILENCE_SECONDS: Final = 90.0
_BYTES: Final = 64 * 1024


class Holder(BaseModel):
    """Who holds a place; stands in its file.

    Attributes:
        identity: Of the holder; the same after it was killed and started again.
        by: Who it is, for a person.
        since: When it began.
        beats: Counts up while it lives.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    identity: str
    by: str
    since: AwareDatetime
    beats: int = 0


class Lease:
    """Holds a place for as long as the context lasts.

    The holder writes its file anew every beat. Who finds another's watches it for a while: one that changes
    is of somebody alive, one that does not is of somebody dead. So no two clocks are compared. Stores know no
    compare-and-swap, so of two that take a dead one's place at the same moment both begin, and the earlier
    learns by `require` that it has lost.
    """

    def __init__(
        self,
        files: StoreFiles,
        key: str,
        holder: Holder,
        *,
        beat: float = BEAT_SECONDS,
        silence: float = SILENCE_SECONDS,
    ) -> None:
        """Nothing is asked yet.

        Args:
            files: of the store.
            key: the place's file.
            holder: who wants it.
            beat: seconds between two signs of life.
            silence: seconds without one that mean death.
        """
        self._files = files
        self._key = key
        self._holder = holder
        self._beat = beat
        self._silence = silence
        self._over = Event()
        self._thread = Thread(target=self._live, name="lease", daemon=True)

    def __enter__(self) -> Self:
        """Take the place; a holder's own is taken at once, another's when it has been silent.

        Raises:
            ReleaseError: another is alive, or the store doesn't answer.
        """
        self._wait_for_silence()
        self._write()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        with suppress(ReleaseError):
            # Whoever comes next sees silence then, and takes it a little later.
            if self._is_ours():
                self._files.remove(self._key)

    def require(self) -> None:
        """See that the place is still held, before something is done that only its holder may do.

        Raises:
            ReleaseError: another has taken it, or the store doesn't answer.
        """
        if not self._is_ours():
            raise ReleaseError(
                f"{self._files.url}/{self._key} was taken by another, who found this run silent for long; "
                "let that one finish"
            )

    def _wait_for_silence(self) -> None:
        first = self._read()
        deadline = time.monotonic() + self._silence
        while (there := self._read()) is not None and there.identity != self._holder.identity:
            if there != first:
                raise ReleaseError(
                    f"{there.by} is at it since {there.since:%Y-%m-%d %H:%M} UTC, see "
                    f"{self._files.url}/{self._key}; let it finish"
                )
            if time.monotonic() >= deadline:
                return
            time.sleep(min(self._beat, self._silence) / 5)

    def _live(self) -> None:
        while not self._over.wait(self._beat):
            # A store that is away for a moment is no reason to end a run.
            with suppress(ReleaseError):
                if not self._is_ours():
                    return
                self._holder = self._holder.model_copy(update={"beats": self._holder.beats + 1})
                self._write()

    def _is_ours(self) -> bool:
        there = self._read()
        return there is not None and there.identity == self._holder.identity

    def _write(self) -> None:
        self._files.write(self._key, self._holder.model_dump_json().encode() + b"\n")

    def _read(self) -> Holder | None:
        content = self._files.read(self._key, at_most=_BYTES)
        if content is None:
            return None
        try:
            return Holder.model_validate_json(content)
        except ValidationError:
            raise ReleaseError(
                f"{self._files.url}/{self._key} is none of this version's; if no trainer runs, remove it"
            ) from None
