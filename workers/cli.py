"""`rpbert`: the command line."""

from __future__ import annotations

import sys

import cyclopts
from cyclopts.config import Env
from pydantic import ValidationError
from rich.console import Console

from workers.commands.annotate import annotate
from workers.commands.bench import app as bench
from workers.commands.data import app as data
from workers.commands.demo import demo
from workers.commands.dlq import app as dlq
from workers.commands.doctor import doctor
from workers.commands.evaluate import evaluate
from workers.commands.explain import explain
from workers.commands.groups import BUILD, SERVE, TRY
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

app = cyclopts.App(
    name="rpbert",
    help_format="markdown",
    help=(
        "Tags people, places and organisations in posts with pictures, from Kafka to Kafka.\n\n"
        "A first look: `rpbert demo`. One post, no Kafka: `rpbert tag`. In service: `rpbert topics create`, "
        "then `rpbert worker`. Every flag is an environment variable too: `--group-id` is `RPBERT_GROUP_ID`."
    ),
    config=Env("RPBERT_", command=False),
    default_parameter=cyclopts.Parameter(negative=()),
    version_flags=["--version"],
)

app.command(demo, group=TRY)
app.command(tag, group=TRY)
app.command(topics)
app.command(doctor, group=SERVE)
app.command(worker, group=SERVE)
app.command(produce, group=SERVE)
app.command(tail, group=SERVE)
app.command(viewer, group=SERVE)
app.command(annotate, group=SERVE)
app.command(dlq)
app.command(releases)
app.command(local)
app.command(data)
app.command(evaluate, group=BUILD)
app.command(explain, group=BUILD)
app.command(train, group=BUILD)
app.command(trainer, group=BUILD)
app.command(bench)
app.command(schemas, group=BUILD)


def main() -> None:
    """Run the command line; exit status 0 done, 1 failed, 2 misused, 130 interrupted; some have their own."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        app(sys.argv[1:], exit_on_error=False, print_error=False)
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
