"""Faust, its maintained fork, exactly once: `python -m bench.peers.faust_agent --servers ...`.

The agent takes what has come, as its documentation has it for batches, and computes in a
thread, so that the event loop goes on with its heartbeats.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any, Final

import faust

from bench.peers.function import TagFunction
from bench.peers.place import COMMIT_SECONDS, SESSION_MS, told

_AT_ONCE: Final = 32
_WITHIN_SECONDS: Final = 0.02


def main() -> None:
    """Run for ever."""
    place = told()
    tag = TagFunction(place.features)
    app = faust.App(
        place.group,
        broker=f"kafka://{place.servers}",
        datadir=str(place.directory),
        store="memory://",
        processing_guarantee="exactly_once",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=SESSION_MS / 1_000,
        broker_heartbeat_interval=1.0,
        broker_commit_interval=COMMIT_SECONDS,
        producer_acks=-1,
        producer_linger=0.005,
    )
    source = app.topic(place.source, key_serializer="raw", value_serializer="raw")
    results = app.topic(place.results, key_serializer="raw", value_serializer="raw")

    async def work(stream: Any) -> None:
        async for events in stream.take_events(_AT_ONCE, within=_WITHIN_SECONDS):
            made = await asyncio.to_thread(tag, [event.value for event in events])
            sent = [
                await results.send(key=event.key, value=value)
                for event, value in zip(events, made, strict=True)
            ]
            await asyncio.gather(*sent)

    app.agent(source)(work)
    sys.argv[1:] = ["worker", "--loglevel", "warn"]
    # Its command line looks for a project in the working directory otherwise.
    os.environ["F_DATADIR"] = str(place.directory)
    app.main()


if __name__ == "__main__":
    main()
