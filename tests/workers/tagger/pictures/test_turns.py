import asyncio
from collections.abc import Coroutine

import pytest

from schemas import ImageStatus
from workers.tagger.pictures.picture import NoPicture
from workers.tagger.pictures.turns import Turns


class Crowd:
    """Takes turns and holds each until the test lets all go."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.inside: list[str] = []
        self.go = asyncio.Event()

    async def __call__(self, host: str) -> None:
        async with self.turns.turn(host):
            self.inside.append(host)
            await self.go.wait()


async def settled(*coroutines: Coroutine[None, None, None]) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    for _ in range(10):
        await asyncio.sleep(0)
    return tasks


async def test_a_host_gets_so_many_places() -> None:
    crowd = Crowd(Turns(total=10, per_host=2, wait=60))
    tasks = await settled(*(crowd("a") for _ in range(5)))
    assert crowd.inside == ["a", "a"]
    crowd.go.set()
    await asyncio.gather(*tasks)
    assert len(crowd.inside) == 5


async def test_all_hosts_together_get_so_many_places() -> None:
    crowd = Crowd(Turns(total=3, per_host=2, wait=60))
    tasks = await settled(*(crowd(host) for host in "abcdef"))
    assert crowd.inside == ["a", "b", "c"]
    crowd.go.set()
    await asyncio.gather(*tasks)
    assert sorted(crowd.inside) == list("abcdef")


@pytest.mark.attack("a crowd of pictures of one slow host", "other hosts are asked")
async def test_what_waits_for_a_slow_host_keeps_no_other_waiting() -> None:
    crowd = Crowd(Turns(total=3, per_host=2, wait=60))
    tasks = await settled(*(crowd("slow") for _ in range(20)), crowd("quick"))
    assert crowd.inside == ["slow", "slow", "quick"]
    crowd.go.set()
    await asyncio.gather(*tasks)


@pytest.mark.attack("a host that never lets go", "timeout")
async def test_nobody_waits_without_end() -> None:
    turns = Turns(total=10, per_host=1, wait=0.05)
    crowd = Crowd(turns)
    holder, waiter = await settled(crowd("a"), crowd("a"))
    with pytest.raises(NoPicture) as lost:
        await waiter
    assert lost.value.status is ImageStatus.TIMEOUT
    crowd.go.set()
    await holder
    async with turns.turn("a"):
        pass


async def test_a_place_is_given_back_whatever_happens() -> None:
    turns = Turns(total=1, per_host=1, wait=5)
    crowd = Crowd(turns)
    holder, waiter = await settled(crowd("a"), crowd("a"))
    for task in (waiter, holder):
        task.cancel()
    await asyncio.gather(holder, waiter, return_exceptions=True)
    with pytest.raises(ZeroDivisionError):
        async with turns.turn("a"):
            _ = 1 / 0
    async with turns.turn("a"):
        pass


@pytest.mark.attack("many hosts", "none is remembered")
async def test_a_host_is_forgotten_with_its_last_picture() -> None:
    turns = Turns(total=10, per_host=1, wait=60)
    for number in range(100):
        async with turns.turn(f"{number}.example"):
            pass
    assert not turns._hosts
