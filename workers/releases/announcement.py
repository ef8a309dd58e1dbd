"""What is written to `models.releases` when a channel has changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from typing import Final

from kafka import KafkaProducer
from kafka.errors import KafkaError

from model.store.channel import Entry
from model.store.store import ReleaseStore
from schemas import ModelRelease, ReleaseMark, ReleaseName
from workers import kafka_clients
from workers.acknowledged import Acknowledgements
from workers.errors import SetupError
from workers.settings import KafkaSettings
from workers.topics import forgets, topic_ids

Announcement = tuple[str, ModelRelease | None]
"""Key and record; None lifts a mark."""

_CLOSE_SECONDS: Final = 5.0


def announcements(store: ReleaseStore, channel: str) -> list[Announcement]:
    """What says where a channel points now: its record, and marks on what it was rolled back from.

    It follows from the channel as it stands in the store, so an announcement that failed is made good by
    the next one.

    Raises:
        ReleaseError: the channel is empty, or the store doesn't answer.
    """
    state = store.channel(channel)
    current = store.current(channel)
    before = state.withdrawn[-1] if state.withdrawn else state.previous
    pointer = _record(
        store, channel, current, by=current.pointed.by, reason=current.pointed.reason
    ).model_copy(
        update={
            "signature": store.sealed(current.release).signature,
            "replaces": before and ReleaseName(name=before.name, version=before.version),
        }
    )
    if state.withdrawn and (change := state.withdrawn[-1].withdrawn) is not None:
        pointer = pointer.model_copy(update={"announced_by": change.by, "reason": change.reason})
    marks = [
        _record(
            store,
            channel,
            entry,
            by=entry.withdrawn.by,
            reason=entry.withdrawn.reason,
            mark=ReleaseMark.ROLLED_BACK,
        )
        for entry in state.withdrawn
        if entry.withdrawn is not None
    ]
    lifted: Announcement = (str(current.release), None)
    return [(each.key, each) for each in (pointer, *marks)] + [lifted]


def refusal(store: ReleaseStore, channel: str, entry: Entry, *, by: str, reason: str) -> Announcement:
    """What says that a release is not to be served from a channel: whoever follows it goes back."""
    mark = _record(store, channel, entry, by=by, reason=reason, mark=ReleaseMark.REFUSED)
    return mark.key, mark


class Announcer:
    """Writes announcements, those of a change in one transaction."""

    def __init__(self, producer: KafkaProducer, topic: str) -> None:
        """Take over from any other announcer of the topic (KIP-98).

        Args:
            producer: of the topic's transactional id.
            topic: of the announcements.

        Raises:
            kafka.errors.KafkaError: the transaction coordinator can't be had.
        """
        self._producer = producer
        self._topic = topic
        self._acknowledged = Acknowledgements()
        producer.init_transactions()

    @classmethod
    @contextmanager
    def connected(cls, settings: KafkaSettings) -> Iterator[Announcer]:
        """An announcer, after it has been seen that it can announce.

        Raises:
            SetupError: no broker answers, the topic is missing or forgets, or Kafka refuses.
        """
        with ExitStack() as stack:
            try:
                with closing(kafka_clients.admin(settings)) as admin:
                    topic_ids(admin, [settings.release_topic])
                    forgetful = forgets(admin, settings.release_topic)
                producer = kafka_clients.announcing_producer(settings)
                stack.callback(producer.close, timeout=_CLOSE_SECONDS)
                announcer = cls(producer, settings.release_topic)
            except KafkaError as error:
                raise SetupError(
                    f"Kafka lets nothing be announced on {settings.release_topic} ({type(error).__name__}), "
                    "so nothing was changed; check the right to write there with the transactional id "
                    f"rpbert-releases-{settings.release_topic}"
                ) from error
            if forgetful:
                raise SetupError(
                    f"{settings.release_topic} has a cleanup.policy that deletes, and would forget which "
                    "release is served; set it to compact by kafka-configs --alter --add-config "
                    "cleanup.policy=compact"
                )
            yield announcer

    def announce(self, records: Sequence[Announcement]) -> None:
        """Write announcements; readers with `read_committed` see all of them or none.

        Raises:
            kafka.errors.KafkaError: Kafka did not take them.
        """
        with kafka_clients.told_by_us():
            self._producer.begin_transaction()
            futures = []
            try:
                for key, record in records:
                    value = None if record is None else record.model_dump_json().encode()
                    futures.append(self._producer.send(self._topic, value=value, key=key.encode()))
                self._acknowledged.wait(futures)
                self._producer.commit_transaction()
            except BaseException:
                with suppress(KafkaError):
                    self._producer.abort_transaction()
                raise


def _record(
    store: ReleaseStore,
    channel: str,
    entry: Entry,
    *,
    by: str,
    reason: str,
    mark: ReleaseMark | None = None,
) -> ModelRelease:
    return ModelRelease(
        name=entry.name,
        version=entry.version,
        channel=channel,
        location=f"{store.url}/{entry.release}",
        manifest_sha256=entry.manifest_sha256,
        announced_at=datetime.now(UTC),
        announced_by=by,
        reason=reason,
        mark=mark,
    )
