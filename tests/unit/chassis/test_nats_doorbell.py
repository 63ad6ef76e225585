"""Rings over a bus that fails: nobody is told nothing for good, and the bus learns nothing."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import nats
from nats.errors import TimeoutError as NothingCame

from chassis.nats_doorbell import NatsDoorbell
from tests.support.bus import Bus, a_bus

KEY = b"k" * 32


async def test_whoever_listened_while_the_bus_was_gone_looks_once_it_is_back() -> None:
    async with AsyncExitStack() as opened:
        bus = await opened.enter_async_context(a_bus())
        here, there = [
            await opened.enter_async_context(NatsDoorbell.open(bus.url, "test", KEY))
            for _ in range(2)
        ]
        with there.listen("ann") as listener:
            async with asyncio.timeout(20):
                while listener.position < 1:
                    here.ring("ann", 1)
                    await listener.wait(0.05)
                await bus.kill()
                here.ring("ann", 2)
                waiting = asyncio.create_task(listener.wait(60))
                await bus.start()
                # It is woken without having heard the ring.
                await waiting
                assert listener.position == 1
                while listener.position < 3:
                    here.ring("ann", 3)
                    await listener.wait(0.05)


async def test_a_bus_that_is_not_there_yet_is_found_when_it_is() -> None:
    bus = Bus()
    async with AsyncExitStack() as opened:
        here, there = [
            await opened.enter_async_context(NatsDoorbell.open(bus.url, "test", KEY))
            for _ in range(2)
        ]
        opened.push_async_callback(bus.kill)
        with there.listen("ann") as listener:
            here.ring("ann", 1)
            await bus.start()
            async with asyncio.timeout(20):
                while listener.position < 2:
                    here.ring("ann", 2)
                    await listener.wait(0.05)


async def test_the_bus_learns_neither_who_nor_what() -> None:
    async with a_bus() as bus, NatsDoorbell.open(bus.url, "test", KEY) as bell:
        heard: list[tuple[str, bytes]] = []
        client = await nats.connect(bus.url)  # pyright: ignore[reportUnknownMemberType]
        subscription = await client.subscribe("test.>")  # pyright: ignore[reportUnknownMemberType]
        await client.flush()
        async with asyncio.timeout(20):
            while len(heard) < 2:
                bell.ring("ann-marker", 41)
                try:
                    message = await subscription.next_msg(0.05)
                except NothingCame:
                    continue
                if message.data:
                    heard.append((message.subject, message.data))
        await client.close()
    assert {data for _, data in heard} == {b"41"}
    assert all("ann" not in subject and len(subject) == len("test.") + 32 for subject, _ in heard)
