"""`rpbert produce`: posts from a file to Kafka."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from json import dumps
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from kafka.errors import KafkaError
from rich.console import Console

from workers import kafka_clients
from workers.errors import SetupError
from workers.progress import bar
from workers.settings import KafkaSettings
from workers.tagger.intake import read_post
from workers.tagger.unworkable import Unworkable


def _no_flag(_type: object, file: Path) -> None:
    # The hyphen that is let through is that of standard input; a mistyped flag is no file.
    if str(file).startswith("-") and str(file) != "-":
        raise ValueError(f"no such flag; a file of that name is ./{file}")


def produce(
    file: Annotated[Path, Parameter(allow_leading_hyphen=True, validator=_no_flag)],
    /,
    *,
    settings: KafkaSettings = KafkaSettings(),
    json: bool = False,
) -> None:
    """Produce the posts of a JSON Lines file to the input topic, keyed by their ids.

    Every line is checked before the first is sent, so that a wrong line sends nothing.

    For example:

        rpbert produce posts.jsonl --bootstrap-servers kafka:9092

        echo '{"id": "1", "text": "Ada Lovelace in London"}' | rpbert produce -

    Args:
        file: JSON Lines, one post a line; - for standard input.
        settings: how to reach Kafka.
        json: print one JSON object, `topic` and `posts`.
    """
    records = list(_posts(file))
    producer = kafka_clients.plain_producer(settings)
    try:
        with bar(f"sending to {settings.input_topic}", len(records)) as sending:
            futures = [producer.send(settings.input_topic, key=key, value=value) for key, value in records]
            for future in futures:
                future.get(timeout=30)
                sending.step()
    except (KafkaError, ValueError) as error:
        raise SetupError(
            f"Kafka did not take the posts for {settings.input_topic} ({type(error).__name__}); "
            "make the topic by `rpbert topics create`, or name another by --input-topic"
        ) from error
    finally:
        producer.close(timeout=5)
    if json:
        sys.stdout.write(dumps({"topic": settings.input_topic, "posts": len(records)}) + "\n")
    else:
        Console(highlight=False).print(f"{len(records)} posts produced to {settings.input_topic}")


def _posts(file: Path) -> Iterator[tuple[bytes, bytes]]:
    try:
        with nullcontext(sys.stdin.buffer) if str(file) == "-" else file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    try:
                        post = read_post(line)
                    except Unworkable as failure:
                        raise SetupError(f"{file}, line {number}: {failure.message}") from None
                    yield post.id.encode(), line.strip()
    except OSError as error:
        raise SetupError(f"the file {file} can't be read ({error.strerror})") from error
