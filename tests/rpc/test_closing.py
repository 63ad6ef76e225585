"""The promise of closing: once it has returned, nothing passes until a new acceptance.

The same tests run against fences that are missing or too weak, and must find them out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from services.messaging.domain import Channel, ChannelClosed, Grant, StaleGrant
from services.messaging.sending import Fence, Send
from services.messaging.writing import Write, decide
from tests.support.closing import FENCED, footprint, play
from tests.support.friendship import read_refusal, reason_of, refusal
from tests.support.services import Member, Services, both_services

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from chassis.database.group_commit import Decide

pytestmark = pytest.mark.slow

MAX_AGE = 2.0
"""The default of `authorization_max_age`, which the service runs with here."""
ROUNDS_PER_PAIR = 20


# ---- fences that do not hold ---------------------------------------------------------------------


def decide_behind(fence_of: Callable[[Send], Fence]) -> Decide[Any]:
    """Decide writes as the service does, but each send behind a fence of the test's."""

    def decide_each(connection: Connection, writes: Sequence[Write]) -> list[Any]:
        return [
            outcome
            for write in writes
            for outcome in (
                decide(connection, [write], fence_of(write))
                if isinstance(write, Send)
                else decide(connection, [write])
            )
        ]

    return decide_each


def no_fence(_: Send) -> Fence:
    """Check, then write: a grant is believed whatever has happened since it was given."""

    def fence(channel: Channel, grant: Grant, now: int) -> Channel:
        if not grant.open:
            raise ChannelClosed
        return channel

    return fence


class FlagFence:
    """The best that a fence can do which compares flags and no epochs.

    A closed channel opens at a first send, so a grant that says "friends" must be able to open it.
    But which of the two is the newer, the grant or the row? Where they differ, the sender asks once
    more, and then the answer is believed.
    """

    def __init__(self) -> None:
        self._asked_again = set[str]()

    def __call__(self, send: Send) -> Fence:
        """Return the fence of one attempt to send; each message has a text of its own."""

        def fence(channel: Channel, grant: Grant, now: int) -> Channel:
            if grant.open != channel.open and send.text not in self._asked_again:
                self._asked_again.add(send.text)
                raise StaleGrant
            if not grant.open:
                raise ChannelClosed
            return channel._replace(open=True)

        return fence


# ---- the promise ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rounds",
    [
        pytest.param(20, id="20"),
        pytest.param(1000, id="1000", marks=[pytest.mark.prove, pytest.mark.timeout(1200)]),
    ],
)
async def test_nothing_passes_after_the_closing_has_returned(rounds: int) -> None:
    async with both_services() as services:
        for _ in range(0, rounds, ROUNDS_PER_PAIR):
            played = await play(services, ROUNDS_PER_PAIR)

            assert played.violations == []
            # Each way was tried in each round, before the closing and after.
            assert min(played.passed[kind] for kind in (*FENCED, "read")) >= ROUNDS_PER_PAIR
            assert min(played.refused[kind] for kind in FENCED) >= ROUNDS_PER_PAIR
            assert played.typing_shown > 0


async def test_missing_fence_is_found_out() -> None:
    async with both_services(decide=decide_behind(no_fence)) as services:
        played = await play(services, ROUNDS_PER_PAIR)

        assert played.violations


# ---- a grant that outlives its friendship -----------------------------------------------------------


async def send_across_a_friendship(services: Services) -> str:
    """Send with a grant that is given in one friendship and comes to be used after its end.

    The two are friends, close, become friends again, and close again. The one who sends asks for
    a grant between the second acceptance and the second closing, and the answer is on its way
    while that closing returns.

    Returns:
        The reason of the refusal, or nothing: the message was sent after the closing.
    """
    ann, bob = await services.pair()
    await ann.befriend(bob)
    channel_id = (await ann.channel_with(bob)).channel_id
    await bob.send(channel_id, "this leaves a grant of the first friendship behind")
    await ann.remove(bob)

    request = await bob.ask(ann)
    services.delivery.may_arrive.clear()
    services.delivery.called.clear()
    accepting = asyncio.create_task(ann.accept(request.request_id))
    # They are friends again from here on, and messaging has yet to learn of it.
    await services.delivery.called.wait()
    services.authorization.may_return.clear()
    services.authorization.answered.clear()
    sending = asyncio.create_task(reason_or_none(bob.send(channel_id, "too late")))
    await services.authorization.answered.wait()
    services.delivery.may_arrive.set()
    await accepting
    await ann.remove(bob)
    left = footprint(services.messages, channel_id)
    services.authorization.may_return.set()
    reason = await sending
    assert (footprint(services.messages, channel_id) == left) == (reason != "")
    return reason


async def test_grant_of_an_ended_friendship_opens_nothing() -> None:
    async with both_services(relayed=True) as services:
        assert await send_across_a_friendship(services) == "CHANNEL_CLOSED"


async def test_fence_on_a_flag_is_found_out() -> None:
    """A flag can't tell a friendship from the next one between the same two."""
    async with both_services(relayed=True, decide=decide_behind(FlagFence())) as services:
        assert await send_across_a_friendship(services) == ""


