"""A Pushgateway as far as a client can tell, and a cache for downloads."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from prometheus_client.parser import text_string_to_metric_families

Samples = dict[tuple[str, str], float]


class Gateway:
    """Remembers the metrics that were put last, and under which path."""

    def __init__(self) -> None:
        gateway = self
        self.path = ""
        self.samples: Samples = {}

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                gateway.path = self.path
                text = self.rfile.read(int(self.headers["Content-Length"])).decode()
                gateway.samples = {
                    (each.name.removeprefix("rpbert_trainer_"), ",".join(each.labels.values())): each.value
                    for family in text_string_to_metric_families(text)
                    for each in family.samples
                }
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    running = Gateway()
    yield running
    running.close()


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
