"""`rpbert annotate`: annotated posts to Kafka."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from workers.settings import KafkaSettings


def annotate(
    files: Annotated[tuple[Path, ...], Parameter(consume_multiple=True)],
    /,
    *,
    annotator: str | None = None,
    dry_run: bool = False,
    kafka: KafkaSettings = KafkaSettings(),
    json: bool = False,
) -> None:
    """Hand annotated posts over to the trainer: CoNLL or JSON Lines to the annotation topic, keyed by post.

    Every line is checked before the first is sent. What the topic has already is not sent again, nor what is
    older than an annotation of the same post there: a hand-over that was broken off is run again.

    For example:

        rpbert annotate corrections.jsonl --bootstrap-servers kafka:9092

        rpbert annotate october.txt november.txt --annotator vera --dry-run

    Args:
        files: CoNLL (with or without `IMGID:` lines) or annotated posts as JSON Lines.
        annotator: who annotated them, whatever the files say; CoNLL says nothing.
        dry_run: only say what would be sent.
        kafka: how to reach Kafka.
        json: print the counts as one JSON object.
    """
    from workers.annotations.hand_over import annotate_and_print

    annotate_and_print(files, kafka, annotator=annotator, dry_run=dry_run, as_json=json)
