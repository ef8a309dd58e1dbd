"""`rpbert`: the command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from enum import Enum
from typing import Final

import cyclopts
from cyclopts.config import Env
from pydantic import ValidationError
from rich.console import Console

from workers.commands.annotate import annotate
from workers.commands.bench import app as bench
from workers.commands.completion import completion
from workers.commands.data import app as data
from workers.commands.demo import demo
from workers.commands.dlq import app as dlq
from workers.commands.doctor import doctor
from workers.commands.evaluate import evaluate
from workers.commands.explain import explain
from workers.commands.groups import BUILD, MEND, SERVE, SET_UP, SHELL, TRY
from workers.commands.local import app as local
from workers.commands.produce import produce
from workers.commands.releases import app as releases
from workers.commands.schemas import schemas
from workers.commands.tag import tag
from workers.commands.tail import tail
from workers.commands.topics import app as topics
from workers.commands.train import train
from workers.commands.trainer import trainer
from workers.commands.viewer import viewer
from workers.commands.worker import worker
from workers.errors import SetupError

_FAILED = 1
_MISUSED = 2
_INTERRUPTED = 130


def _shown(default: object) -> str | None:
    """A default as it would be typed; None for one that says nothing."""
    match default:
        case None | False | () | "":
            return None
        case Enum():
            return default.name.lower().replace("_", "-")
        case tuple():
            return ", ".join(map(str, default))
        case _:
            return str(default)


app = cyclopts.App(
    name="rpbert",
    help_format="markdown",
    help=(
        "Tags people, places and organisations in posts with pictures, from Kafka to Kafka.\n\n"
        "A first look: `rpbert demo`. One post, no Kafka: `rpbert tag`. In service: `rpbert topics create`, "
        "`rpbert doctor`, then `rpbert worker`. `rpbert COMMAND --help` has examples. Every flag is an "
        "environment variable too: `--group-id` is `RPBERT_GROUP_ID`."
    ),
    help_epilogue=(
        "Exit status: 0 done, 1 failed, 2 misused, 130 interrupted; `rpbert trainer` also 3, refused. "
        "Results go to standard output, errors to standard error. In a pipe there are no colours, and tables "
        "are lines with tabs; `--json` is for programs."
    ),
    config=Env("RPBERT_", command=False),
    default_parameter=cyclopts.Parameter(negative=(), show_default=_shown),
    version_flags=["--version"],
)

for _flag in ("--help", "--version"):
    app[_flag].group = SHELL

# In each section in this order, which is that of a first acquaintance.
_TOUR: Final[tuple[tuple[Callable[..., None] | cyclopts.App, cyclopts.Group], ...]] = (
    (demo, TRY),
    (tag, TRY),
    (local, SET_UP),
    (topics, SET_UP),
    (doctor, SET_UP),
    (worker, SERVE),
    (produce, SERVE),
    (tail, SERVE),
    (viewer, SERVE),
    (dlq, MEND),
    (releases, MEND),
    (annotate, MEND),
    (trainer, MEND),
    (data, BUILD),
    (train, BUILD),
    (evaluate, BUILD),
    (explain, BUILD),
    (bench, BUILD),
    (schemas, BUILD),
    (completion, SHELL),
)
for _number, (_command, _group) in enumerate(_TOUR):
    if isinstance(_command, cyclopts.App):
        _command.group, _command.sort_key = _group, _number
        app.command(_command)
    else:
        app.command(_command, group=_group, sort_key=_number)


def main() -> None:
    """Run the command line; the help of `rpbert` tells what the exit status says."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        try:
            app(sys.argv[1:], exit_on_error=False, print_error=False)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Who reads has seen enough, as `head` has. The interpreter flushes once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_FAILED)
    except SetupError as error:
        errors.print(f"rpbert: {error}", markup=False)
        sys.exit(_FAILED)
    except cyclopts.CycloptsError as error:
        errors.print(f"rpbert: {_sentence(error)}", markup=False)
        sys.exit(_MISUSED)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def _sentence(error: cyclopts.CycloptsError) -> str:
    cause, help_of = error.__cause__, " ".join(["rpbert", *(error.command_chain or ()), "--help"])
    if isinstance(error, cyclopts.MissingArgumentError):
        return f"{str(error).strip().rstrip('.')}; see `{help_of}`"
    if not isinstance(cause, ValidationError):
        return str(error).strip()
    detail = cause.errors(include_url=False)[0]
    if detail["type"] == "value_error":
        return detail["msg"].removeprefix("Value error, ")
    field = next(str(part) for part in reversed(detail["loc"]) if isinstance(part, str))
    flag = "--" + field.replace("_", "-")
    return (
        f"{flag} (or RPBERT_{field.upper()}) is {detail['input']!r}: "
        f"{detail['msg'][0].lower()}{detail['msg'][1:]}; see `{help_of}`"
    )


if __name__ == "__main__":
    main()
