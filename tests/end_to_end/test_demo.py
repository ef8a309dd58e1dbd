"""`rpbert demo` as a newcomer runs it, and with servers of the user's own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from tests.docs.commands import ROOT, outside_make, shown
from tests.interrupts import heed_interrupts
from tests.workers.viewer.client import OWN, Event, ask, events, posts
from workers.local import demo as demo_module
from workers.local.demo import Demo
from workers.local.kafka import KafkaCluster
from workers.local.samples import picture_bytes, sample_posts
from workers.local.valkey import ValkeyServer

SAMPLES = len(sample_posts(lambda name: f"http://host/{name}"))


@contextmanager
def started(*flags: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "workers.cli", "demo", *flags],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        preexec_fn=heed_interrupts,  # noqa: PLW1509 - it takes no lock
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_the_command_of_the_docs_ends_by_itself_with_every_post_out() -> None:
    (line,) = {command.line.partition("#")[0].strip() for command in shown() if command.begins("make demo")}
    done = subprocess.run(
        line.split(), cwd=ROOT, env=outside_make(), capture_output=True, text=True, timeout=170, check=False
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert f"{SAMPLES} posts in, {SAMPLES} out" in output
    assert "release small/" in output
    assert "missing.jpg: http error, text only" in output


def test_the_demo_uses_the_user_s_servers(kafka: KafkaCluster, valkey: ValkeyServer) -> None:
    with started("--bootstrap-servers", kafka.bootstrap_servers, "--redis-url", valkey.url) as process:
        output, _ = process.communicate(timeout=170)
    assert process.returncode == 0, output
    assert f"{SAMPLES} posts in, {SAMPLES} out" in output
    assert "starting one broker" not in output


def test_typed_and_written_posts_are_tagged_until_ctrl_c(kafka: KafkaCluster, valkey: ValkeyServer) -> None:
    seen = url = ""
    ended = False
    servers = ("--bootstrap-servers", kafka.bootstrap_servers, "--redis-url", valkey.url)
    with started("--stay", *servers) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in process.stdout:
            seen += line
            if "The live page" in line:
                url = line.split()[-1]
            if "or type a post" in line:
                process.stdin.write("Typed by hand from Reykjavik\n")
                process.stdin.flush()
                picture = ask(f"{url}/api/uploads", body=picture_bytes("rocket.jpg"), headers=OWN).content
                content = {"text": "Written in Oslo", "image_urls": [picture["url"]]}
                assert ask(f"{url}/api/posts", body=content, headers=OWN).status == 202
            if not ended and "Typed by hand" in seen and "Written in" in seen:
                with events(url) as stream:
                    (image,) = next(
                        found for event in posts(stream) if (found := _images(event, "Written in Oslo"))
                    )
                assert image["status"] == "ok"
                process.send_signal(signal.SIGINT)
                ended = True
        process.wait(timeout=60)
    assert "Typed by hand" in seen
    assert "Written in" in seen
    assert process.returncode == 0


def _images(event: Event, text: str) -> list[dict[str, object]]:
    """The images of the post of that text, if the event brings it."""
    return next((post["images"] for post in event.data["posts"] if post["text"] == text), [])


def test_a_missing_post_is_named(
    kafka: KafkaCluster, valkey: ValkeyServer, tiny_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_module, "_PATIENCE_SECONDS", 3.0)
    console = Console(record=True, width=200)
    with Demo(
        bootstrap_servers=kafka.bootstrap_servers,
        redis_url=valkey.url,
        release=str(tiny_release),
        progress=lambda _: None,
        console=console,
    ) as running:
        running.worker.kill()
        assert not running.run_samples(sample_posts(running.pictures.url_of)[:2])
    assert "missing after 3 s: sample-01, sample-02" in console.export_text()
