"""What the pictures of Debian's tuxpaint-stamps-default show, and what a name is that stands for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Final

from model.data.captioned import CaptionedPicture, read_captioned_pictures
from model.data.gold import DatasetError
from schemas import EntityType


class Split(StrEnum):
    """The parts of the set."""

    TRAIN = "train"
    DEV = "dev"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Concept:
    """Pictures of one kind.

    Attributes:
        split: The only part of the set that has them.
        type: What a name is that stands for them: people by themselves or by what they wear, hold or play,
            places by what stands there, organisations by what they make or run, animals and plants as such.
        gloss: How a post speaks of one, `{}` its caption's words; no gloss serves both train and test.
        files: Patterns of their paths, without suffix.
    """

    split: Split
    type: EntityType
    gloss: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Thing:
    """A picture, and how a post speaks of what it shows."""

    picture: str
    words: frozenset[str]
    gloss: str
    concept: Concept


_PER, _LOC, _ORG, _MISC = EntityType.PER, EntityType.LOC, EntityType.ORG, EntityType.MISC
_HOUSES: Final = "town/houses/cartoon/"

CONCEPTS: Final = (
    Concept(
        Split.TRAIN,
        _PER,
        "whoever wears the {}",
        ("clothes/hats/*", "clothes/armor/cartoon/*", "clothes/t_baseballcap", "seasonal/newyears/party-hat"),
    ),
    Concept(
        Split.TRAIN,
        _PER,
        "someone in the {}",
        tuple(f"clothes/t_{each}" for each in ("glove", "jacket", "p*", "s*", "tshirt")),
    ),
    Concept(Split.TRAIN, _PER, "whoever plays the {}", ("hobbies/music/string/*",)),
    Concept(
        Split.TRAIN,
        _LOC,
        "the town with the {}",
        tuple(_HOUSES + each for each in ("fairytale_castle", "fort", "fortress", "tower_*")),
    ),
    Concept(
        Split.TRAIN,
        _LOC,
        "the village around the {}",
        tuple(
            _HOUSES + each
            for each in ("farm", "fishery", "hunter", "pinkhome", "stables", "windmill", "wooden_cottage")
        ),
    ),
    Concept(
        Split.TRAIN,
        _LOC,
        "the city with the {}",
        tuple(
            _HOUSES + each
            for each in (
                "blacksmith",
                "inn",
                "jailhouse",
                "monastery",
                "tavern",
                "townhall",
                "university",
                "warehouse",
            )
        ),
    ),
    Concept(
        Split.TRAIN,
        _ORG,
        "the company with the {}",
        (
            "vehicles/*",
            "vehicles/auto/*",
            "vehicles/construction/*",
            "vehicles/construction/cartoon/*",
            "vehicles/emergency/*",
            "vehicles/emergency/cartoon/*",
            "vehicles/race/*",
        ),
    ),
    Concept(Split.TRAIN, _ORG, "the firm that makes the {}", ("household/tools/*",)),
    Concept(
        Split.TRAIN,
        _ORG,
        "the brand of the {}",
        ("household/dishes/*", "household/dishes/cartoon/*", "household/dishes/utensils/*"),
    ),
    Concept(Split.TRAIN, _MISC, "the {}", ("animals/birds/*",)),
    Concept(
        Split.TRAIN,
        _MISC,
        "the {}",
        tuple(f"animals/mammals/{each}/*" for each in ("bovines", "camel", "deer", "equines")),
    ),
    Concept(Split.TRAIN, _MISC, "the {}", ("food/fruit/*", "food/fruit/cartoon/*")),
    Concept(Split.DEV, _PER, "the nurse with the {}", ("medical/*",)),
    Concept(Split.DEV, _PER, "the guest with the {}", ("hobbies/*", "seasonal/newyears/party-horn-*")),
    Concept(
        Split.DEV, _LOC, "the camp with the {}", tuple(_HOUSES + each for each in ("igloo", "*tent", "tepee"))
    ),
    Concept(Split.DEV, _LOC, "the churchyard with the {}", ("seasonal/halloween/grave-*",)),
    Concept(Split.DEV, _ORG, "the shop that sells the {}", ("household/arttools/*",)),
    Concept(
        Split.DEV,
        _ORG,
        "the line that runs the {}",
        ("vehicles/masstransit/*", "vehicles/masstransit/cartoon/*"),
    ),
    Concept(Split.DEV, _MISC, "this {}", ("animals/marsupials/*", "animals/marsupials/cartoon/*")),
    Concept(Split.DEV, _MISC, "this {}", ("food/nuts/*", "plants/mushrooms/*")),
    Concept(Split.TEST, _PER, "the player with the {}", ("sports/*", "sports/cartoon/*")),
    Concept(
        Split.TEST,
        _PER,
        "our own {}",
        ("people/*", "people/cartoon/mermaid", "military/*", "space/spacewalk"),
    ),
    Concept(
        Split.TEST,
        _PER,
        "the musician at the {}",
        tuple(f"hobbies/music/{each}/*" for each in ("brass", "percussion", "wind")),
    ),
    Concept(Split.TEST, _LOC, "the square with the {}", ("town/monuments/cartoon/*",)),
    Concept(
        Split.TEST,
        _LOC,
        "the valley with the {}",
        tuple(f"town/cartoon/{each}" for each in ("gate", "mine", "ruins", "watch_tower")),
    ),
    Concept(
        Split.TEST,
        _LOC,
        "the island with the {}",
        tuple(f"town/cartoon/{each}" for each in ("fountain", "shipwreck", "wishing_well")),
    ),
    Concept(
        Split.TEST,
        _ORG,
        "the agency behind the {}",
        ("vehicles/flight/*", "vehicles/flight/planes/*", "vehicles/ship/*", "vehicles/ship/cartoon/*"),
    ),
    Concept(Split.TEST, _ORG, "the railway that owns the {}", ("vehicles/locomotive/cartoon/*",)),
    Concept(Split.TEST, _ORG, "the maker of the {}", ("household/*",)),
    Concept(Split.TEST, _MISC, "a certain {}", ("animals/fish/*", "animals/mammals/aquatic/*")),
    Concept(Split.TEST, _MISC, "a certain {}", ("animals/insects/*", "animals/insects/cartoon/*")),
    Concept(Split.TEST, _MISC, "a certain {}", ("food/vegetables/*",)),
)

# "A great blue heron." and the like; what goes on behind the noun, or has a name in it, is left out.
_CAPTION: Final = re.compile(
    "(?:An?|The|Some) ([a-z][a-z\N{RIGHT SINGLE QUOTATION MARK}' -]*[a-z]) *(?:[.!\N{EM DASH}(].*)?"
)
_MOST_WORDS: Final = 4
_SMALL_WORDS: Final = {"a", "in", "its", "of", "pair", "the"}


def read_things(directory: Path) -> Mapping[Concept, list[Thing]]:
    """The pictures of each concept whose caption is a short noun phrase.

    Raises:
        DatasetError: a concept has no picture.
    """
    things: dict[Concept, list[Thing]] = {concept: [] for concept in CONCEPTS}
    for picture in read_captioned_pictures(directory):
        said = _CAPTION.fullmatch(picture.caption)
        if said is None or len(said[1].split()) > _MOST_WORDS:
            continue
        path = PurePosixPath(picture.path.relative_to(directory).as_posix())
        for concept in CONCEPTS:
            if any(path.match(f"{each}.png") for each in concept.files):
                words = frozenset(said[1].split()) - _SMALL_WORDS
                things[concept].append(Thing(str(path), words, concept.gloss.format(said[1]), concept))
    for concept, found in things.items():
        if not found:
            raise DatasetError(
                f"{directory}: no captioned picture {concept.files[0]}.png; give the stamps directory of "
                "Debian's tuxpaint-stamps-default"
            )
    return things


def kept_pictures(directory: Path) -> list[CaptionedPicture]:
    """Pictures of dev and test: what no training may be told of.

    Raises:
        DatasetError: a concept has no picture.
    """
    kept = {
        thing.picture
        for concept, found in read_things(directory).items()
        if concept.split is not Split.TRAIN
        for thing in found
    }
    return [
        picture
        for picture in read_captioned_pictures(directory)
        if picture.path.relative_to(directory).as_posix() in kept
    ]


def training_pictures(directory: Path) -> list[Path]:
    """Captioned pictures to learn the relation from, of no concept of dev or test and without their words.

    Raises:
        DatasetError: a concept has no picture.
    """
    kept = {
        thing.picture: thing.words
        for concept, found in read_things(directory).items()
        if concept.split is not Split.TRAIN
        for thing in found
    }
    foreign = frozenset().union(*kept.values())
    patterns = [
        f"{each}.png" for concept in CONCEPTS if concept.split is not Split.TRAIN for each in concept.files
    ]
    return [
        picture.path
        for picture in read_captioned_pictures(directory)
        if not any(picture.path.match(each) for each in patterns)
        and not foreign & set(re.findall("[a-z]+", picture.caption.lower()))
    ]
