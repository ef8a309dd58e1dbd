"""When the next commit begins, and how many posts it may have."""

from __future__ import annotations

from time import monotonic
from typing import Final

from workers.backoff import jittered

# A worker with nothing else in hand commits so much of the interval early. The rest spares the broker a
# transaction for every single post.
_EARLY_SHARE: Final = 2 / 3
# Commits that fail again and again come ever more seldom, up to this.
_SELDOM_SECONDS: Final = 5.0
# Posts that a commit may have, however often one fails.
_FEWEST_AT_ONCE: Final = 16


class CommitPace:
    """The pace of one worker's commits.

    After a failure the next is of half as many posts, then of twice as many again: what is too much for a
    transaction's time-out must not be tried as it is for ever.

    Attributes:
        at_once: how many posts the next commit may have.
    """

    def __init__(self, *, interval: float, most: int) -> None:
        """Be due at once.

        Args:
            interval: seconds between commits.
            most: posts that a commit may have.
        """
        self._interval = interval
        self._most = self.at_once = most
        self._next = monotonic()
        self._failures = 0
        self._posts = 0

    def due(self, *, full: bool, alone: bool) -> bool:
        """Whether the next one may begin.

        Args:
            full: whether the worker takes in nothing before it.
            alone: whether the worker has nothing else in hand: a lone post does not wait for mates.
        """
        left = self._next - monotonic()
        if self._failures:
            return left <= 0
        return full or left <= (_EARLY_SHARE * self._interval if alone else 0)

    def began(self, posts: int) -> None:
        """One of so many posts has begun."""
        self._posts = posts
        self._next = monotonic() + self._interval

    def went_well(self) -> None:
        """It counts."""
        self._failures = 0
        self.at_once = min(2 * self.at_once, self._most)

    def failed(self) -> None:
        """It doesn't."""
        self._failures += 1
        self.at_once = max(_FEWEST_AT_ONCE, min(self.at_once, self._posts) // 2)
        self._next = monotonic() + jittered(self._failures, first=0.2, most=_SELDOM_SECONDS)

    def begin_anew(self) -> None:
        """Be due at once: what failed under the membership before need not wait its turn under this one."""
        self._failures, self._next = 0, monotonic()
