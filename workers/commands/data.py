"""`rpbert data`: data sets."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from workers.commands.groups import BUILD

app = App(name="data", group=BUILD, help="Data sets for training and evaluation.")


@app.command
def check(
    paths: tuple[Path, ...],
    /,
    *,
    images: Path | None = None,
    texts: Path | None = None,
    json: bool = False,
) -> None:
    """Print what data files hold, what in them is odd, and what was published of them.

    Reads CoNLL files with `IMGID:` lines, annotated posts as JSON Lines, and the CSV of TRC. A wrong line is
    named and ends the reading of its file: exit status 1.

    For example:

        rpbert data check twitter2017/train.txt --images twitter2017_images

        rpbert data check textimage.csv --texts tweets.jsonl --images pictures

    Args:
        paths: files, or directories with .txt, .csv, .jsonl and .conll files.
        images: directory of the pictures; each is decoded, to count the broken ones.
        texts: JSON Lines of tweets with their ids and texts, for TRC.
        json: print one JSON object instead.
    """
    from workers.data_check import check_and_print

    check_and_print(paths, images=images, texts=texts, as_json=json)
