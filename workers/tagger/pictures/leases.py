"""Who of all workers is at a picture: a key in Redis that lapses by itself.

    rpbert:flight:{backbone}:{identity}    the worker that fetches this URL or describes this content

Nobody removes a lease. Who waits for the holder sees what it has found; and a holder that has found nothing,
or died, has its lease lapse. So no script is needed, and no right to run one. A lease spares work, nothing
hangs on it: two workers at the same picture write the same bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from secrets import token_hex
from typing import Final
from weakref import ref

from workers.tagger.pictures.picture import Pixels
from workers.tagger.pictures.round_trips import RoundTrips

# So long others wait for a worker that died, and so long a worker may be stalled that did not.
LEASE_MS: Final = 5_000
_PROLONG_SECONDS: Final = 1.0


class Leases:
    """The leases of one worker."""

    def __init__(self, round_trips: RoundTrips, backbone: str) -> None:
        self._round_trips: Final = round_trips
        # What a worker with another backbone finds is of no use to this one.
        self._backbone: Final = backbone
        # Tells an operator who holds a lease; a process of its own for each worker, so no two are alike.
        self._holder: Final = token_hex(8).encode()
        # With the pixels that are to be described, once there are some: the lease ends with them.
        self._held: Final[dict[bytes, ref[Pixels] | None]] = {}

    async def take(self, identity: str) -> bool:
        """Whether this worker is to do it: it has the lease now, or Redis can't tell.

        False while another worker is at it.
        """
        key = self._key(identity)
        if key in self._held or not self._round_trips.writable:
            return True
        answers = await self._round_trips.ask([("SET", key, self._holder, "NX", "PX", LEASE_MS)])
        if answers is None or isinstance(answers[0], Exception):
            return True
        if answers[0] is None:
            return False
        self._held[key] = None
        return True

    def keep(self, identities: Sequence[str], pixels: Pixels) -> None:
        """Prolong leases as long as a post holds these pixels, which are to be described."""
        for key in map(self._key, identities):
            if key in self._held:
                self._held[key] = ref(pixels)

    def leave(self, identity: str) -> None:
        """Prolong a lease no more."""
        self._held.pop(self._key(identity), None)

    async def run(self) -> None:
        """Prolong what is held, for ever; run it as a task."""
        while True:
            await asyncio.sleep(_PROLONG_SECONDS)
            for key, pixels in list(self._held.items()):
                if pixels is not None and pixels() is None:
                    del self._held[key]
                else:
                    # One that lapsed and was taken by another is prolonged for that one: no harm.
                    self._round_trips.write(("PEXPIRE", key, LEASE_MS))

    def _key(self, identity: str) -> bytes:
        return f"rpbert:flight:{self._backbone}:{identity}".encode()
