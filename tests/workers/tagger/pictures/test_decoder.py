import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
import pytest
from pebble import ProcessPool

from model.pictures import decode
from schemas import ImageStatus
from tests.workers.tagger.pictures import bad_decoders
from tests.workers.tagger.pictures.picture_bytes import avif_of_size, good
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures import decoder as decoder_module
from workers.tagger.pictures.decoder import Decoder
from workers.tagger.pictures.picture import NoPicture

Count = Callable[..., float]
MakeSettings = Callable[..., PictureSettings]


async def status(decoder: Decoder, data: bytes) -> ImageStatus:
    try:
        await decoder.decode(data)
    except NoPicture as lost:
        return lost.status
    return ImageStatus.OK


async def test_pixels_are_those_of_the_one_decoder(
    settings: MakeSettings, metrics: Metrics, count: Count
) -> None:
    with Decoder(settings(), metrics) as decoder:
        pixels = await decoder.decode(good())
    assert np.array_equal(pixels, decode(good()))
    with pytest.raises(ValueError, match="read-only"):
        pixels[0, 0, 0] = 1
    assert count("stage_duration_seconds_count", stage="decode") == 1


def test_its_processes_are_there_before_the_first_picture(settings: MakeSettings, metrics: Metrics) -> None:
    """A post that waited for them held up its whole partition, for seconds on a busy machine."""
    before = set(multiprocessing.active_children())
    with Decoder(settings(decode_processes=2), metrics):
        end = monotonic() + 60
        while len(set(multiprocessing.active_children()) - before) < 2 and monotonic() < end:
            sleep(0.05)
        assert len(set(multiprocessing.active_children()) - before) == 2


async def test_the_loop_turns_while_the_processes_begin(
    settings: MakeSettings, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    turned = threading.Event()
    schedule = ProcessPool.schedule

    def slowly(*args: Any, **kwargs: Any) -> Any:
        assert turned.wait(60), "the loop stood still"
        return schedule(*args, **kwargs)

    monkeypatch.setattr(ProcessPool, "schedule", slowly)
    with Decoder(settings(), metrics) as decoder:
        decoding = asyncio.create_task(status(decoder, good()))
        await asyncio.sleep(0)
        turned.set()
        assert await decoding is ImageStatus.OK


@pytest.mark.attack("a picture that ends its decoder (crash)", "broken; the next picture is decoded")
async def test_a_crash_costs_one_picture(
    settings: MakeSettings, metrics: Metrics, count: Count, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Decoder(settings(), metrics) as decoder:
        monkeypatch.setattr(decoder_module, "decode_timed", bad_decoders.crashes)
        assert await status(decoder, good()) is ImageStatus.BROKEN
        monkeypatch.undo()
        assert await status(decoder, good()) is ImageStatus.OK
    # On a busy machine pebble may see a process end before it reads that it had begun, and takes its pool for
    # broken: the picture is tried again, and ends another.
    assert count("image_decoder_ends_total", reason="crash") >= 1


@pytest.mark.parametrize("seconds", [0, 1])
async def test_processes_that_are_killed_with_nothing_to_do_cost_no_picture(
    settings: MakeSettings, metrics: Metrics, count: Count, seconds: float
) -> None:
    """As by the kernel's out-of-memory killer: pebble's pool is broken for good then."""
    before = set(multiprocessing.active_children())
    with Decoder(settings(decode_processes=2), metrics) as decoder:
        assert await status(decoder, good()) is ImageStatus.OK
        for process in set(multiprocessing.active_children()) - before:
            process.kill()
        await asyncio.sleep(seconds)
        waiting = [asyncio.create_task(status(decoder, good())) for _ in range(20)]
        assert await asyncio.gather(*waiting) == [ImageStatus.OK] * 20
    assert count("image_decoder_ends_total", reason="crash") == 1


async def test_processes_that_cannot_begin_are_an_error_for_each_picture(
    settings: MakeSettings, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder_module, "confine", bad_decoders.ends_at_once)
    with Decoder(settings(), metrics) as decoder:
        waiting = [asyncio.create_task(decoder.decode(good())) for _ in range(3)]
        found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in found] == [BrokenProcessPool] * 3


@pytest.mark.attack("a picture that takes for ever to decode", "too_large; the next picture is decoded")
async def test_a_picture_that_takes_too_long_is_given_up(
    settings: MakeSettings, metrics: Metrics, count: Count, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Decoder(settings(decode_timeout=0.5), metrics) as decoder:
        monkeypatch.setattr(decoder_module, "decode_timed", bad_decoders.hangs)
        waiting = [asyncio.create_task(status(decoder, good())) for _ in range(3)]
        assert await asyncio.gather(*waiting) == [ImageStatus.TOO_LARGE] * 3
    monkeypatch.undo()
    assert count("image_decoder_ends_total", reason="timeout") == 3
    with Decoder(settings(), metrics) as decoder:
        assert await status(decoder, good()) is ImageStatus.OK


@pytest.mark.attack(
    "AVIF of 64 x 64 by its container and 7,000 x 7,000 by its frame",
    "no picture under a memory limit of 64 MB; the next is decoded",
)
async def test_a_picture_that_lies_about_its_size_gets_no_more_memory_than_it_may(
    settings: MakeSettings, metrics: Metrics
) -> None:
    liar = avif_of_size((7_000, 7_000), (64, 64))
    with Decoder(settings(decode_max_memory_mb=64), metrics) as decoder:
        assert await status(decoder, liar) in {ImageStatus.BROKEN, ImageStatus.TOO_LARGE}
        assert await status(decoder, good("AVIF")) is ImageStatus.OK
    with Decoder(settings(), metrics) as decoder:
        assert await status(decoder, liar) is ImageStatus.OK


async def test_a_bug_of_ours_in_a_process_is_an_error_here(
    settings: MakeSettings, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Decoder(settings(), metrics) as decoder:
        with pytest.raises(AttributeError):
            await decoder.decode(None)  # type: ignore[arg-type]
        assert await status(decoder, good()) is ImageStatus.OK


_PROGRAM = """
import asyncio, multiprocessing, sys
from tests.workers.tagger.pictures.picture_bytes import good
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures.decoder import Decoder

if __name__ == "__main__":
    with Decoder(PictureSettings(), Metrics()) as decoder:
        asyncio.run(decoder.decode(good()))
        print(*(process.pid for process in multiprocessing.active_children()), flush=True)
        sys.stdin.read()
"""


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM])
def test_no_process_outlives_its_worker(tmp_path: Path, by: signal.Signals) -> None:
    program = tmp_path / "program.py"
    program.write_text(_PROGRAM, "utf-8")
    worker = subprocess.Popen(
        [sys.executable, str(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )
    with worker:
        assert worker.stdout is not None
        processes = [int(process) for process in worker.stdout.readline().split()]
        assert len(processes) == 2
        assert all(_lives(process) for process in processes)
        worker.send_signal(by)
    end = monotonic() + 60
    while any(_lives(process) for process in processes) and monotonic() < end:
        sleep(0.1)
    assert not any(_lives(process) for process in processes)
