"""`rpbert local up` gives a developer what a worker needs, and takes it away again."""

import signal
import subprocess
import sys

from kafka import KafkaAdminClient
from redis import Redis

from tests.interrupts import heed_interrupts
from workers.local.ports import accepts


def test_services_run_until_they_are_told_to_stop() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "workers.cli", "local", "up", "--partitions", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=heed_interrupts,  # noqa: PLW1509 - it takes no lock
    )
    assert process.stdout is not None
    settings = dict(process.stdout.readline().removeprefix("export ").strip().split("=", 1) for _ in range(3))
    assert settings["RPBERT_ALLOW_NETWORK"] == "127.0.0.0/8"

    servers = settings["RPBERT_BOOTSTRAP_SERVERS"]
    admin = KafkaAdminClient(bootstrap_servers=servers)
    topics = {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics()}
    admin.close()
    assert {name: topics[name] for name in ("posts.raw", "posts.entities", "posts.dlq")} == {
        "posts.raw": 2,
        "posts.entities": 2,
        "posts.dlq": 2,
    }
    with Redis.from_url(settings["RPBERT_REDIS_URL"]) as cache:
        assert cache.ping()

    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 0
    process.stdout.close()
    assert not accepts(int(servers.rpartition(":")[2]))
