"""The way of a picture: from its host to here, past the guard."""

from __future__ import annotations

from time import monotonic
from typing import Final

from aiohttp.resolver import ThreadedResolver

from schemas import ImageStatus
from workers.doctor.finding import Check, Finding, fail, ok
from workers.metrics import Metrics
from workers.settings import PictureSettings
from workers.tagger.pictures.fetch import Fetcher
from workers.tagger.pictures.guard import Guard, Refused
from workers.tagger.pictures.picture import NoPicture

_STATUS_DO: Final = {
    ImageStatus.BAD_URL: "give an http or https URL without user and password",
    ImageStatus.REFUSED: "open its network by --allow-network or its name by --allow-host, if it is yours",
    ImageStatus.UNREACHABLE: "look at DNS and firewall; the environment's proxies are not used",
    ImageStatus.TIMEOUT: "look at the firewall, or lengthen --fetch-timeout",
}


async def picture(settings: PictureSettings, url: str) -> Finding:
    """Whether a picture can be fetched from here, by the way that workers fetch it."""
    metrics = Metrics()
    guard, began = Guard(settings, metrics), monotonic()
    async with Fetcher(settings, guard, ThreadedResolver(), metrics) as fetcher:
        try:
            fetched = await fetcher.fetch(guard.check(url))
        except Refused as error:
            says = f"{url} is refused ({error.refusal.value})"
            return fail(Check.PICTURES, says, _STATUS_DO.get(error.status, ""))
        except NoPicture as error:
            says = f"{url} gives no picture: {error.status.value.replace('_', ' ')}"
            return fail(Check.PICTURES, says, _STATUS_DO.get(error.status, "look at what its host answers"))
    took = monotonic() - began
    return ok(Check.PICTURES, f"{url} gave {len(fetched.body):,} bytes in {took * 1_000:.0f} ms")
