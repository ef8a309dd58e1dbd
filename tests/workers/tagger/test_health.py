import socket
from collections.abc import Iterator
from time import monotonic
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from workers.errors import SetupError
from workers.metrics import Metrics
from workers.tagger.health import Health, HealthServer


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def server(health: Health) -> Iterator[HealthServer]:
    serving = HealthServer(health, Metrics().registry, "127.0.0.1", 0)
    yield serving
    serving.close()


def status(server: HealthServer, path: str) -> int:
    try:
        with urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as answer:
            return int(answer.status)
    except HTTPError as error:
        error.close()
        return error.code


def test_a_worker_that_starts_is_live_and_not_ready(server: HealthServer) -> None:
    paths = ("/health/live", "/health/startup", "/health/ready")
    assert [status(server, path) for path in paths] == [200, 503, 503]


def test_ready_means_started_and_in_the_group(server: HealthServer, health: Health) -> None:
    health.started = True
    assert status(server, "/health/startup") == 200
    assert status(server, "/health/ready") == 503
    health.member = True
    assert status(server, "/health/ready") == 200


def test_a_loop_that_hangs_is_neither_live_nor_ready(server: HealthServer, health: Health) -> None:
    health.started = health.member = True
    health.turned = monotonic() - 120
    assert status(server, "/health/live") == 503
    assert status(server, "/health/ready") == 503


def test_metrics_are_served_as_prometheus_reads_them(server: HealthServer) -> None:
    with urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert "# TYPE rpbert_posts_received_total counter" in text
    assert "process_resident_memory_bytes" in text


def test_a_taken_port_is_said_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SetupError, match=f"127.0.0.1:{port} can't be opened .* --metrics-port"):
            HealthServer(Health(), Metrics().registry, "127.0.0.1", port)
