"""How a release in a store is named: `STORE#CHANNEL` or `STORE#NAME/VERSION`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from model.manifest import ReleaseError

CHANNELS: Final = "channels"
"""The directory of the channels; no release can have this name."""
REPORTS: Final = "reports"
"""The directory of the trainer's reports; nor this."""
STABLE: Final = "stable"
"""The channel that is meant when none is named."""

# Safe as part of a path in every store, and never hidden or a way up.
_PART: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


@dataclass(frozen=True, slots=True, order=True)
class ReleaseId:
    """Name and version of a release, written `name/version`."""

    name: str
    version: str

    def __post_init__(self) -> None:
        for part, what in ((self.name, "name"), (self.version, "version")):
            if not _PART.fullmatch(part) or part in (CHANNELS, REPORTS):
                raise ReleaseError(
                    f"{part!r} can't be a release's {what} in a store: letters, digits, ., _, + and - are "
                    f"allowed, a letter or digit first, at most 100, and not {CHANNELS} or {REPORTS}"
                )

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"

    @classmethod
    def parse(cls, text: str) -> ReleaseId:
        """Read `name/version`.

        Raises:
            ReleaseError: it is none.
        """
        name, slash, version = text.partition("/")
        if not slash:
            raise ReleaseError(f"{text!r} is no release of a store; write NAME/VERSION, such as small/1.0.0")
        return cls(name, version)


@dataclass(frozen=True, slots=True)
class Reference:
    """A release of a store, by its channel or by its own name."""

    store: str
    target: str | ReleaseId

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read `STORE#CHANNEL`, `STORE#NAME/VERSION` or a store alone, which means its channel `stable`.

        Raises:
            ReleaseError: what stands behind the # is neither a channel nor a release.
        """
        store, _, target = text.partition("#")
        return cls(store, read_target(target or STABLE))


def is_reference(text: str) -> bool:
    """Whether a release is named by its store: by a URL, or by a path with a # in it."""
    return "://" in text or "#" in text


def read_target(text: str) -> str | ReleaseId:
    """Read the name of a channel, or `name/version`.

    Raises:
        ReleaseError: it is neither.
    """
    return ReleaseId.parse(text) if "/" in text else channel_name(text)


def channel_name(text: str) -> str:
    """Check the name of a channel.

    Raises:
        ReleaseError: it can't be one.
    """
    if not _PART.fullmatch(text):
        raise ReleaseError(
            f"{text!r} can't be a channel: letters, digits, ., _, + and - are allowed, "
            "a letter or digit first"
        )
    return text
