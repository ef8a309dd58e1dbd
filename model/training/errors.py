"""What stops a run, in one sentence."""

from __future__ import annotations


class TrainingError(Exception):
    """A run can't start or go on; the message names what is wrong and says what to do."""
