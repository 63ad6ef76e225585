"""Rings over a bus that fails: nobody is told nothing for good, and the bus learns nothing."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack

import nats
import pytest
import structlog
from nats.errors import TimeoutError as NothingCame

from chassis.doorbell import Listener
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
                await until_heard(here, listener, 1)
                await bus.kill()
                here.ring("ann", 2)
                waiting = asyncio.create_task(listener.wait(60))
                await bus.start()
                # It is woken without having heard the ring.
                await waiting
                assert listener.position == 1
                await until_heard(here, listener, 3)


async def test_a_bus_that_is_not_there_yet_is_found_when_it_is() -> None:
    bus = Bus()
    async with AsyncExitStack() as opened:
        here, there = [
            await opened.enter_async_context(NatsDoorbell.open(bus.url, "test", KEY))
            for _ in range(2)
        ]
        opened.push_async_callback(bus.close)
        with there.listen("ann") as listener:
            here.ring("ann", 1)
            await bus.start()
            async with asyncio.timeout(20):
                await until_heard(here, listener, 2)


async def test_a_bus_that_refused_us_for_a_while_is_used_again() -> None:
    async with AsyncExitStack() as opened:
        bus = await opened.enter_async_context(a_bus())
        here, there = [
            await opened.enter_async_context(NatsDoorbell.open(bus.url, "test", KEY))
            for _ in range(2)
        ]
        with there.listen("ann") as listener:
            async with asyncio.timeout(30):
                await until_heard(here, listener, 1)
                bus.reconfigure('authorization { token: "secret" }')
                await bus.until_greeting(b'"auth_required":true')
                bus.reconfigure("")
                await until_heard(here, listener, 2)


@pytest.mark.prove
async def test_a_bus_that_hangs_is_taken_for_lost_and_used_again_when_it_is_back() -> None:
    async with AsyncExitStack() as opened:
        bus = await opened.enter_async_context(a_bus())
        here, there = [
            await opened.enter_async_context(NatsDoorbell.open(bus.url, "test", KEY))
            for _ in range(2)
        ]
        with there.listen("ann") as listener, structlog.testing.capture_logs() as logs:
            async with asyncio.timeout(60):
                await until_heard(here, listener, 1)
                bus.send_signal(signal.SIGSTOP)
                while not any(line["event"] == "bus.lost" for line in logs):
                    await listener.wait(0.05)
                bus.send_signal(signal.SIGCONT)
                await until_heard(here, listener, 2)


async def until_heard(bell: NatsDoorbell, listener: Listener, position: int) -> None:
    """Ring until it is heard on the other side."""
    while listener.position < position:
        bell.ring("ann", position)
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
