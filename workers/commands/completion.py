"""`rpbert completion`: what a shell needs to complete the command line."""

from __future__ import annotations

import sys
from typing import Final, Literal

# The library's script only defines the function, which zsh would call only from a file of the same name.
_ZSH_BEGINS: Final = """
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _cyclopts_rpbert "$@"
else
  compdef _cyclopts_rpbert rpbert
fi
"""


def completion(shell: Literal["bash", "zsh", "fish"], /) -> None:
    """Print what makes a shell complete commands, flags and their values.

    For example:

        rpbert completion bash > ~/.local/share/bash-completion/completions/rpbert

        rpbert completion zsh > "${fpath[1]}/_rpbert"

        source <(rpbert completion zsh)

        rpbert completion fish > ~/.config/fish/completions/rpbert.fish

    Args:
        shell: which one.
    """
    from workers.cli import app

    script = app.generate_completion(shell=shell)
    sys.stdout.write(script + _ZSH_BEGINS if shell == "zsh" else script)
