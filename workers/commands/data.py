"""`rpbert data`: data sets."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

app = App(name="data", help="Data sets for training and evaluation.")


@app.command(sort_key=1)
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


@app.command(sort_key=2)
def ambiguity(
    *,
    captioned_pictures: Path,
    output: Path,
    further_captioned_pictures: tuple[Path, ...] = (),
    seed: int = 1,
    json: bool = False,
) -> None:
    """Write a set that shows whether pictures help: names that are what a related picture shows.

    Each text names two readings and is in five posts that differ by their picture; most of the pictures
    are unrelated and mislead. The pictures stay where they are: train and evaluate with --images. Those
    that show nothing of dev and test are linked in captioned/, for --captioned-pictures of `rpbert train`,
    and those of further directories in captioned-further/.

    For example:

        apt-get download tuxpaint-stamps-default

        dpkg-deb -x tuxpaint-stamps-default_*.deb tuxpaint

        rpbert data ambiguity --captioned-pictures tuxpaint/usr/share/tuxpaint/stamps --output ambiguity

    Args:
        captioned_pictures: directory of the stamps of Debian's tuxpaint-stamps-default.
        output: directory to write train.jsonl, dev.jsonl and test.jsonl into.
        further_captioned_pictures: directory of other captioned pictures; repeatable. One whose caption is
            close to one of dev and test is left out.
        seed: of what is drawn; which names, sentences and pictures each file has is fixed.
        json: print one JSON object a line instead.
    """
    from workers.data_ambiguity import generate_and_write

    generate_and_write(captioned_pictures, output, seed, further_captioned_pictures, as_json=json)


@app.command(sort_key=3)
def captions(
    *,
    output: Path,
    clip_art: Path | None = None,
    drawings: Path | None = None,
    emoji: Path | None = None,
    json: bool = False,
) -> None:
    """Bring openly licensed pictures that have words of their own into the form of captioned pictures.

    For example, with Debian's packages:

        apt-get download openclipart-png openclipart-svg fonts-noto-color-emoji

        for package in *.deb; do dpkg-deb -x $package art; done

        cd art/usr/share

        rpbert data captions --clip-art openclipart/png --drawings openclipart/svg --output captioned

        rpbert data captions --emoji fonts/truetype/noto/NotoColorEmoji.ttf --output captioned

    Args:
        output: directory to write into; give it to `rpbert train --captioned-pictures`.
        clip_art: the Open Clip Art Library's directory of PNGs.
        drawings: its directory of SVGs, which hold the titles and keywords.
        emoji: the font Noto Color Emoji.
        json: print one JSON object a line instead.
    """
    from workers.data_captions import write_captions

    write_captions(output, clip_art=clip_art, drawings=drawings, emoji=emoji, as_json=json)
