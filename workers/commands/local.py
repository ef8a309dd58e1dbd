"""`rpbert local`: Kafka and Redis on one's own machine."""

from __future__ import annotations

import signal
import sys
from json import dumps
from threading import Event
from typing import Annotated

from cyclopts import App, Parameter, validators
from rich.console import Console

from workers import kafka_clients
from workers.errors import SetupError
from workers.settings import KafkaSettings
from workers.topics import create_topics

app = App(
    name="local",
    help="Apache Kafka, Valkey and a picture host on this machine, for development.",
)


@app.command
def up(
    *, partitions: Annotated[int, Parameter(validator=validators.Number(gte=1))] = 4, json: bool = False
) -> None:
    """Start Apache Kafka, Valkey and a picture host on loopback, make the topics, and stay until Ctrl-C.

    Prints the settings that lead a worker there, as lines to paste into a shell.

    For example:

        rpbert local up

    Args:
        partitions: partitions of each topic.
        json: print the settings as one JSON object instead.
    """
    from workers.local.errors import LocalServiceError

    console = Console(stderr=True, highlight=False)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _stay(console, partitions, as_json=json)
    except KeyboardInterrupt:
        console.print("Stopped.")
    except LocalServiceError as error:
        raise SetupError(str(error)) from error


def _stay(console: Console, partitions: int, *, as_json: bool) -> None:
    from workers.local.services import LocalServices

    with LocalServices.start(progress=console.print) as services:
        settings = KafkaSettings(bootstrap_servers=services.kafka.bootstrap_servers)
        client = kafka_clients.admin(settings)
        create_topics(client, settings, partitions=partitions, replication_factor=1)
        client.close()
        variables = {
            "RPBERT_BOOTSTRAP_SERVERS": services.kafka.bootstrap_servers,
            "RPBERT_REDIS_URL": services.valkey.url,
            "RPBERT_ALLOW_NETWORK": "127.0.0.0/8",
        }
        if as_json:
            sys.stdout.write(dumps(variables) + "\n")
        else:
            sys.stdout.writelines(f"export {name}={value}\n" for name, value in variables.items())
        sys.stdout.flush()
        console.print("Everything runs; Ctrl-C stops it.")
        Event().wait()
