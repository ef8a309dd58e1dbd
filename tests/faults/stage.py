"""The system under fault: brokers, Redis, pictures, and workers that come and go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

from kafka import KafkaAdminClient
from kafka.errors import KafkaError
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from tests.pipeline import told
from workers.local.kafka import KafkaCluster
from workers.local.valkey import ValkeyServer
from workers.local.worker_process import RPBERT_WORKER, WorkerProcess

_HEAL_SECONDS: Final = 120.0


class _NotYet(Exception):
    """A condition that is waited for does not hold yet."""


@dataclass
class Stage:
    """What a run acts on. Workers named `pod-N` come back under their name, as in a StatefulSet.

    Attributes:
        kafka: The brokers.
        valkey: Redis.
        release: The release's directory.
        topics: Input, results, dead letters.
        partitions: How many each has.
        directory: Where the workers log.
        flags: Flags for every worker.
        program: What runs as a worker.
        workers: Those there are now, by name.
        ended: What each worker said that ended by itself.
        stack: Ends what was started.
    """

    kafka: KafkaCluster
    valkey: ValkeyServer
    release: Path
    topics: tuple[str, str, str]
    partitions: int
    directory: Path
    flags: Sequence[str] = ()
    program: Sequence[str] = RPBERT_WORKER
    workers: dict[str, WorkerProcess] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    stack: ExitStack = field(default_factory=ExitStack)
    _names: Any = field(default_factory=count)

    def add_pods(self, number: int, *, static: bool = True) -> None:
        """Start workers, all at once, and wait for them.

        Args:
            number: How many.
            static: Whether the group knows them by a name that outlives them (KIP-345).
        """
        for index in range(number):
            self._launch(f"pod-{index}", *(("--group-instance-id", f"pod-{index}") if static else ()))
        for worker in self.workers.values():
            worker.wait_ready()

    def join(self) -> str:
        """Start a worker of no lasting name and return without waiting; gives its name here."""
        name = f"guest-{next(self._names)}"
        self._launch(name)
        return name

    def visit(self) -> None:
        """A worker of no lasting name joins, and leaves once the others have given it partitions."""
        name = self.join()
        _wait(partial(_has_partitions, self.workers[name].wait_ready()))
        self.leave(name)

    def leave(self, name: str) -> WorkerProcess:
        """End a worker by SIGTERM, for good."""
        worker = self.workers.pop(name)
        worker.stop()
        return worker

    def kill(self, target: int) -> str:
        """End a working member by SIGKILL and start it again without waiting.

        Args:
            target: Which one, modulo their number; one that is only starting is passed over.

        Returns:
            Its name.
        """
        chosen: list[str] = []

        def find() -> None:
            self.mend()
            names = sorted(self.workers)
            turn = target % len(names)
            chosen.extend(name for name in names[turn:] + names[:turn] if self.workers[name].ready)
            if not chosen:
                raise _NotYet

        _wait(find)
        victim = self.workers[chosen[0]]
        victim.kill()
        victim.launch()
        return chosen[0]

    def mend(self) -> None:
        """Start again every worker that has ended by itself, as Kubernetes would; `ended` tells of each."""
        for name, worker in self.workers.items():
            if not worker.running:
                worker.stop()
                self.ended.append(f"{name}, status {worker.exit_status}: {last_line(worker.log_path)}")
                worker.launch()

    def end(self) -> None:
        """End every worker in order, all at once."""
        with ThreadPoolExecutor(len(self.workers)) as pool:
            list(pool.map(WorkerProcess.stop, self.workers.values()))

    def restart_broker(self, index: int, *, orderly: bool) -> None:
        """Stop or kill one broker, start it again, and wait until every replica is in sync once more."""
        broker = self.kafka.brokers[index]
        if orderly:
            broker.stop()
        else:
            broker.kill()
        broker.start()
        _wait(self._whole)

    def _launch(self, name: str, *own: str) -> None:
        raw, entities, dead = self.topics
        worker = WorkerProcess(
            [
                *("--bootstrap-servers", self.kafka.bootstrap_servers, "--group-id", raw),
                *("--input-topic", raw, "--output-topic", entities, "--dead-letter-topic", dead),
                *("--redis-url", self.valkey.url, "--release", str(self.release), "--dtype", "float32"),
                *("--allow-network", "127.0.0.0/8"),
                *own,
                *self.flags,
            ],
            self.directory / f"{name}.log",
            name=name,
            program=self.program,
        ).launch()
        self.workers[name] = worker
        self.stack.callback(worker.stop)

    def _whole(self) -> None:
        try:
            admin = KafkaAdminClient(bootstrap_servers=self.kafka.bootstrap_servers)
            try:
                described = admin.describe_topics(list(self.topics))
            finally:
                admin.close()
        except KafkaError as error:
            raise _NotYet from error
        for topic in described:
            for partition in topic["partitions"]:
                if len(partition["isr_nodes"]) < len(self.kafka.brokers):
                    raise _NotYet


def _wait(check: Callable[[], None]) -> None:
    Retrying(
        retry=retry_if_exception_type(_NotYet), stop=stop_after_delay(_HEAL_SECONDS), wait=wait_fixed(0.2)
    )(check)


def _has_partitions(worker: WorkerProcess) -> None:
    if not told(worker, "assigned_partitions"):
        raise _NotYet


def last_line(log: Path) -> str:
    """What a process has logged last."""
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it logged nothing"
