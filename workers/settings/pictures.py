"""How pictures are fetched, decoded and remembered."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from pydantic import Field, IPvAnyNetwork, StringConstraints

from workers.settings.base import HEADER_TEXT, Settings
from workers.settings.groups import PICTURES

HostName = Annotated[
    str,
    StringConstraints(
        to_lower=True, pattern=r"^(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z_](?:[A-Za-z0-9_-]{0,62})$", max_length=253
    ),
]
"""A host's name, punycode for one in another script; an address is no name, `allow_network` takes it."""


@Parameter(name="*", group=PICTURES)
class PictureSettings(Settings):
    """How pictures are fetched, decoded and remembered."""

    redis_url: str | None = Field(
        "redis://localhost:6379/0",
        description="Redis for picture features: redis://, rediss://, unix://, redis+cluster://host:port,... "
        "or redis+sentinel://host:port,.../master; empty to go without.",
    )
    allow_network: tuple[IPvAnyNetwork, ...] = Field(
        (), description="Private network that pictures may come from, as a CIDR; may be repeated."
    )
    allow_host: tuple[HostName, ...] = Field(
        (),
        description="Host that pictures may come from wherever its name leads, on any port; may be repeated. "
        "Only for names whose DNS is yours.",
    )
    fetch_timeout: float = Field(5.0, gt=0, le=60, description="Seconds for one picture, redirects included.")
    fetch_connect_timeout: float = Field(2.0, gt=0, le=60, description="Seconds for one connection.")
    fetch_read_timeout: float = Field(3.0, gt=0, le=60, description="Seconds a host may send nothing.")
    fetch_wait: float = Field(
        15.0, gt=0, le=300, description="Seconds a picture may wait for its turn to be fetched."
    )
    fetch_max_bytes: int = Field(10_000_000, ge=1_024, description="Bytes a picture may have.")
    fetch_concurrency: int = Field(64, ge=1, description="Pictures fetched at a time.")
    fetch_per_host: int = Field(8, ge=1, description="Connections to one host at a time.")
    fetch_host_failures: int = Field(
        5, ge=1, description="Failures in a row after which a host is left alone for fetch_host_rest."
    )
    fetch_host_rest: float = Field(30.0, gt=0, le=3_600, description="Seconds a failing host is left alone.")
    fetch_host_rest_max: float = Field(
        120.0,
        gt=0,
        le=3_600,
        description="Most seconds a host is left alone because its Retry-After asks so.",
    )
    fetch_user_agent: str = Field(
        "rpbert-stream/0.1",
        pattern=HEADER_TEXT,
        max_length=256,
        description="User-Agent sent to picture hosts.",
    )
    fetch_contact: str | None = Field(
        None,
        pattern=HEADER_TEXT,
        max_length=256,
        description="URL or mail address where picture hosts reach you, sent with the User-Agent.",
    )
    max_pixels: int = Field(50_000_000, ge=1, description="Pixels a picture may have once decoded.")
    decode_processes: int = Field(2, ge=1, description="Processes that decode pictures.")
    decode_timeout: float = Field(10.0, gt=0, le=300, description="Seconds for decoding one picture.")
    decode_max_memory_mb: int = Field(
        1_024, ge=64, description="Megabytes that decoding one picture may take, on Linux."
    )
    local_cache_mb: int = Field(
        128, ge=0, description="Megabytes of picture features in the worker's own memory, in front of Redis."
    )
    flight_wait: float = Field(
        10.0,
        ge=0,
        le=60,
        description="Seconds to wait for a picture that another worker is at; then it is had here as well.",
    )
    cache_timeout: float = Field(0.25, gt=0, description="Seconds to wait for Redis before going on without.")
    feature_ttl: int = Field(86_400, ge=1, description="Seconds a picture's features stay in Redis.")
    url_ttl: int = Field(3_600, ge=1, description="Seconds a URL is taken to lead to the same picture.")
    failure_ttl: int = Field(
        60, ge=1, description="Seconds a picture that can't be had isn't asked for again."
    )


class OwnPictureSettings(PictureSettings):
    """Those of a command that fetches for itself: it shares no cache unless it is told to."""

    redis_url: str | None = Field(
        None, description="Redis to look for picture features in, as `rpbert worker` takes it; none if unset."
    )
