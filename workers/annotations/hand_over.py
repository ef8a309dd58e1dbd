"""`rpbert annotate`: gold files to `posts.annotations`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from json import dumps
from pathlib import Path
from typing import Final

from kafka.errors import KafkaError
from rich.console import Console
from rich.text import Text

from model.data.gold import DatasetError
from model.data.handover import read_handover
from schemas import AnnotatedPost
from workers import kafka_clients
from workers.annotations.held import Annotations
from workers.annotations.send import send
from workers.errors import SetupError
from workers.progress import bar
from workers.settings import KafkaSettings

_SEND_SECONDS: Final = 60.0
_CLOSE_SECONDS: Final = 5.0


def annotate_and_print(
    files: Sequence[Path],
    settings: KafkaSettings,
    *,
    annotator: str | None,
    dry_run: bool,
    as_json: bool = False,
) -> None:
    """Send the annotations of files that the topic has not yet, and print how many of which.

    Raises:
        SetupError: a line is wrong, no broker answers, the topic is missing, or Kafka refuses.
    """
    try:
        with bar("checking the files"):
            posts = [post for file in files for post in read_handover(file, annotator)]
    except DatasetError as error:
        raise SetupError(str(error)) from None
    with bar(f"reading {settings.annotation_topic}"):
        held = Annotations.read(settings)
    new: dict[str, AnnotatedPost] = {}
    there = older = 0
    for post in posts:
        if post in held:
            there += 1
        elif held.is_older(post):
            older += 1
        else:
            held.take(post.post.id.encode(), post.model_dump_json().encode())
            new[post.post.id] = post
    if not dry_run:
        _send(list(new.values()), settings)
    replaced = len(posts) - there - older - len(new)
    if as_json:
        content = {
            "annotations": len(posts),
            "would_be_sent" if dry_run else "sent": len(new),
            "there_already": there,
            "older": older,
            "replaced": replaced,
        }
        sys.stdout.write(dumps(content) + "\n")
        return
    counts = [f"{len(new):,} {'would be sent' if dry_run else 'sent'} to {settings.annotation_topic}"]
    counts += [f"{there:,} there already"] if there else []
    counts += [f"{older:,} older than what is there"] if older else []
    counts += [f"{replaced:,} replaced by a later one of these files"] if replaced else []
    Console(highlight=False).print(Text(f"{len(posts):,} annotations: {', '.join(counts)}"), soft_wrap=True)


def _send(posts: Sequence[AnnotatedPost], settings: KafkaSettings) -> None:
    done = 0
    with (
        closing(kafka_clients.plain_producer(settings)) as producer,
        bar(f"sending to {settings.annotation_topic}", len(posts)) as sending,
    ):
        try:
            with kafka_clients.told_by_us():
                futures = [send(producer, settings.annotation_topic, post) for post in posts]
                for future in futures:
                    future.get(timeout=_SEND_SECONDS)
                    done += 1
                    sending.step()
        except KafkaError as error:
            # What is still to be sent would be waited for.
            producer.close(timeout=_CLOSE_SECONDS)
            raise SetupError(
                f"Kafka broke off the hand-over ({type(error).__name__}) after {done:,} of {len(posts):,} "
                f"annotations; check the brokers and your right to write {settings.annotation_topic}, then "
                "run the same command again: what is there is not sent twice"
            ) from error
