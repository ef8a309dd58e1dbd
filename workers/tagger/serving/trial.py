"""A release on trial: it serves a share of the keys, and is measured against the served one meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

from model.inference import Tagging
from workers.settings import CandidateSettings
from workers.tagger.serving.served import Served
from workers.tagger.serving.share import gets_a_share
from workers.tagger.serving.verdict import Record, Verdict, judge


class Trial:
    """Counts what both releases do from its beginning on. Guarded by whoever has it."""

    def __init__(self, served: Served, salt: str, settings: CandidateSettings) -> None:
        """Begin.

        Args:
            served: the release on trial.
            salt: draws the keys that get it; the same in every worker.
            settings: their share, and the bounds.
        """
        self.served = served
        self._salt = salt
        self._settings = settings
        self._records = {True: Record(), False: Record()}

    def begun_anew(self) -> Trial:
        """The same trial with nothing counted."""
        return Trial(self.served, self._salt, self._settings)

    def gets(self, key: bytes) -> bool:
        """Whether the posts of a key are tagged by the release on trial."""
        return gets_a_share(key, self._salt, self._settings.canary_share)

    def tagged(self, served: Served, taggings: Sequence[Tagging], seconds: float) -> Verdict | None:
        """Count a batch; how it stands now."""
        record = self._records[served is self.served]
        for tagging in taggings:
            record = record.tagged(seconds, [entity.score for entity in tagging.entities])
        return self._count(served, record)

    def failed(self, served: Served) -> Verdict | None:
        """Count a post that a release's model failed on; how it stands now."""
        return self._count(served, self._records[served is self.served].failed())

    def _count(self, served: Served, record: Record) -> Verdict | None:
        self._records[served is self.served] = record
        return judge(self._records[True], self._records[False], self._settings)
