"""What data files hold, printed beside what was published of them."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from json import dumps
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Column
from rich.text import Text

from model.data.check import GoldCheck, TrcCheck, check
from model.data.gold import DatasetError, Oddity
from model.data.images import PictureCounts
from workers.errors import SetupError
from workers.progress import bar
from workers.render import plain
from workers.tables import Cell, print_lines, print_table

_SUFFIXES: Final = (".txt", ".csv", ".jsonl", ".conll")
_NAMED: Final = 3
_BESIDE: Final = ("here", "published", "difference")
_ODDITIES: Final = {
    Oddity.ORPHAN_INSIDE_TAGS: "I- tags that begin an entity",
    Oddity.OTHER_AS_MISC: "OTHER read as MISC",
    Oddity.BLANK_TOKENS: "blank tokens",
    Oddity.ZERO_WIDTH_TOKENS: "zero-width tokens",
    Oddity.POSTS_WITHOUT_WORDS: "posts without words, left out",
    Oddity.POSTS_WITHOUT_BLANK_LINE: "posts without a blank line before them",
    Oddity.WIDENED_SPANS: "spans widened to whole words",
    Oddity.MALFORMED_ROWS: "malformed rows, left out",
    Oddity.MISSING_TEXTS: "tweets without a text, left out",
    Oddity.SPANS_IN_ONE_WORD: "spans within another's word, left out",
}


def check_and_print(paths: Sequence[Path], *, images: Path | None, texts: Path | None, as_json: bool) -> None:
    """Check each file, or each data file of a directory, and print what was found.

    Raises:
        SetupError: a file can't be read; the others are printed all the same.
    """
    reports: list[dict[str, object]] = []
    errors: list[str] = []
    console = Console(highlight=False)
    for path in _files(paths):
        try:
            found = _check(path, images, texts)
        except DatasetError as error:
            errors.append(str(error))
            reports.append({"file": str(path), "error": str(error)})
            continue
        reports.append({"file": str(path), **found.model_dump(mode="json")})
        if not as_json:
            print_lines(console, Text(f"\n{plain(str(path))}", style="bold"))
            _show(console, found)
    if as_json:
        sys.stdout.write(dumps({"files": reports}, ensure_ascii=False) + "\n")
    if errors:
        raise SetupError(_told(errors))


def _told(errors: Sequence[str]) -> str:
    if len(errors) == 1:
        return errors[0]
    more = f"; and {len(errors) - _NAMED} more, all of them by --json" if len(errors) > _NAMED else ""
    return f"{len(errors)} files: {'; '.join(errors[:_NAMED])}{more}"


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        inside = sorted(each for each in path.rglob("*") if each.suffix in _SUFFIXES and each.is_file())
        if not inside:
            raise SetupError(f"{path} holds no data file; name one, or a directory of {', '.join(_SUFFIXES)}")
        yield from inside


def _check(path: Path, images: Path | None, texts: Path | None) -> GoldCheck | TrcCheck:
    if images is None:
        return check(path, images=None, texts=texts)
    with bar(f"pictures of {path.name}", 0) as looking:
        return check(path, images=images, texts=texts, advance=looking.reach)


def _show(console: Console, found: GoldCheck | TrcCheck) -> None:
    lines = [pictures_line(found.pictures)]
    if isinstance(found, TrcCheck):
        lines = [*_trc(found), *lines]
    else:
        print_lines(console, _recognised(found))
        _print_gold(console, found)
        lines += [*_relations(found), *_oddities(found)]
    print_lines(console, *lines)


def _recognised(found: GoldCheck) -> Text:
    published = found.published
    if published is None:
        return Text(f"{found.posts:,} posts; none of the published splits")
    if published.same:
        return Text(f"{published.name}, as published: {found.posts:,} posts", style="green")
    return Text(f"{published.name}: {found.posts:,} posts as published, entities not quite", style="yellow")


def _print_gold(console: Console, found: GoldCheck) -> None:
    columns = [Column("entities"), *(Column(name, justify="right") for name in _BESIDE)]
    rows: list[list[Cell]] = []
    for kind, count in found.entities.items():
        row: list[Cell] = [kind, f"{count:,}"]
        if found.published is not None:
            published = found.published.entities[kind]
            difference = Text(f"{count - published:+,}", style="yellow") if count != published else "0"
            row += [f"{published:,}", difference]
        rows.append(row)
    print_table(console, columns[: 4 if found.published else 2], rows, headed=True)


def pictures_line(counts: PictureCounts) -> Text:
    """What became of the pictures, for a person."""
    if counts.left_out == counts.named:
        return Text(f"pictures: {counts.named:,} named, not looked for")
    return Text(
        f"pictures: {counts.named:,} named, {counts.usable + counts.broken:,} found, "
        f"{counts.missing:,} missing, {counts.broken:,} broken"
        + (f", {counts.left_out:,} beyond a post's fourth" if counts.left_out else "")
    )


def _relations(found: GoldCheck) -> list[Text]:
    return [Text(f"relations: {found.relations:,} pictures judged")] if found.relations else []


def _oddities(found: GoldCheck) -> list[Text]:
    return [oddities_line(found.oddities)] if found.oddities else []


def oddities_line(counts: Mapping[str, int]) -> Text:
    """What was mended or left out, and how often, for a person."""
    named = (f"{_ODDITIES[Oddity(name)]}: {count:,}" for name, count in counts.items())
    return Text(f"mended: {'; '.join(named)}")


def _trc(found: TrcCheck) -> list[Text]:
    share = "none" if found.related_share is None else f"{found.related_share:.1%}"
    here = f"{found.rows:,} rows, {found.readable:,} readable, {share} of them image adds"
    lines = [Text(here)]
    if found.published is not None:
        published = found.published
        also = f"{published.name}, as published: {published.tweets:,} tweets, {published.related_share:.0%}"
        lines.insert(0, Text(f"{also} image adds", style="green" if published.same else "yellow"))
    if found.malformed:
        lines.append(Text(f"{len(found.malformed):,} malformed rows are left out:", style="yellow"))
    for reason, count in Counter(found.malformed.values()).most_common():
        at = ", ".join(str(line) for line, said in found.malformed.items() if said == reason)
        lines.append(Text(f"{count:,} where {reason}: lines {at}"))
    if found.texts is not None:
        lines.append(Text(f"texts: {found.texts:,} found, {found.readable - found.texts:,} missing"))
    return lines
