"""ImageNet's own classifier; its package is part of the development environment."""

from __future__ import annotations

import pytest
from torch import nn

from model import pretrained
from model.alignment.imagined import ImaginedClasses
from model.config import PRESETS


@pytest.fixture(scope="session")
def classifier() -> nn.Linear:
    return pretrained.classifier(PRESETS["small"])


@pytest.fixture(scope="session")
def classes(classifier: nn.Linear) -> ImaginedClasses:
    return ImaginedClasses(classifier, range(5, 1000, 5))
