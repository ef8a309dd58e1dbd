"""`rpbert evaluate`: a release measured on gold data."""

from __future__ import annotations

from pathlib import Path

from model.config import GateKind
from workers.errors import SetupError
from workers.settings import ModelSettings

_MEASURING = frozenset({"seqeval", "sklearn"})


def evaluate(
    *,
    data: Path,
    images: Path | None = None,
    texts: Path | None = None,
    gate: GateKind | None = None,
    no_images: bool = False,
    model: ModelSettings = ModelSettings(),
    json: bool = False,
) -> None:
    """Measure a release on gold data, by the code that serves.

    Entities are scored in the two ways that papers use: conlleval lets an I- tag begin an entity, strict
    IOB2 does not. Where pictures are judged, so is the relation.

    For example:

        rpbert evaluate --data twitter2017/valid.txt --images twitter2017_images

        rpbert evaluate --release runs/small --data twitter2017/valid.txt --images pictures --gate off

        rpbert evaluate --data textimage.csv --texts tweets.jsonl --images pictures --json

    Args:
        data: CoNLL with `IMGID:` lines, annotated posts as JSON Lines, or the CSV of TRC.
        images: directory of the pictures, each named as the data name it; without one, text only.
        texts: JSON Lines of tweets with their ids and texts, for TRC.
        gate: another gate than the release was trained with; off lets every picture in whole.
        no_images: text only, though there are pictures.
        model: which release, and where it runs.
        json: print one JSON object instead.
    """
    try:
        from workers.evaluate import evaluate_and_print
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _MEASURING:
            raise
        raise SetupError(
            f"measuring needs {missing}, which is not installed: pip install 'rpbert-stream[train]'"
        ) from error

    evaluate_and_print(
        model,
        data,
        images=None if no_images else images,
        texts=texts,
        gate=gate,
        as_json=json,
    )
