"""What no picture does to the decoder as far as we know; a decoding process imports this."""

import os
import signal
import time


def crashes(data: bytes, max_pixels: int) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def hangs(data: bytes, max_pixels: int) -> None:
    time.sleep(600)


def ends_at_once(memory: int) -> None:
    os._exit(1)
