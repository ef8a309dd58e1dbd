"""Ctrl-C for the processes that tests start."""

import signal


def heed_interrupts() -> None:
    """Run in a child before its program: a shell's background job ignores SIGINT, and so would the child."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
