"""What may be committed: per partition, the finished jobs up to the first unfinished offset."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice, takewhile

from kafka import TopicPartition

from workers.tagger.job import Job


@dataclass(frozen=True, slots=True)
class Prefix:
    """Finished jobs in the order of their offsets, and where their partitions then stand."""

    jobs: tuple[Job, ...]
    offsets: dict[TopicPartition, int]


class Checkpoint:
    """Jobs between intake and commit, in the order of their offsets.

    A job leaves only by `committed` or `drop`: a commit that fails leaves everything in place, so that the
    next one carries it again and nothing needs to be read or computed twice.

    Attributes:
        weight: about how many bytes the jobs in it hold.
    """

    def __init__(self) -> None:
        self._jobs: dict[TopicPartition, deque[Job]] = {}
        self.weight = 0

    def __len__(self) -> int:
        return sum(map(len, self._jobs.values()))

    @property
    def finished(self) -> int:
        """Jobs that wait for their commit."""
        return sum(job.finished for waiting in self._jobs.values() for job in waiting)

    @property
    def oldest(self) -> float | None:
        """When the oldest record of it was written, in seconds of Unix time; None if it is empty."""
        return min((waiting[0].written for waiting in self._jobs.values() if waiting), default=None)

    def begin(self, job: Job) -> None:
        """Take in a job; jobs of one partition come in the order of their offsets."""
        self._jobs.setdefault(job.partition, deque()).append(job)
        self.weight += job.weight

    def ready(self, most: int) -> Prefix:
        """What can be committed now, of it at most so many jobs."""
        jobs: list[Job] = []
        offsets: dict[TopicPartition, int] = {}
        for partition, waiting in self._jobs.items():
            finished = list(islice(takewhile(lambda job: job.finished, waiting), most - len(jobs)))
            if finished:
                jobs += finished
                offsets[partition] = finished[-1].source.offset + 1
        return Prefix(tuple(jobs), offsets)

    def committed(self, prefix: Prefix) -> None:
        """Let go of what Kafka has taken; jobs of partitions dropped since then are gone already."""
        for job in prefix.jobs:
            waiting = self._jobs.get(job.partition)
            if waiting and waiting[0] is job:
                waiting.popleft()
                self.weight -= job.weight

    def unfinished(self, partitions: Iterable[TopicPartition]) -> bool:
        """Whether a job of these partitions is still under way."""
        return any(not job.finished for partition in partitions for job in self._jobs.get(partition, ()))

    def drop(self, partitions: Iterable[TopicPartition]) -> None:
        """Forget partitions that are no longer ours; what still finishes for them goes nowhere."""
        for partition in partitions:
            self.weight -= sum(job.weight for job in self._jobs.pop(partition, ()))
