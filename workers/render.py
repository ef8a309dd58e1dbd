"""How a result looks in a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from rich.text import Text

from schemas import Entity, EntityType, ImageRelation

_STYLES: Final = {
    EntityType.PER: "bold black on bright_yellow",
    EntityType.LOC: "bold black on bright_green",
    EntityType.ORG: "bold black on bright_cyan",
    EntityType.MISC: "bold black on bright_magenta",
}
_METER_CELLS: Final = 10
# What steers a terminal or turns its text round: posts are strangers' words.
_STEERING: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """A stranger's text for one line of a terminal: white space as spaces, control characters as �."""
    return _STEERING.sub(lambda found: " " if found[0].isspace() else "\N{REPLACEMENT CHARACTER}", text)


def escaped(text: str) -> str:
    r"""A stranger's text with its lines kept and what steers a terminal written out, such as \x1b."""
    return _STEERING.sub(lambda found: found[0] if found[0] == "\n" else ascii(found[0])[1:-1], text)


def marked(text: str, entities: Iterable[Entity]) -> Text:
    """The post's text with each entity on the colour of its type and its type behind it."""
    line = Text()
    end = 0
    for entity in entities:
        line.append(plain(text[end : entity.start]))
        line.append(plain(entity.text), style=_STYLES[entity.type])
        line.append(f" {entity.type.value}", style="dim")
        end = entity.end
    line.append(plain(text[end:]))
    return line


def listed(entities: Iterable[Entity]) -> Text:
    """The entities alone, for where the post's text is not at hand."""
    lines = [
        Text.assemble(
            (plain(entity.text), _STYLES[entity.type]), (f" {entity.type.value} {entity.score:.2f}", "dim")
        )
        for entity in entities
    ]
    return Text("  ").join(lines) if lines else Text("no entities", style="dim")


def relation(image: ImageRelation, name: str) -> Text:
    """One picture: its relation score as a meter, or why it took no part."""
    line = Text("  ")
    if image.relevance is None:
        line.append(f"{plain(name)}: {image.status.value.replace('_', ' ')}, text only", style="yellow")
        return line
    filled = round(image.relevance * _METER_CELLS)
    line.append("█" * filled, style="green").append("░" * (_METER_CELLS - filled), style="dim")
    line.append(f" {image.relevance:.2f}", style="bold").append(f"  {plain(name)}", style="dim")
    return line
