"""How long the gateway waits, and what it keeps account of."""

from __future__ import annotations

import asyncio
import time

import pytest

from chassis.calls import Call
from chassis.refusals import ServerStopping
from gateway.errors import DeadlineExceeded, TokenExpired, TooManyStreams
from gateway.forwarding import MAX_TIMEOUT, Streams, call_within


class Slow:
    """A service that never answers and does not watch the clock."""

    def __init__(self) -> None:
        self.timeouts: list[float] = []

    async def call(self, request: bytes, call: Call, timeout: float) -> bytes:  # noqa: ASYNC109
        self.timeouts.append(timeout)
        await asyncio.Event().wait()
        return request


async def test_a_call_without_a_deadline_ends_with_the_default_one() -> None:
    slow = Slow()

    with pytest.raises(DeadlineExceeded):
        await call_within(slow, b"", Call(), None, default_timeout=0.01)

    assert slow.timeouts == [0.01]


async def test_a_deadline_beyond_all_bounds_is_cut() -> None:
    slow = Slow()
    call = asyncio.create_task(call_within(slow, b"", Call(), 1e12, default_timeout=1))
    await asyncio.sleep(0)
    call.cancel()

    assert slow.timeouts == [MAX_TIMEOUT]


async def test_a_place_that_is_given_up_is_free_again() -> None:
    streams = Streams(per_person=1)

    for _ in range(3):
        with streams.opened("alice", time.time() + 60):
            with pytest.raises(TooManyStreams), streams.opened("alice", time.time() + 60):
                pass
            with streams.opened("bob", time.time() + 60):
                pass


async def test_a_stream_is_ended_once_and_for_one_reason() -> None:
    streams = Streams(per_person="off")
    ended: asyncio.Queue[str] = asyncio.Queue()
    with streams.opened("alice", time.time() - 1) as stream:
        stream.cancel = lambda: ended.put_nowait("x")
        async with asyncio.timeout(10):
            await ended.get()
        streams.end_all()

    assert isinstance(stream.reason, TokenExpired)
    assert ended.empty()


async def test_no_stream_begins_once_the_gateway_stops() -> None:
    streams = Streams(per_person="off")
    streams.end_all()

    with pytest.raises(ServerStopping), streams.opened("alice", time.time() + 60):
        pass
