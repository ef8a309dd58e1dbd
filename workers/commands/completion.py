"""`rpbert completion`: what a shell needs to complete the command line."""

from __future__ import annotations

import sys
from typing import Literal


def completion(shell: Literal["bash", "zsh", "fish"], /) -> None:
    """Print what makes a shell complete commands, flags and their values.

    For example:

        rpbert completion bash > ~/.local/share/bash-completion/completions/rpbert

        rpbert completion zsh > "${fpath[1]}/_rpbert"

        rpbert completion fish > ~/.config/fish/completions/rpbert.fish

    Args:
        shell: which one.
    """
    from workers.cli import app

    sys.stdout.write(app.generate_completion(shell=shell))
