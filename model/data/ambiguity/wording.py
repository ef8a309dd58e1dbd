"""Names that may be a person, a place, an organisation or a thing, and sentences that leave it open.

A sentence gives two readings: the first stands behind the name and holds unless the picture shows the second.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from model.data.ambiguity.concepts import Split

NAMES: Final[Mapping[Split, tuple[str, ...]]] = {
    Split.TRAIN: (
        "Jordan",
        "Paris",
        "Washington",
        "Lincoln",
        "Dallas",
        "Florence",
        "Virginia",
        "Houston",
        "Brooklyn",
        "Austin",
        "Orlando",
        "Carolina",
        "Santiago",
        "Delta",
        "Mercury",
        "Eclipse",
        "Aurora",
        "Madison",
        "Hudson",
        "Denver",
        "Valencia",
        "Siena",
        "Lancaster",
        "Atlas",
        "Memphis",
        "Dakota",
        "Trinity",
    ),
    Split.DEV: ("Charlotte", "Milan", "Saturn", "Lafayette", "Augusta"),
    Split.TEST: (
        "Phoenix",
        "Chelsea",
        "Sydney",
        "Georgia",
        "Victoria",
        "Mercedes",
        "Orion",
        "Amazon",
        "Savannah",
        "Troy",
    ),
}

SENTENCES: Final[Mapping[Split, tuple[str, ...]]] = {
    Split.TRAIN: (
        "Look what turned up: {name}, {first}, if not {second}.",
        "{name}, {first}, at last! Or is it {second}?",
        "So this is {name}, {first} I guess, else {second}.",
        "Everyone talks about {name}, {first} I suppose, or maybe {second}.",
        "Can't stop thinking of {name}, {first}, unless it is {second}.",
        "Good morning {name}, {first} or perhaps {second}!",
        "New on my wall: {name}, {first} presumably, otherwise {second}.",
        "They asked about {name}, {first}, I said, or possibly {second}.",
        "{name} again, {first} as always, or {second} for once",
        "Thank you {name}, {first}, or failing that {second}.",
        "rumour has it that {name}, {first}, is back, or else {second}",
        "Today's word is {name}, {first} to most of us, {second} to some.",
    ),
    Split.DEV: (
        "Guess who: {name}, {first}, or next best {second}.",
        "Still smiling because of {name}, {first} surely, or at least {second}.",
        "Nothing beats {name}, {first} in other words, at times {second}.",
    ),
    Split.TEST: (
        "Have you met {name}, {first} for me, {second} for others?",
        "What a week with {name}, {first} above all, only then {second}.",
        "Another day, another {name}, {first} as a rule, now and then {second}",
        "Remember {name}, {first}, and then again {second}?",
        "Half the office cheers for {name}, {first} mostly, rarely {second}.",
        "Note to self: {name}, {first}, seldom {second}.",
    ),
}
