"""Errors that end a command, each one sentence that says what to change."""

from __future__ import annotations


class SetupError(Exception):
    """The command can't start or go on as it was asked to; the message is for the person who asked."""
