from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import cast

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from workers.tagger.pictures.answer import Validators, retry_after


class Answer:
    """The headers of an answer, which is all that is read."""

    def __init__(self, **headers: str) -> None:
        self.headers = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})


def answer(**headers: str) -> aiohttp.ClientResponse:
    return cast("aiohttp.ClientResponse", Answer(**headers))


@pytest.mark.parametrize(
    ("text", "seconds"), [("120", 120.0), (" 5 ", 5.0), ("0", None), ("", None), ("-5", None), ("soon", None)]
)
def test_a_host_names_its_rest_in_seconds(text: str, seconds: float | None) -> None:
    assert retry_after(answer(Retry_After=text)) == seconds


@pytest.mark.parametrize("zone", ["GMT", "-0000"])
def test_a_host_names_its_rest_by_a_date(zone: str) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=3_600), usegmt=True).replace("GMT", zone)
    seconds = retry_after(answer(Retry_After=date))
    assert seconds is not None
    assert 3_000 < seconds <= 3_600


def test_a_date_gone_by_asks_for_no_rest() -> None:
    assert retry_after(answer(Retry_After="Mon, 01 Jan 2001 00:00:00 GMT")) is None
    assert retry_after(answer()) is None


@pytest.mark.attack("any text as Retry-After", "read or left")
@settings(deadline=None)
@given(
    st.one_of(
        st.text(max_size=60), st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ [+-]\d+")
    )
)
def test_whatever_a_host_writes_there_is_read_or_left(text: str) -> None:
    seconds = retry_after(answer(Retry_After=text))
    assert seconds is None or seconds > 0


def test_validators_are_sent_back_as_they_came() -> None:
    given_ = Validators.of(answer(ETag='W/"a b"', Last_Modified="Mon, 01 Jan 2001 00:00:00 GMT"))
    assert given_.request_headers() == {
        "If-None-Match": 'W/"a b"',
        "If-Modified-Since": "Mon, 01 Jan 2001 00:00:00 GMT",
    }
    assert given_
    assert not Validators()
    assert Validators().request_headers() == {}
