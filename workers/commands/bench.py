"""`rpbert bench`: what it costs, measured on this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from cyclopts import App

from workers.errors import SetupError

_CLONE: Final = Path(__file__).parents[2]

# Import paths rather than imports: the layers know nothing of `bench/`, and the wheel is without it.
_BENCHES: Final = (
    (
        "bench.model:model",
        (
            "What the network costs, against the plain way and the machine's limits.\n\n"
            "For example:\n\n    rpbert bench model --posts 32 --turns 2 --output figures"
        ),
    ),
    (
        "bench.pictures:pictures",
        (
            "What pictures cost: each stage, the hit path, streams with reposts.\n\n"
            "For example:\n\n    rpbert bench pictures --count 64 --output figures"
        ),
    ),
    (
        "bench.stages:stages",
        (
            "What each stage of the way costs a post, in CPU time.\n\n"
            "For example:\n\n    rpbert bench stages --posts 600 --output figures"
        ),
    ),
    (
        "bench.pipeline:pipeline",
        (
            "Posts a second from Kafka to Kafka, against the bare model; --stand-in has no model.\n\n"
            "For example:\n\n    rpbert bench pipeline --posts 300 --output figures"
        ),
    ),
    (
        "bench.latency:latency",
        (
            "How long a post takes from Kafka to Kafka, by the load.\n\n"
            "For example:\n\n    rpbert bench latency --loads 10 --loads 70 --output figures"
        ),
    ),
    (
        "bench.padding:padding",
        (
            "How much of what is computed is padding, by the rule that makes the batches; counted.\n\n"
            "For example:\n\n    rpbert bench padding --posts 5000 --output figures"
        ),
    ),
    (
        "bench.peers.compare:peers",
        (
            "The worker against a plain loop, Quix Streams and Faust; `make bench-peers` installs them.\n\n"
            "For example:\n\n    rpbert bench peers --only rpbert --only loop --output figures"
        ),
    ),
    (
        "bench.scale:scale",
        (
            "More workers over the same partitions, with an engine that sleeps.\n\n"
            "For example:\n\n    rpbert bench scale --posts 200 --output figures"
        ),
    ),
)

app = App(
    name="bench",
    help="Measure what it costs on this machine; writes to `bench/results/`. From a clone only: the wheel is "
    "without `bench/`.",
)

if (_CLONE / "bench" / "__init__.py").exists():
    # An editable install finds the packages of the wheel alone.
    sys.path.append(str(_CLONE))
    for _number, (_function, _help) in enumerate(_BENCHES):
        app.command(_function, name=_function.rpartition(":")[2], help=_help, sort_key=_number)
else:

    @app.default
    def _not_here(*_: str) -> None:
        raise SetupError("rpbert bench runs from a clone: clone the repository, `make bench` there")
