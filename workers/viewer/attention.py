"""What the entities of a shown post attend to in its pictures, computed when somebody asks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from cachetools import LRUCache

from model.config import GateKind
from model.inference import Tagger
from workers.explain import with_attention
from workers.fetching import LoggedFetch
from workers.one_post import as_content, request
from workers.settings import ModelSettings
from workers.tagger.description import describe
from workers.tagger.outcome import image_relations
from workers.tagger.pictures.picture import Picture
from workers.tagger.process import load_tagger
from workers.viewer.answers import Refused
from workers.viewer.shown import Place, ShownPost
from workers.viewer.thumbnails import Thumbnails

_REMEMBERED: Final = 256
_WAITING_MOST: Final = 8
# Attention grows with the square of the text; a tweet has 280.
_MOST_CHARACTERS: Final = 4_000


class Explainer:
    """Tags a post once more by the release that the settings name, one at a time."""

    def __init__(self, settings: ModelSettings, thumbnails: Thumbnails) -> None:
        """Load the release.

        Raises:
            SetupError: it isn't there, or can't be trusted.
        """
        self._tagger: Final[Tagger] = load_tagger(settings, progress=LoggedFetch(settings.release))
        self._thumbnails: Final = thumbnails
        self._known: Final[LRUCache[Place, dict[str, Any]]] = LRUCache(_REMEMBERED)
        self._turn: Final = ThreadPoolExecutor(1, thread_name_prefix="attention")
        self._waiting = 0

    @property
    def release(self) -> str:
        """Name and version, as posts are shown with."""
        return f"{self._tagger.name} {self._tagger.version}"

    @property
    def gate(self) -> GateKind:
        """The release's gate."""
        return self._tagger.gate

    def close(self) -> None:
        """Let go of what waits."""
        self._turn.shutdown(cancel_futures=True)

    async def explain(self, shown: ShownPost) -> dict[str, Any]:
        """As `rpbert explain --json`: images with their gates, entities with their maps.

        Raises:
            Refused: 404, the text is gone; 409, another release made the result; 413, the text is too long;
                503, too many ask.
        """
        known = self._known.get(shown.place)
        if known is not None:
            return known
        name = f"{shown.result.release.name} {shown.result.release.version}"
        if shown.post is None:
            raise Refused(404, "the post itself is gone from the input topic: nothing to compute from")
        if name != self.release:
            raise Refused(
                409, f"release {name} made this result, and the viewer has {self.release}; see --release"
            )
        if len(shown.post.text) > _MOST_CHARACTERS:
            raise Refused(
                413, f"the text has more than {_MOST_CHARACTERS:,} characters; see `rpbert explain`"
            )
        if self._waiting >= _WAITING_MOST:
            raise Refused(503, "too many ask for attention; try again")
        self._waiting += 1
        try:
            pictures = await self._thumbnails.load([image.url for image in shown.result.images])
            content = await asyncio.get_running_loop().run_in_executor(
                self._turn, self._explain, shown.post.text, pictures
            )
        finally:
            self._waiting -= 1
        self._known[shown.place] = content
        return content

    def _explain(self, text: str, loaded: Sequence[Picture]) -> dict[str, Any]:
        found = describe(self._tagger, [tuple(loaded)])[0]
        tagging, attention = self._tagger.explain(request(self._tagger, text, found))
        images = image_relations(found, tagging)
        return with_attention(as_content(self._tagger, tagging, images), images, attention)
