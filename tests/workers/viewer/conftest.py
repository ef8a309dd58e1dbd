"""A viewer over topics of its own, and a browser to look at it."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from kafka import KafkaAdminClient
from playwright.sync_api import Browser, Page, expect

from tests.browser import NoBrowser, chromium
from tests.workers.viewer.stand import Stand
from workers.local.kafka import KafkaCluster
from workers.settings import ViewerSettings
from workers.viewer.server import ViewerServer

# For a machine that is at other things as well; what is there already costs no time.
_PATIENCE_MS = 60_000
expect.set_options(timeout=_PATIENCE_MS)


@pytest.fixture(scope="module")
def stand(kafka: KafkaCluster) -> Stand:
    """Topics for the tests of one module, which tell their posts apart by their texts."""
    return make_stand(kafka)


@pytest.fixture
def empty_stand(kafka: KafkaCluster) -> Stand:
    """Topics of one test's own, for what is counted."""
    return make_stand(kafka)


def make_stand(kafka: KafkaCluster) -> Stand:
    """Three topics of nobody else's."""
    topics = (f"posts.{stem}.{uuid4().hex[:6]}" for stem in ("raw", "entities", "annotations"))
    stand = Stand(kafka.bootstrap_servers, *topics)
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    try:
        admin.create_topics(
            {name: {"num_partitions": 1} for name in (stand.raw, stand.entities, stand.annotations)},
            wait_for_metadata=True,
        )
    finally:
        admin.close()
    return stand


@pytest.fixture(scope="module")
def viewer(stand: Stand) -> Iterator[ViewerServer]:
    """One that may write, without a token and without pictures."""
    settings = ViewerSettings(
        kafka=stand.kafka, viewer_port=0, hide_pictures=True, allow_posts=True, allow_corrections=True
    )
    with ViewerServer(settings) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ended with the module: its event loop is in the way of the asynchronous tests of others."""
    try:
        with chromium() as running:
            yield running
    except NoBrowser as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page whose scripts must not fail and must keep within the policy."""
    context = browser.new_context(viewport={"width": 1280, "height": 860}, reduced_motion="reduce")
    opened = context.new_page()
    opened.set_default_timeout(_PATIENCE_MS)
    failures: list[str] = []
    opened.on("pageerror", lambda error: failures.append(str(error)))
    opened.on("console", lambda said: failures.append(said.text) if "Content Security" in said.text else None)
    yield opened
    context.close()
    assert failures == []
