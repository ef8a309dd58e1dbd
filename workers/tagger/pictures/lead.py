"""What is known of a URL: where it leads, and the features of the picture there."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import time

from schemas import ImageStatus
from workers.tagger.pictures.answer import Validators
from workers.tagger.pictures.picture import Features


@dataclass(frozen=True, slots=True)
class Lead:
    """Where a URL leads: exactly one of `content` and `failure` is there.

    Attributes:
        fresh_until: Unix time, in seconds, until which nobody asks the host again. The clocks of workers may
            differ; it is then fresh a little longer or shorter.
        content: SHA-256 of the picture's bytes, in hex.
        failure: why there is no picture.
        validators: by which to ask the host whether the picture changed.
    """

    fresh_until: float
    content: str | None = None
    failure: ImageStatus | None = None
    validators: Validators = field(default_factory=Validators)

    @property
    def fresh(self) -> bool:
        """Whether it is taken as it is."""
        return time() < self.fresh_until


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What the cache knows of a URL.

    Attributes:
        lead: where it leads, or led until its time was over; None if that isn't known.
        features: those of the picture there, if they are known.
    """

    lead: Lead | None = None
    features: Features | None = None

    @property
    def failure(self) -> ImageStatus | None:
        """Why there is no picture, if that is known and still holds."""
        return self.lead.failure if self.lead is not None and self.lead.fresh else None

    @property
    def content(self) -> str | None:
        """The picture there, if that is known and still holds."""
        return self.lead.content if self.lead is not None and self.lead.fresh else None

    @property
    def settled(self) -> bool:
        """Whether nothing need be asked of anyone."""
        return self.failure is not None or (self.content is not None and self.features is not None)
