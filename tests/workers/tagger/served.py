"""A release in service around any network, for tests of what uses one."""

from __future__ import annotations

from typing import Any, cast

from workers.tagger.pictures.picture import Features
from workers.tagger.serving.served import Served


class Kept:
    """Features in a dictionary, as a picture service's own memory keeps them."""

    def __init__(self) -> None:
        self.features: dict[str, Features] = {}
        self.remembered: list[str] = []

    def remember(self, content: str, features: Features) -> None:
        self.remembered.append(content)
        self.features[content] = features

    def described(self, content: str) -> Features | None:
        return self.features.get(content)


class Forgetful(Kept):
    """Keeps nothing: each batch describes its own pictures."""

    def described(self, content: str) -> Features | None:
        return None


class Named:
    """A release of which only the name is asked."""

    def __init__(self, name: str = "small", version: str = "7") -> None:
        self.name, self.version = name, version


def served(network: Any, kept: Any = None) -> Served:
    return Served(network, cast("Any", kept or Forgetful()))
