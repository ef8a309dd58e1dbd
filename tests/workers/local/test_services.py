"""The three services together."""

from __future__ import annotations

import pytest

from workers.local import kafka, services
from workers.local.errors import LocalServiceError
from workers.local.picture_host import PictureHost
from workers.local.services import LocalServices
from workers.local.valkey import ValkeyServer


def test_all_three_start_tell_what_they_do_and_stop() -> None:
    told: list[str] = []
    with LocalServices.start(progress=told.append) as running:
        assert running.kafka.running
        assert running.valkey.running
        assert running.pictures.url.startswith("http://127.0.0.1:")
    assert [service.running for service in (running.kafka, running.valkey)] == [False, False]
    assert any(line.startswith("Apache Kafka") and "ready" in line for line in told)
    assert any(line.startswith("Valkey: ready") for line in told)


def test_when_one_cannot_start_the_others_are_stopped_and_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[ValkeyServer] = []
    hosts: list[PictureHost] = []

    def no_java() -> None:
        raise LocalServiceError("Java is missing: install it")

    class RememberedValkey(ValkeyServer):
        def start(self) -> None:
            super().start()
            started.append(self)

    class RememberedHost(PictureHost):
        def start(self) -> None:
            super().start()
            hosts.append(self)

    monkeypatch.setattr(kafka, "java_executable", no_java)
    monkeypatch.setattr(services, "ValkeyServer", RememberedValkey)
    monkeypatch.setattr(services, "PictureHost", RememberedHost)
    with pytest.raises(LocalServiceError, match="Java is missing"):
        LocalServices.start()
    assert len(started) == len(hosts) == 1
    assert not started[0].running
    with pytest.raises(RuntimeError, match="not started"):
        _ = hosts[0].url
