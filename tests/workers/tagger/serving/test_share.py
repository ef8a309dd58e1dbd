from hypothesis import given
from hypothesis import strategies as st

from workers.tagger.serving.share import gets_a_share

AUTHORS = [f"author {number}".encode() for number in range(20_000)]


@given(st.binary(), st.text(max_size=64), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_holds_all_keys_of_a_smaller_one(
    key: bytes, salt: str, one: float, other: float
) -> None:
    small, large = sorted((one, other))
    assert gets_a_share(key, salt, large) or not gets_a_share(key, salt, small)


@given(st.binary(), st.text(max_size=64))
def test_nobody_is_in_no_share_and_everybody_in_the_whole(key: bytes, salt: str) -> None:
    assert not gets_a_share(key, salt, 0.0)
    assert gets_a_share(key, salt, 1.0)


def test_a_share_is_that_share_of_the_keys_and_another_release_has_others() -> None:
    one, other = ([gets_a_share(key, salt, 0.1) for key in AUTHORS] for salt in ("a" * 64, "b" * 64))
    assert 0.09 < sum(one) / len(AUTHORS) < 0.11
    both = sum(first and second for first, second in zip(one, other, strict=True))
    assert 0.005 < both / len(AUTHORS) < 0.015