async def test_fence_on_a_flag_holds_without_becoming_friends_again() -> None:
    """So it is the epoch that the test above tells from a flag, not a flag from nothing."""
    async with both_services(decide=decide_behind(FlagFence())) as services:
        ann, bob = await services.pair()
        await ann.befriend(bob)
        channel_id = (await ann.channel_with(bob)).channel_id
        await bob.send(channel_id, "this leaves a grant behind")
        await ann.remove(bob)
        assert await reason_of(bob.send(channel_id, "too late")) == "CHANNEL_CLOSED"


# ---- messaging is slow, or out of reach ------------------------------------------------------------


async def busy_pair(services: Services) -> tuple[Member, Member, str]:
    """Return two friends, the channel of the two, and a grant for it in messaging's hands."""
    ann, bob = await services.pair()
    await ann.befriend(bob)
    channel_id = (await ann.channel_with(bob)).channel_id
    await ann.send(channel_id, "this leaves a grant behind")
    return ann, bob, channel_id


async def assert_pending_whoever_asks(ann: Member, bob: Member) -> None:
    for closing in (ann.remove(bob), ann.remove(bob), bob.remove(ann), bob.block(ann)):
        refused = await refusal(closing)
        assert (refused.code, refused.reason) == (
            grpc.StatusCode.UNAVAILABLE,
            "REVOCATION_PENDING",
        )


async def until_closed(person: Member) -> None:
    """Wait until a person is told that a channel closed."""
    async for event in person.watch_messages():
        if event.HasField("channel_closed"):
            return


@pytest.mark.parametrize("how", ["slow", "out of reach"])
async def test_closing_that_messaging_has_not_heard_of_is_pending_until_it_has(how: str) -> None:
    async with both_services({"revocation_timeout": 0.2}, relayed=True) as services:
        ann, bob, channel_id = await busy_pair(services)
        if how == "slow":
            services.delivery.may_arrive.clear()
        else:
            await services.delivery.cut()
        await assert_pending_whoever_asks(ann, bob)
        assert await ann.friends() == await bob.friends() == []

        # Nobody calls again: the delivery completes by itself.
        services.delivery.may_arrive.set()
        if how == "out of reach":
            await services.delivery.connect()
        await asyncio.gather(until_closed(ann), until_closed(bob))
        left = footprint(services.messages, channel_id)
        await ann.remove(bob)
        await bob.block(ann)
        for person in (ann, bob):
            assert await reason_of(person.send(channel_id, "too late")) == "CHANNEL_CLOSED"
            assert await reason_of(person.type(channel_id)) == "CHANNEL_CLOSED"
        assert footprint(services.messages, channel_id) == left


async def test_closing_whose_confirmation_is_lost_is_pending_and_holds() -> None:
    async with both_services({"revocation_timeout": 0.2}, relayed=True) as services:
        ann, bob, channel_id = await busy_pair(services)
        services.delivery.answered.clear()
        services.delivery.may_return.clear()
        pending = asyncio.create_task(reason_of(ann.remove(bob)))
        await services.delivery.answered.wait()
        left = footprint(services.messages, channel_id)
        assert await reason_of(bob.send(channel_id, "too late")) == "CHANNEL_CLOSED"
        assert await pending == "REVOCATION_PENDING"

        services.delivery.may_return.set()
        await bob.remove(ann)
        assert footprint(services.messages, channel_id) == left


async def test_sends_stop_while_messaging_has_not_heard_once_its_grants_lapse() -> None:
    async with both_services({"revocation_timeout": 0.2}, relayed=True) as services:
        ann, bob, channel_id = await busy_pair(services)
        await services.delivery.cut()
        assert await reason_of(ann.remove(bob)) == "REVOCATION_PENDING"
        ended = time.monotonic()

        passed = 0
        while True:
            begun = time.monotonic()
            reason = await reason_or_none(bob.send(channel_id, "does it still pass?"))
            if reason:
                break
            assert begun < ended + MAX_AGE
            passed += 1
        assert reason == "CHANNEL_CLOSED"
        # If none had passed, it would not have been the grant's age that ended it.
        assert passed > 0
        left = footprint(services.messages, channel_id)
        for person in (ann, bob):
            assert await reason_of(person.send(channel_id, "too late")) == "CHANNEL_CLOSED"
        assert await reason_of(ann.edit(channel_id, 1, "too late")) == "CHANNEL_CLOSED"
        assert footprint(services.messages, channel_id) == left


async def test_nothing_is_stored_while_friendship_is_out_of_reach() -> None:
    async with both_services(messaging={"authorization_max_age": 0}, relayed=True) as services:
        ann, bob, channel_id = await busy_pair(services)
        await services.authorization.cut()
        left = footprint(services.messages, channel_id)
        for person in (ann, bob):
            refused = await refusal(person.send(channel_id, "are we friends?"))
            assert (refused.code, refused.reason) == (
                grpc.StatusCode.UNAVAILABLE,
                "FRIENDSHIP_UNAVAILABLE",
            )
        assert footprint(services.messages, channel_id) == left
        assert len(await bob.history(channel_id)) == 1
        # The way there plays no part in closing.
        await ann.remove(bob)
        await services.authorization.connect()
        assert footprint(services.messages, channel_id).last_seq == left.last_seq


async def reason_or_none(call: Awaitable[object]) -> str:
    """Return the reason that a call is refused for, or nothing if it is not."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return read_refusal(error).reason
    return ""
