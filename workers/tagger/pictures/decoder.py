"""Decodes pictures in processes of their own, where a hostile one holds up and ends nothing else."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from enum import StrEnum
from functools import partial
from multiprocessing import forkserver
from types import TracebackType
from typing import Final, Self

import structlog
from pebble import ProcessExpired, ProcessFuture, ProcessPool

from model.pictures import BrokenPicture, NotAPicture, PictureError, PictureTooLarge
from schemas import ImageStatus
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures.confined import begin, confine, decode_timed
from workers.tagger.pictures.picture import NoPicture, Pixels

_MEGABYTE: Final = 1_000_000
# A picture is handed to so many pools, one after the other, if they break.
_POOLS: Final = 3
# Between looks whether a pool that has not answered yet is still one.
_LOOK_SECONDS: Final = 0.5
_STATUS: Final[Mapping[type[PictureError], ImageStatus]] = {
    NotAPicture: ImageStatus.NOT_A_PICTURE,
    BrokenPicture: ImageStatus.BROKEN,
    PictureTooLarge: ImageStatus.TOO_LARGE,
}

_log = structlog.get_logger(__name__)


class End(StrEnum):
    """Why a decoding process ended before its time."""

    TIMEOUT = "timeout"
    CRASH = "crash"


def prepare_decoding() -> None:
    """Have the small process started that decoding ones are forked from; returns at once.

    On a busy machine it takes seconds to be ready. A worker calls this before it loads its release, so that
    no post waits for it with the rest of its partition.
    """
    # Not forked from the worker, whose other threads may hold locks.
    multiprocessing.get_context("forkserver").set_forkserver_preload([confine.__module__])
    forkserver.ensure_running()


class Decoder:
    """Processes that decode, begun before the first picture comes. Belongs to one event loop.

    A pool of pebble's breaks for good when a process ends that has nothing to do, as by the kernel's
    out-of-memory killer. Another takes its place, and what was handed to it is handed on.
    """

    def __init__(self, settings: PictureSettings, metrics: Metrics) -> None:
        prepare_decoding()
        self._settings: Final = settings
        self._pool = self._new_pool()
        # What is scheduled first starts the processes, which takes seconds on a busy machine: in this thread,
        # so that the loop turns meanwhile. It prolongs leases and keeps the time of every fetch.
        self._hand_over: Final = ThreadPoolExecutor(1, thread_name_prefix="decode")
        self._seconds: Final = metrics.stage_seconds.labels("decode")
        self._ends: Final = metrics.decoder_ends

    def __enter__(self) -> Self:
        self._hand_over.submit(self._pool.schedule, begin)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes; what they have under way is lost."""
        self._hand_over.shutdown(cancel_futures=True)
        _end(self._pool)

    async def decode(self, data: bytes) -> Pixels:
        """The pixels of a picture's bytes: `(224, 224, 3)`, read-only.

        Raises:
            NoPicture: it is none, or took more than a picture may take.
            BrokenProcessPool: no process could be kept to decode it.
        """
        try:
            pixels, seconds = await self._decode_by_any(data)
        except PictureError as error:
            raise NoPicture(_STATUS.get(type(error), ImageStatus.BROKEN)) from None
        except TimeoutError:
            self._ends.labels(End.TIMEOUT).inc()
            raise NoPicture(ImageStatus.TOO_LARGE) from None
        except ProcessExpired:
            self._ends.labels(End.CRASH).inc()
            raise NoPicture(ImageStatus.BROKEN) from None
        self._seconds.observe(seconds)
        # Pebble holds its last result until the next; what posts share is to end with the last of them.
        pixels = pixels.copy()
        pixels.flags.writeable = False
        return pixels

    async def _decode_by_any(self, data: bytes) -> tuple[Pixels, float]:
        """By the pool that there is, or by those that take its place."""
        for _ in range(_POOLS - 1):
            pool = self._pool
            try:
                return await self._decode_by(pool, data)
            except BrokenProcessPool:
                await self._replace(pool)
        return await self._decode_by(self._pool, data)

    async def _decode_by(self, pool: ProcessPool, data: bytes) -> tuple[Pixels, float]:
        schedule = partial(self._schedule, pool, data)
        task = await asyncio.get_running_loop().run_in_executor(self._hand_over, schedule)
        decoding = asyncio.wrap_future(task)
        try:
            while not decoding.done():
                await asyncio.wait({decoding}, timeout=_LOOK_SECONDS)
                # A pool that breaks forgets what was handed to it just then.
                if not (decoding.done() or pool.active):
                    raise BrokenProcessPool
            pixels, seconds = decoding.result()
        finally:
            decoding.cancel()
        return pixels, seconds

    def _schedule(self, pool: ProcessPool, data: bytes) -> ProcessFuture[tuple[Pixels, float]]:
        bounds = self._settings
        try:
            # The time counts from when a process begins with it, so that a queue fails nobody.
            return pool.schedule(decode_timed, args=[data, bounds.max_pixels], timeout=bounds.decode_timeout)
        except RuntimeError:
            # Pebble's word for a pool that is broken.
            raise BrokenProcessPool from None

    async def _replace(self, pool: ProcessPool) -> None:
        if self._pool is pool:
            self._pool = self._new_pool()
            self._ends.labels(End.CRASH).inc()
            _log.warning("a decoding process was ended from outside; all are started anew")
            await asyncio.get_running_loop().run_in_executor(self._hand_over, _end, pool)

    def _new_pool(self) -> ProcessPool:
        return ProcessPool(
            self._settings.decode_processes,
            initializer=confine,
            initargs=[self._settings.decode_max_memory_mb * _MEGABYTE],
            context=multiprocessing.get_context("forkserver"),
        )


def _end(pool: ProcessPool) -> None:
    pool.stop()  # type: ignore[no-untyped-call]
    pool.join()
