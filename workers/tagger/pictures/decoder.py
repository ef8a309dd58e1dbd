"""Decodes pictures in processes of their own, where a hostile one holds up and ends nothing else."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from functools import partial
from multiprocessing import forkserver
from types import TracebackType
from typing import Final, Self

from pebble import ProcessExpired, ProcessPool

from model.pictures import BrokenPicture, NotAPicture, PictureError, PictureTooLarge
from schemas import ImageStatus
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures.confined import begin, confine, decode_timed
from workers.tagger.pictures.picture import NoPicture, Pixels

_MEGABYTE: Final = 1_000_000
_STATUS: Final[Mapping[type[PictureError], ImageStatus]] = {
    NotAPicture: ImageStatus.NOT_A_PICTURE,
    BrokenPicture: ImageStatus.BROKEN,
    PictureTooLarge: ImageStatus.TOO_LARGE,
}


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
    """Processes that decode, begun before the first picture comes. Belongs to one event loop."""

    def __init__(self, settings: PictureSettings, metrics: Metrics) -> None:
        prepare_decoding()
        self._pool: Final = ProcessPool(
            settings.decode_processes,
            initializer=confine,
            initargs=[settings.decode_max_memory_mb * _MEGABYTE],
            context=multiprocessing.get_context("forkserver"),
        )
        # What is scheduled first starts the processes, which takes seconds on a busy machine: in this thread,
        # so that the loop turns meanwhile. It prolongs leases and keeps the time of every fetch.
        self._hand_over: Final = ThreadPoolExecutor(1, thread_name_prefix="decode")
        self._max_pixels: Final = settings.max_pixels
        self._timeout: Final = settings.decode_timeout
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
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()

    async def decode(self, data: bytes) -> Pixels:
        """The pixels of a picture's bytes: `(224, 224, 3)`, read-only.

        Raises:
            NoPicture: it is none, or took more than a picture may take.
        """
        # The time counts from when a process begins with it, so that a queue fails nobody.
        schedule = partial(
            self._pool.schedule, decode_timed, args=[data, self._max_pixels], timeout=self._timeout
        )
        task = await asyncio.get_running_loop().run_in_executor(self._hand_over, schedule)
        try:
            pixels, seconds = await asyncio.wrap_future(task)
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
