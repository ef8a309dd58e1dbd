import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from schemas import ImageStatus
from workers.tagger.pictures import values
from workers.tagger.pictures.answer import Validators
from workers.tagger.pictures.lead import Lead
from workers.tagger.pictures.picture import Features
from workers.tagger.pictures.values import (
    Foreign,
    pack_features,
    pack_lead,
    unpack_features,
    unpack_lead,
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
    for validators in (Validators(), Validators('W/"a"'), Validators(None, "Mon"), Validators('"b"', "Tue")):
        lead = Lead(1.5, content=CONTENT, validators=validators)
        assert unpack_lead(KEY, pack_lead(KEY, lead)) == lead
    for status in set(ImageStatus) - {ImageStatus.OK}:
        assert unpack_lead(KEY, pack_lead(KEY, Lead(2.5, failure=status))) == Lead(2.5, failure=status)


def test_ok_is_no_failure() -> None:
    with pytest.raises(Foreign):
        unpack_lead(KEY, pack_lead(KEY, Lead(1.0, failure=ImageStatus.OK)))


@pytest.mark.parametrize("until", [float("inf"), float("nan")])
def test_a_lead_without_end_is_foreign(until: float) -> None:
    with pytest.raises(Foreign):
        unpack_lead(KEY, pack_lead(KEY, Lead(until, content=CONTENT)))


def test_a_value_is_small() -> None:
    assert len(pack_lead(KEY, Lead(1.0, content=CONTENT))) == 65
    # Nine of ten features of a ReLU backbone are 0, mostly by channels.
    features = np.random.default_rng(0).standard_normal((49, 1280)).astype(np.float16)
    features[:, 128:] = 0
    assert len(pack_features(KEY, features)) < 15_000
    # What can't be made smaller is hardly larger.
    noise = np.random.default_rng(0).integers(0, 2**16, (49, 1280), np.uint16).view(np.float16)
    assert len(pack_features(KEY, noise)) < noise.nbytes + 100


def test_no_more_is_opened_than_a_picture_has() -> None:
    # Whoever may write to Redis can make the sum; a bomb must not be opened all the same.
    bomb = values._ARRAY.pack(b"<f2\0", *SHAPE) + zstandard.ZstdCompressor().compress(bytes(10_000_000))
    with pytest.raises(Foreign):
        unpack_features(KEY, values._seal(KEY, values._FEATURES, bomb), SHAPE)
    unsized = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(49 * 8 * 2))
    with pytest.raises(Foreign):
        unpack_features(KEY, values._seal(KEY, values._FEATURES, bomb[:10] + unsized), SHAPE)


def test_a_value_of_an_older_version_is_foreign() -> None:
    assert_foreign(b"RPB1" + WHOLE["content"][4:])


WHOLE = {
    "content": pack_lead(KEY, Lead(1.0, content=CONTENT, validators=Validators('"a"', "Mon"))),
    "failure": pack_lead(KEY, Lead(1.0, failure=ImageStatus.BROKEN)),
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


@given(st.one_of(st.binary(), st.binary().map(b"RPB2".__add__), st.text(), st.integers(), st.none()))
def test_any_other_value_is_foreign(value: object) -> None:
    assert_foreign(value)


def test_a_value_under_another_key_is_foreign() -> None:
    with pytest.raises(Foreign):
        unpack_lead(b"rpbert:url:1", WHOLE["content"])
    with pytest.raises(Foreign):
        unpack_features(b"rpbert:url:1", WHOLE["features"], SHAPE)


def test_a_value_of_another_kind_is_foreign() -> None:
    with pytest.raises(Foreign):
        unpack_lead(KEY, WHOLE["features"])
    for kind in ("content", "failure"):
        with pytest.raises(Foreign):
            unpack_features(KEY, WHOLE[kind], SHAPE)


def test_features_of_another_shape_are_foreign() -> None:
    for shape in ((49, 7), (48, 8), (8, 49)):
        with pytest.raises(Foreign):
            unpack_features(KEY, WHOLE["features"], shape)


def assert_foreign(value: object) -> None:
    with pytest.raises(Foreign):
        unpack_lead(KEY, value)
    with pytest.raises(Foreign):
        unpack_features(KEY, value, SHAPE)
