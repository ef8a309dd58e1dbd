"""Fixtures of the checks of `deploy/`."""

from __future__ import annotations

import pytest

from tests.deploy.manifests import OVERLAYS, Manifests, manifests


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> Manifests:
    """Each overlay in turn."""
    return manifests(request.param)


@pytest.fixture
def production() -> Manifests:
    """The overlay with every component."""
    return manifests("production")
