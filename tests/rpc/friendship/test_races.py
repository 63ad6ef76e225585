"""Two people at the same instant: always one of the allowed outcomes, and both agree on which."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import grpc
import pytest

from paperplane.friendship.v1 import authorization_pb2
from paperplane.friendship.v1 import friendship_pb2 as pb
from tests.support.friendship import Caller, World, friendship_world, read_refusal

pytestmark = pytest.mark.slow

ROUNDS = pytest.mark.parametrize(
    "rounds", [20, pytest.param(500, marks=[pytest.mark.prove, pytest.mark.timeout(600)])]
)
DICE = random.Random(3)
One = TypeVar("One")
Other = TypeVar("Other")
AT_ONCE = 10
"""How many pairs race at the same time: what gathers is committed together."""


async def outcome(call: asyncio.Task[pb.FriendRequest]) -> str:
    """Return what came of a call: the state of its request, or the reason of its refusal."""
    try:
        return pb.FriendRequestState.Name((await call).state).removeprefix("FRIEND_REQUEST_STATE_")
    except grpc.aio.AioRpcError as error:
        return read_refusal(error).reason


def at_once(
    one: Coroutine[Any, Any, One], other: Coroutine[Any, Any, Other]
) -> tuple[asyncio.Task[One], asyncio.Task[Other]]:
    """Set two calls off at once; now the one is a hair's breadth ahead and now the other."""
    if DICE.random() < 0.5:
        first = asyncio.create_task(one)
        return first, asyncio.create_task(other)
    second = asyncio.create_task(other)
    return asyncio.create_task(one), second


async def two(world: World) -> tuple[Caller, Caller]:
    return await world.person(), await world.person()


async def friends(world: World, ann: Caller, bob: Caller) -> bool:
    """Tell whether two are friends; all that tells so must agree."""
    pair = authorization_pb2.PersonPair(person_id=ann.id, other_person_id=bob.id)
    request = authorization_pb2.AuthorizeChannelsRequest(pairs=[pair])
    grant = (await world.authorization.AuthorizeChannels(request, timeout=10)).grants[0]
    views = {
        grant.open,
        bob.id in await ann.friends(),
        ann.id in await bob.friends(),
        (await ann.see(bob)).can_message,
        (await bob.see(ann)).can_message,
    }
    assert len(views) == 1
    return grant.open


async def in_batches(rounds: int, race: Callable[[World], Awaitable[str]]) -> Counter[str]:
    """Run a race many times, some at once; return how often each outcome came."""
    outcomes: Counter[str] = Counter()
    async with friendship_world(requests_per_hour="off", max_pending_requests="off") as world:
        for _ in range(0, rounds, AT_ONCE):
            outcomes.update(await asyncio.gather(*(race(world) for _ in range(AT_ONCE))))
    assert outcomes.total() == rounds
    return outcomes


@ROUNDS
async def test_requests_that_cross_make_one_friendship(rounds: int) -> None:
    async def race(world: World) -> str:
        ann, bob = await two(world)
        calls = [asyncio.create_task(ann.ask(bob)), asyncio.create_task(bob.ask(ann))]
        states = sorted([await outcome(call) for call in calls])
        assert len({call.result().request_id for call in calls}) == 1
        assert await friends(world, ann, bob)
        kinds = [await ann.kinds(), await bob.kinds()]
        assert sorted(kinds) == [
            ["request_received", "request_accepted"],
            ["request_sent", "request_accepted"],
        ]
        return " ".join(states)

    outcomes = await in_batches(rounds, race)
    assert set(outcomes) == {"ACCEPTED PENDING"}


@ROUNDS
async def test_accept_and_cancel_have_one_winner(rounds: int) -> None:
    async def race(world: World) -> str:
        ann, bob = await two(world)
        asked = (await ann.ask(bob)).request_id
        accepting, cancelling = at_once(bob.accept(asked), ann.cancel(asked))
        result = f"{await outcome(accepting)} {await outcome(cancelling)}"
        assert await friends(world, ann, bob) == result.startswith("ACCEPTED")
        assert len(await ann.kinds()) == len(await bob.kinds()) == 2
        return result

    outcomes = await in_batches(rounds, race)
    assert set(outcomes) == {"ACCEPTED REQUEST_NOT_PENDING", "REQUEST_NOT_PENDING CANCELLED"}


@ROUNDS
async def test_accepting_twice_at_once_is_accepting_once(rounds: int) -> None:
    async def race(world: World) -> str:
        ann, bob = await two(world)
        asked = (await ann.ask(bob)).request_id
        calls = [asyncio.create_task(bob.accept(asked)) for _ in range(2)]
        result = " ".join([await outcome(call) for call in calls])
        assert await friends(world, ann, bob)
        assert await ann.kinds() == ["request_sent", "request_accepted"]
        return result

    assert set(await in_batches(rounds, race)) == {"ACCEPTED ACCEPTED"}


@ROUNDS
async def test_accept_and_block_leave_no_friendship_with_the_blocker(rounds: int) -> None:
    async def race(world: World) -> str:
        ann, bob = await two(world)
        asked = (await ann.ask(bob)).request_id
        accepting, blocking = at_once(bob.accept(asked), ann.block(bob))
        result = await outcome(accepting)
        await blocking
        assert not await friends(world, ann, bob)
        assert (await ann.see(bob)).relationship == pb.RELATIONSHIP_BLOCKED
        return result

    outcomes = await in_batches(rounds, race)
    assert set(outcomes) == {"ACCEPTED", "REQUEST_NOT_PENDING"}


@ROUNDS
async def test_same_request_sent_twice_at_once_is_one_request(rounds: int) -> None:
    async def race(world: World) -> str:
        ann, bob = await two(world)
        calls = [asyncio.create_task(ann.ask(bob)) for _ in range(3)]
        result = " ".join([await outcome(call) for call in calls])
        assert len({call.result().request_id for call in calls}) == 1
        assert await bob.kinds() == ["request_received"]
        return result

    assert set(await in_batches(rounds, race)) == {"PENDING PENDING PENDING"}


async def test_last_word_to_messaging_is_the_present_state() -> None:
    """Becoming friends and ceasing to be, again and again: what messaging heard last is what is."""
    async with friendship_world(requests_per_hour="off") as world:
        ann, bob = await two(world)

        async def churn(me: Caller, other: Caller) -> None:
            for _ in range(15):
                await asyncio.gather(me.ask(other), me.remove(other))

        await asyncio.gather(churn(ann, bob), churn(bob, ann))
        await ann.remove(bob)
        latest = max(world.messaging.told, key=lambda told: told.epoch)
        assert not latest.open
        pair = authorization_pb2.PersonPair(person_id=ann.id, other_person_id=bob.id)
        request = authorization_pb2.AuthorizeChannelsRequest(pairs=[pair])
        grant = (await world.authorization.AuthorizeChannels(request, timeout=10)).grants[0]
        assert (grant.open, grant.epoch) == (latest.open, latest.epoch)
        assert all(told.open == (told.epoch % 2 == 1) for told in world.messaging.told)
