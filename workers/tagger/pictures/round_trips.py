"""Commands of all posts on their way to Redis: those that wait at the same moment go together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

from workers.metrics import Metrics
from workers.tagger.pictures.connection import Command, Connection

# A round trip of 128 features is about 2 MB; what still may wait to be written, about 10 MB.
_MOST_COMMANDS: Final = 128
_MOST_WRITES: Final = 512

_Answers = list[object] | None


class RoundTrips:
    """One round trip at a time; what comes up meanwhile goes with the next, so load makes batches larger."""

    def __init__(self, connection: Connection, metrics: Metrics) -> None:
        self._connection: Final = connection
        self._metrics: Final = metrics
        self._questions: Final[deque[tuple[Sequence[Command], asyncio.Future[_Answers]]]] = deque()
        self._writes: Final[dict[str | bytes | int, Command]] = {}
        self._something_waits: Final = asyncio.Event()

    @property
    def writable(self) -> bool:
        """Whether there is a point in sending anything but reads."""
        return self._connection.writable

    async def ask(self, commands: Sequence[Command]) -> _Answers:
        """What Redis answers to each command, errors of single ones among it; None without Redis."""
        if not commands or not self._connection.readable:
            return None
        answer: asyncio.Future[_Answers] = asyncio.get_running_loop().create_future()
        self._questions.append((commands, answer))
        self._something_waits.set()
        return await answer

    def write(self, command: Command) -> None:
        """Send a command behind; of two for one key the later, and none at all while too many wait."""
        if self._connection.writable and len(self._writes) < _MOST_WRITES:
            self._writes[command[1]] = command
            self._something_waits.set()

    async def run(self) -> None:
        """Send what waits, for ever; run it as a task."""
        while True:
            await self._something_waits.wait()
            commands: list[Command] = []
            asked: list[tuple[asyncio.Future[_Answers], slice]] = []
            while self._questions and len(commands) < _MOST_COMMANDS:
                question, answer = self._questions.popleft()
                asked.append((answer, slice(len(commands), len(commands) + len(question))))
                commands += question
            for key in list(self._writes)[: max(0, _MOST_COMMANDS - len(commands))]:
                commands.append(self._writes.pop(key))
            if not self._questions and not self._writes:
                self._something_waits.clear()
            with self._metrics.stage("cache"):
                answers = await self._connection.run(commands)
            for answer, part in asked:
                if not answer.done():
                    answer.set_result(None if answers is None else answers[part])
