import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from schemas import ImageStatus
from workers.tagger.pictures.picture import Features
from workers.tagger.pictures.values import (
    Foreign,
    pack_content,
    pack_failure,
    pack_features,
    unpack_features,
    unpack_url,
)

KEY = b"rpbert:url:0"
CONTENT = "ab" * 32
SHAPE = (49, 8)


@given(hnp.arrays(np.float16, SHAPE, elements=hnp.from_dtype(np.dtype(np.float16))))
def test_features_come_back_bit_for_bit(features: Features) -> None:
    back = unpack_features(KEY, pack_features(KEY, features), SHAPE)
    assert back.dtype == np.float16
    assert back.shape == SHAPE
    assert back.tobytes() == features.tobytes()
    assert not back.flags.writeable


def test_features_of_another_layout_in_memory_come_back_alike() -> None:
    features = np.asfortranarray(np.arange(49 * 8, dtype=np.float16).reshape(SHAPE))
    assert np.array_equal(unpack_features(KEY, pack_features(KEY, features), SHAPE), features)


def test_a_url_leads_to_what_was_kept() -> None:
    assert unpack_url(KEY, pack_content(KEY, CONTENT)) == CONTENT
    for status in set(ImageStatus) - {ImageStatus.OK}:
        assert unpack_url(KEY, pack_failure(KEY, status)) is status


def test_ok_is_no_failure() -> None:
    with pytest.raises(Foreign):
        unpack_url(KEY, pack_failure(KEY, ImageStatus.OK))


def test_a_value_is_small() -> None:
    assert len(pack_content(KEY, CONTENT)) == 53
    assert len(pack_features(KEY, np.zeros((49, 1280), np.float16))) == 49 * 1280 * 2 + 31


WHOLE = {
    "content": pack_content(KEY, CONTENT),
    "failure": pack_failure(KEY, ImageStatus.BROKEN),
    "features": pack_features(KEY, np.ones(SHAPE, np.float16)),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_one_changed_byte_anywhere_makes_a_value_foreign(kind: str) -> None:
    whole = WHOLE[kind]
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        assert_foreign(bytes(damaged))


@pytest.mark.parametrize("kind", WHOLE)
def test_a_cut_or_prolonged_value_is_foreign(kind: str) -> None:
    whole = WHOLE[kind]
    for end in range(len(whole)):
        assert_foreign(whole[:end])
    assert_foreign(whole + b"\0")


@given(st.one_of(st.binary(), st.binary().map(b"RPB1".__add__), st.text(), st.integers(), st.none()))
def test_any_other_value_is_foreign(value: object) -> None:
    assert_foreign(value)


def test_a_value_under_another_key_is_foreign() -> None:
    with pytest.raises(Foreign):
        unpack_url(b"rpbert:url:1", WHOLE["content"])
    with pytest.raises(Foreign):
        unpack_features(b"rpbert:url:1", WHOLE["features"], SHAPE)


def test_a_value_of_another_kind_is_foreign() -> None:
    with pytest.raises(Foreign):
        unpack_url(KEY, WHOLE["features"])
    for kind in ("content", "failure"):
        with pytest.raises(Foreign):
            unpack_features(KEY, WHOLE[kind], SHAPE)


def test_features_of_another_shape_are_foreign() -> None:
    for shape in ((49, 7), (48, 8), (8, 49)):
        with pytest.raises(Foreign):
            unpack_features(KEY, WHOLE["features"], shape)


def assert_foreign(value: object) -> None:
    with pytest.raises(Foreign):
        unpack_url(KEY, value)
    with pytest.raises(Foreign):
        unpack_features(KEY, value, SHAPE)
