"""`rpbert`: the command line."""

from __future__ import annotations

import sys

import cyclopts
from cyclopts.config import Env
from pydantic import ValidationError
from rich.console import Console

from workers.errors import SetupError

_FAILED = 1
_MISUSED = 2
_INTERRUPTED = 130

app = cyclopts.App(
    name="rpbert",
    help=(
        "Tags people, places and organisations in posts with pictures, from Kafka to Kafka.\n\n"
        "A first look: `rpbert demo`. One post, no Kafka: `rpbert tag`. In service: `rpbert topics create`, "
        "then `rpbert worker`. Every flag is an environment variable too: `--group-id` is `RPBERT_GROUP_ID`."
    ),
    config=Env("RPBERT_", command=False),
    default_parameter=cyclopts.Parameter(negative=()),
    version_flags=["--version"],
)

_try = cyclopts.Group("Try it", sort_key=1)
_serve = cyclopts.Group("Serve", sort_key=2)
_build = cyclopts.Group("Build on it", sort_key=3)

# The modules are loaded when a command is called, so that `rpbert topics` need not wait for torch.
_COMMANDS = (
    ("demo", _try, "Start everything on this machine and watch sample posts come out tagged."),
    ("tag", _try, "Tag one text with its pictures, without Kafka."),
    ("topics", _serve, "Make the topics that the workers read and write."),
    ("worker", _serve, "Tag posts from Kafka to Kafka."),
    ("produce", _serve, "Produce the posts of a file."),
    ("tail", _serve, "Show results as they arrive."),
    ("local", _build, "Run Kafka and Redis on this machine, for development."),
    ("schemas", _build, "Print the wire formats as JSON Schema."),
    ("train", _build, "Train a release."),
)
for _name, _group, _help in _COMMANDS:
    _member = "app" if _name in {"topics", "local"} else _name
    app.command(f"workers.commands.{_name}:{_member}", name=_name, group=_group, help=_help)


def main() -> None:
    """Run the command line; exit status 0 done, 1 failed, 2 misused, 130 interrupted."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        app(exit_on_error=False, print_error=False)
    except SetupError as error:
        errors.print(f"rpbert: {error}", markup=False)
        sys.exit(_FAILED)
    except cyclopts.CycloptsError as error:
        errors.print(f"rpbert: {_sentence(error)}", markup=False)
        sys.exit(_MISUSED)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def _sentence(error: cyclopts.CycloptsError) -> str:
    cause = error.__cause__
    if not isinstance(cause, ValidationError):
        return str(error).strip()
    detail = cause.errors(include_url=False)[0]
    if detail["type"] == "value_error":
        return detail["msg"].removeprefix("Value error, ")
    field = next(str(part) for part in reversed(detail["loc"]) if isinstance(part, str))
    flag = "--" + field.replace("_", "-")
    command = " ".join(error.command_chain or ())
    return (
        f"{flag} (or RPBERT_{field.upper()}) is {detail['input']!r}: "
        f"{detail['msg'][0].lower()}{detail['msg'][1:]}; see `rpbert {command} --help`"
    )


if __name__ == "__main__":
    main()
