from collections.abc import Callable

import numpy as np
import pytest

from schemas import ImageStatus
from workers.metrics import Metrics
from workers.tagger.pictures.lead import Lead
from workers.tagger.pictures.local_tier import LocalTier

# 98 KB each: ten fit in a megabyte.
FEATURES = np.ones((49, 1_000), np.float16)


def test_the_least_recently_used_gives_way(metrics: Metrics, count: Callable[..., float]) -> None:
    tier = LocalTier(1, metrics)
    for number in range(10):
        tier.keep_features(str(number), FEATURES)
    assert tier.features("0") is FEATURES
    tier.keep_features("10", FEATURES)
    assert tier.features("1") is None
    assert all(tier.features(str(number)) is not None for number in (0, *range(2, 11)))
    assert count("cache_local_bytes") == 10 * FEATURES.nbytes


def test_a_picture_is_known_by_each_url_that_led_to_it(metrics: Metrics) -> None:
    tier = LocalTier(1, metrics)
    for url in ("a", "b"):
        tier.keep_lead(url, Lead(2e9, content="c"))
    assert tier.recall("a").content == "c"
    assert not tier.recall("a").settled
    tier.keep_features("c", FEATURES)
    assert all(tier.recall(url).settled for url in ("a", "b"))
    assert tier.recall("unknown").lead is None


def test_a_lead_whose_time_is_over_settles_nothing(metrics: Metrics) -> None:
    tier = LocalTier(1, metrics)
    tier.keep_lead("a", Lead(1.0, content="c"))
    tier.keep_features("c", FEATURES)
    memory = tier.recall("a")
    assert not memory.settled
    assert memory.content is None
    assert memory.features is FEATURES
    tier.keep_lead("b", Lead(1.0, failure=ImageStatus.TIMEOUT))
    assert tier.recall("b").failure is None
    assert not tier.recall("b").settled


def test_one_picture_of_a_batch_does_not_hold_the_others_in_memory(metrics: Metrics) -> None:
    tier = LocalTier(1, metrics)
    batch = np.ones((8, 49, 1_000), np.float16)
    tier.keep_features("a", batch[0])
    kept = tier.features("a")
    assert kept is not None
    assert kept.base is None


@pytest.mark.parametrize("megabytes", [0, 1])
def test_what_is_larger_than_the_tier_is_not_kept(metrics: Metrics, megabytes: int) -> None:
    tier = LocalTier(megabytes, metrics)
    tier.keep_features("a", np.ones((49, 20_000), np.float16))
    assert tier.features("a") is None
    tier.keep_lead("b", Lead(2e9, content="c"))
    assert (tier.recall("b").lead is None) == (megabytes == 0)
