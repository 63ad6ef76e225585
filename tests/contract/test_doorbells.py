"""What every doorbell does, whether it rings in one process or across two replicas."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from chassis.doorbell import Doorbell, Listener, LocalDoorbell
from chassis.nats_doorbell import NatsDoorbell
from tests.support.bus import a_bus

KEY = b"k" * 32
PATIENCE_SECONDS = 20.0


@pytest.fixture(params=["local", "nats"])
async def doorbells(request: pytest.FixtureRequest) -> AsyncGenerator[tuple[Doorbell, Doorbell]]:
    """Two ends of one doorbell: the one that rings, and the one where people listen."""
    if request.param == "local":
        bell = LocalDoorbell()
        yield bell, bell
        return
    async with AsyncExitStack() as opened:
        bus = await opened.enter_async_context(a_bus())
        here, there = [
            await opened.enter_async_context(NatsDoorbell.open(bus.url, "test", KEY))
            for _ in range(2)
        ]
        yield here, there


async def hears(listener: Listener, enough: Callable[[], bool], again: Callable[[], Any]) -> None:
    """Wait until a listener has heard enough; until then do again what it is to hear."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not enough():
            again()
            await listener.wait(0.05)


async def test_a_ring_is_heard_by_every_listener_of_its_person_and_by_no_other(
    doorbells: tuple[Doorbell, Doorbell],
) -> None:
    here, there = doorbells
    with there.listen("ann") as phone, there.listen("ann") as laptop, there.listen("bob") as other:
        await hears(phone, lambda: phone.position == 5, lambda: here.ring("ann", 5))
        await hears(laptop, lambda: laptop.position == 5, lambda: None)
        await hears(other, lambda: other.position == 7, lambda: here.ring("bob", 7))
        assert (phone.position, laptop.position) == (5, 5)


async def test_a_ring_is_heard_where_it_was_rung(doorbells: tuple[Doorbell, Doorbell]) -> None:
    here, _ = doorbells
    with here.listen("ann") as listener:
        here.ring("ann", 3)
        assert listener.position == 3


async def test_whispers_come_in_order_and_only_to_their_person(
    doorbells: tuple[Doorbell, Doorbell],
) -> None:
    here, there = doorbells
    with there.listen("ann") as listener:
        await hears(listener, lambda: listener.position == 1, lambda: here.ring("ann", 1))
        for whisper in (b"1", b"2", b"~3"):
            here.whisper("ann", whisper)
            here.whisper("bob", b"not for ann")
        here.ring("ann", 2)
        await hears(listener, lambda: listener.position == 2, lambda: None)
        assert listener.take_whispers() == [b"1", b"2", b"~3"]


async def test_whoever_no_longer_listens_hears_nothing(
    doorbells: tuple[Doorbell, Doorbell],
) -> None:
    here, there = doorbells
    with there.listen("ann") as gone:
        pass
    with there.listen("ann") as listener:
        await hears(listener, lambda: listener.position == 2, lambda: here.ring("ann", 2))
    assert gone.position == 0
