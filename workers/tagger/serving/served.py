"""A release that tags posts, with the pictures that fit it."""

from __future__ import annotations

from dataclasses import dataclass, field

from model.inference import Tagger
from schemas import ReleaseName
from workers.tagger.pictures.service import PictureService


@dataclass(slots=True, eq=False, weakref_slot=True)
class Served:
    """A loaded release and the picture service of its backbone.

    A post keeps the one it was taken in under until it is done: its word pieces are that tokenizer's, its
    pictures' features that backbone's. So nothing of one release ever reaches another.

    Attributes:
        under_way: posts between intake and engine's end that are tagged by it.
    """

    tagger: Tagger
    pictures: PictureService
    under_way: int = 0
    release: ReleaseName = field(init=False)

    def __post_init__(self) -> None:
        self.release = ReleaseName(name=self.tagger.name, version=self.tagger.version)

    @property
    def name(self) -> str:
        """`name/version`."""
        return f"{self.release.name}/{self.release.version}"
