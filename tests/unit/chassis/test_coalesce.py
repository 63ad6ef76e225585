"""The coalescer: batches without waiting, as fresh as calls of one's own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from chassis.coalesce import Coalescer


class Far:
    """What is called many items at a time: doubles them, when it is let."""

    def __init__(self, max_batch: int = 256) -> None:
        self.batches: list[list[int]] = []
        self.may_answer = asyncio.Event()
        self.coalescer = Coalescer(self._double, max_batch)

    async def _double(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        await self.may_answer.wait()
        if 13 in items:
            raise LookupError
        return [item * 2 for item in items if item != 7]

    def call(self, item: int) -> asyncio.Task[int]:
        return asyncio.create_task(self.coalescer.call(item))


async def settle() -> None:
    """Let everything that can go on go on."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_lone_call_leaves_at_once() -> None:
    far = Far()
    far.may_answer.set()
    assert await far.coalescer.call(1) == 2
    assert await far.coalescer.call(2) == 4
    assert far.batches == [[1], [2]]


async def test_batch_holds_only_what_had_arrived_when_it_left() -> None:
    far = Far()
    first = far.call(1)
    await settle()
    later = [far.call(2), far.call(3)]
    await settle()
    assert far.batches == [[1]]
    later.append(far.call(4))
    far.may_answer.set()

    assert await asyncio.gather(first, *later) == [2, 4, 6, 8]
    assert far.batches == [[1], [2, 3, 4]]


async def test_batch_has_a_limit() -> None:
    far = Far(max_batch=2)
    far.may_answer.set()
    assert await asyncio.gather(*map(far.call, range(1, 6))) == [2, 4, 6, 8, 10]
    assert far.batches == [[1, 2], [3, 4], [5]]


async def test_error_is_told_to_all_of_its_batch_and_to_no_other() -> None:
    far = Far()
    first = far.call(1)
    await settle()
    failing = [far.call(13), far.call(2)]
    far.may_answer.set()
    outcomes = await asyncio.gather(first, *failing, return_exceptions=True)
    assert outcomes[0] == 2
    assert [type(outcome) for outcome in outcomes[1:]] == [LookupError] * 2
    assert await far.coalescer.call(3) == 6


async def test_answers_that_do_not_match_the_items_leave_nobody_waiting() -> None:
    far = Far()
    far.may_answer.set()
    outcomes = await asyncio.gather(far.call(1), far.call(7), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ValueError] * 2


async def test_call_that_is_cancelled_before_it_left_does_not_leave() -> None:
    far = Far()
    first = far.call(1)
    await settle()
    gone, stays = far.call(2), far.call(3)
    await settle()
    gone.cancel()
    far.may_answer.set()
    assert (await first, await stays) == (2, 6)
    assert far.batches == [[1], [3]]


async def test_caller_who_leaves_takes_nothing_from_the_others() -> None:
    far = Far()
    gone, stays = far.call(1), far.call(2)
    await settle()
    gone.cancel()
    await settle()
    far.may_answer.set()
    assert await stays == 4


async def test_closing_leaves_nobody_waiting() -> None:
    far = Far()
    in_flight = far.call(1)
    await settle()
    waiting = far.call(2)
    await settle()
    await far.coalescer.close()
    async with asyncio.timeout(5):
        outcomes = await asyncio.gather(in_flight, waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 2


async def test_batch_that_is_cancelled_from_beneath_leaves_nobody_waiting() -> None:
    """As gRPC does with calls on a channel that is closed."""
    far = Far()
    in_flight = far.call(1)
    await settle()
    waiting = far.call(2)

    async def cancelled(_: Sequence[int]) -> list[int]:
        raise asyncio.CancelledError

    failing = Coalescer(cancelled)
    async with asyncio.timeout(5):
        outcomes = await asyncio.gather(
            *(failing.call(number) for number in range(300)), return_exceptions=True
        )
    assert {type(outcome) for outcome in outcomes} == {asyncio.CancelledError}
    # Others go on.
    far.may_answer.set()
    assert (await in_flight, await waiting) == (2, 4)
