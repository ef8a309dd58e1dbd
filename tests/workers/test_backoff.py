from itertools import pairwise

import pytest

from workers.backoff import jittered


@pytest.mark.parametrize(("failures", "most"), [(1, 0.2), (2, 0.4), (5, 3.2), (6, 5.0), (100_000, 5.0)])
def test_the_bound_doubles_until_it_stays(failures: int, most: float) -> None:
    waits = [jittered(failures, first=0.2, most=5.0) for _ in range(2_000)]
    assert all(0 <= wait <= most for wait in waits)
    assert max(waits) > 0.9 * most


def test_who_fails_together_does_not_come_back_together() -> None:
    waits = sorted(jittered(6, first=0.2, most=5.0) for _ in range(10))
    assert all(one != other for one, other in pairwise(waits))
