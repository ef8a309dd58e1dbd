"""Quix Streams, exactly once: `python -m bench.peers.quix --servers ...`.

A step of its takes one message; its windows could gather several, but by key and on a state of their own.
"""

from __future__ import annotations

from quixstreams import Application

from bench.peers.function import TagFunction
from bench.peers.place import COMMIT_SECONDS, SESSION_MS, told


def main() -> None:
    """Run for ever."""
    place = told()
    tag = TagFunction(place.features)
    app = Application(
        broker_address=place.servers,
        consumer_group=place.group,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_interval=COMMIT_SECONDS,
        auto_create_topics=False,
        use_changelog_topics=False,
        state_dir=place.directory,
        consumer_extra_config={
            "session.timeout.ms": SESSION_MS,
            "heartbeat.interval.ms": 1_000,
            "fetch.wait.max.ms": 50,
        },
        # The default of a minute is how long readers wait behind a transaction whose producer was killed.
        producer_extra_config={"transaction.timeout.ms": SESSION_MS, "linger.ms": 5},
    )
    source = app.topic(place.source, key_deserializer="bytes", value_deserializer="bytes")
    results = app.topic(place.results, key_serializer="bytes", value_serializer="bytes")
    app.dataframe(source).apply(lambda value: tag([value])[0]).to_topic(results)
    app.run()


if __name__ == "__main__":
    main()
