"""How a result looks in a terminal."""

from __future__ import annotations

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


def marked(text: str, entities: Iterable[Entity]) -> Text:
    """The post's text with each entity on the colour of its type and its type behind it."""
    line = Text()
    end = 0
    for entity in entities:
        line.append(text[end : entity.start])
        line.append(entity.text, style=_STYLES[entity.type])
        line.append(f" {entity.type.value}", style="dim")
        end = entity.end
    line.append(text[end:])
    return line


def listed(entities: Iterable[Entity]) -> Text:
    """The entities alone, for where the post's text is not at hand."""
    line = Text()
    for entity in entities:
        line.append(entity.text, style=_STYLES[entity.type])
        line.append(f" {entity.type.value} {entity.score:.2f}  ", style="dim")
    return line or Text("no entities", style="dim")


def relation(image: ImageRelation, name: str) -> Text:
    """One picture: its relation score as a meter, or why it took no part."""
    line = Text("  ")
    if image.relevance is None:
        line.append(f"{name}: {image.status.value.replace('_', ' ')}, text only", style="yellow")
        return line
    filled = round(image.relevance * _METER_CELLS)
    line.append("█" * filled, style="green").append("░" * (_METER_CELLS - filled), style="dim")
    line.append(f" {image.relevance:.2f}", style="bold").append(f"  {name}", style="dim")
    return line
