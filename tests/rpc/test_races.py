"""Two people, or two devices of one, act at the same instant: always one of the allowed outcomes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable

import grpc
import pytest

from paperplane.friendship.v1 import friendship_pb2 as fpb
from paperplane.messaging.v1 import messaging_pb2 as mpb
from tests.support.friendship import read_refusal
from tests.support.services import Member, Services, both_services

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize(
        "rounds",
        [
            pytest.param(10, id="10"),
            pytest.param(500, id="500", marks=[pytest.mark.prove, pytest.mark.timeout(900)]),
        ],
    ),
]

PENDING = fpb.FRIEND_REQUEST_STATE_PENDING
ACCEPTED = fpb.FRIEND_REQUEST_STATE_ACCEPTED
FIRST_OPENS_AT_ONCE = 25


@pytest.fixture
async def services() -> AsyncGenerator[Services]:
    async with both_services() as services:
        yield services


async def at_once(*calls: Awaitable[object], last_first: bool = False) -> list[object]:
    """Make calls at once; return for each its answer or the reason of its refusal.

    Arguments:
        calls: what to call.
        last_first: which of them leave first, by some microseconds.
    """

    async def outcome(call: Awaitable[object]) -> object:
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            return read_refusal(error).reason

    order = -1 if last_first else 1
    return (await asyncio.gather(*map(outcome, calls[::order])))[::order]


async def stand(one: Member, other: Member) -> tuple[str, str]:
    """Return how the two stand to each other, as each sees it."""
    seen = await asyncio.gather(one.see(other), other.see(one))
    first, second = (
        fpb.Relationship.Name(person.relationship).removeprefix("RELATIONSHIP_") for person in seen
    )
    assert [person.can_message for person in seen] == [first == "FRIENDS", second == "FRIENDS"]
    return first, second


async def channel_kinds(*people: Member) -> list[list[str]]:
    """Return the kinds of all that each person's channels have told them."""
    return [[str(e.WhichOneof("kind")) for e in await p.messaging_events()] for p in people]


async def state_of_channel(one: Member, other: Member) -> str:
    """Return the state of the channel of two, which both must see alike, or NONE."""
    seen = await at_once(one.channel_with(other), other.channel_with(one))
    if seen == ["CHANNEL_NOT_FOUND", "CHANNEL_NOT_FOUND"]:
        return "NONE"
    first, second = seen
    assert isinstance(first, mpb.Channel)
    assert isinstance(second, mpb.Channel)
    assert (first.channel_id, first.state) == (second.channel_id, second.state)
    return mpb.ChannelState.Name(first.state).removeprefix("CHANNEL_STATE_")


async def test_both_asking_at_once_makes_one_friendship(services: Services, rounds: int) -> None:
    connections = await services.connections(), await services.connections()
    for _ in range(rounds):
        ann, bob = await services.pair(*connections)
        first, second = await at_once(ann.ask(bob), bob.ask(ann))

        assert isinstance(first, fpb.FriendRequest)
        assert isinstance(second, fpb.FriendRequest)
        assert first.request_id == second.request_id
        assert first.requester_id == second.requester_id
        assert {first.state, second.state} == {PENDING, ACCEPTED}
        assert await stand(ann, bob) == ("FRIENDS", "FRIENDS")
        for box in (fpb.REQUEST_BOX_RECEIVED, fpb.REQUEST_BOX_SENT, fpb.REQUEST_BOX_IGNORED):
            assert [*await ann.box(box), *await bob.box(box)] == []
        asker, asked = (ann, bob) if first.requester_id == ann.id else (bob, ann)
        assert await asker.kinds() == ["request_sent", "request_accepted"]
        assert await asked.kinds() == ["request_received", "request_accepted"]
        assert await state_of_channel(ann, bob) == "OPEN"
        assert await channel_kinds(ann, bob) == [["channel_opened"]] * 2


async def test_of_accept_and_cancel_exactly_one_wins(services: Services, rounds: int) -> None:
    connections = await services.connections(), await services.connections()
    winners = Counter[str]()
    for number in range(rounds):
        ann, bob = await services.pair(*connections)
        request_id = (await ann.ask(bob)).request_id
        accepted, cancelled = await at_once(
            bob.accept(request_id), ann.cancel(request_id), last_first=number % 2 > 0
        )

        assert [accepted, cancelled].count("REQUEST_NOT_PENDING") == 1
        if isinstance(accepted, fpb.FriendRequest):
            assert accepted.state == ACCEPTED
            assert await stand(ann, bob) == ("FRIENDS", "FRIENDS")
            assert await state_of_channel(ann, bob) == "OPEN"
            told = "request_accepted"
        else:
            assert isinstance(cancelled, fpb.FriendRequest)
            assert cancelled.state == fpb.FRIEND_REQUEST_STATE_CANCELLED
            assert await stand(ann, bob) == ("NONE", "NONE")
            assert await state_of_channel(ann, bob) == "NONE"
            told = "request_cancelled"
        winners[told] += 1
        assert await ann.kinds() == ["request_sent", told]
        assert await bob.kinds() == ["request_received", told]
    # Otherwise this was no race.
    assert len(winners) == 2


async def test_accepting_twice_makes_one_friendship(services: Services, rounds: int) -> None:
    connections = await services.connections(), await services.connections()
    device = await services.connections()
    for _ in range(rounds):
        ann, bob = await services.pair(*connections)
        request_id = (await ann.ask(bob)).request_id
        first, second = await at_once(
            bob.accept(request_id), Member(bob.id, *device).accept(request_id)
        )

        assert isinstance(first, fpb.FriendRequest)
        assert first.state == ACCEPTED
        assert first == second
        assert await stand(ann, bob) == ("FRIENDS", "FRIENDS")
        assert await bob.kinds() == ["request_received", "request_accepted"]
        assert await ann.kinds() == ["request_sent", "request_accepted"]
        assert await channel_kinds(ann, bob) == [["channel_opened"]] * 2


async def test_message_that_races_a_removal_came_before_it_or_not_at_all(
    services: Services, rounds: int
) -> None:
    connections = await services.connections(), await services.connections()
    for number in range(rounds):
        ann, bob = await services.pair(*connections)
        await ann.befriend(bob)
        channel_id = (await ann.channel_with(bob)).channel_id
        if number % 2:
            # So that messaging holds a grant and the send does not begin by asking for one.
            await bob.send(channel_id, "before")
        before = number % 2
        remover = (ann, bob)[number // 4 % 2]
        other = bob if remover is ann else ann
        removed, sent = await at_once(
            remover.remove(other), bob.send(channel_id, "at once"), last_first=number % 4 > 1
        )

        assert removed is None
        assert await stand(ann, bob) == ("NONE", "NONE")
        history = await ann.history(channel_id)
        if isinstance(sent, mpb.Message):
            assert sent.seq == before + 1
            assert history[before:] == [sent]
        else:
            assert sent == "CHANNEL_CLOSED"
            assert history[before:] == []
        assert await state_of_channel(ann, bob) == "CLOSED"
        expected = ["channel_opened", *["message_sent"] * len(history), "channel_closed"]
        assert await channel_kinds(ann, bob) == [expected] * 2
        assert await at_once(ann.send(channel_id, "x"), bob.send(channel_id, "y")) == [
            "CHANNEL_CLOSED",
            "CHANNEL_CLOSED",
        ]


@pytest.mark.parametrize("blocker", ["requester", "addressee"])
async def test_block_stands_whatever_an_accept_at_the_same_instant_does(
    services: Services, rounds: int, blocker: str
) -> None:
    connections = await services.connections(), await services.connections()
    device = await services.connections()
    winners = Counter[str]()
    for number in range(rounds):
        ann, bob = await services.pair(*connections)
        request_id = (await ann.ask(bob)).request_id
        blocking = ann.block(bob) if blocker == "requester" else bob.block(ann)
        accepting = Member(bob.id, *device).accept(request_id)
        accepted, blocked = await at_once(accepting, blocking, last_first=number % 2 > 0)

        assert blocked is None
        expected = ("BLOCKED", "NONE")
        reason = "REQUEST_NOT_PENDING"
        if blocker == "addressee":
            reason = "PERSON_BLOCKED"
            # To the one who asked, their request is pending still, if it was not accepted.
            expected = ("REQUEST_SENT" if accepted == reason else "NONE", "BLOCKED")
        assert await stand(ann, bob) == expected
        if isinstance(accepted, fpb.FriendRequest):
            assert accepted.state == ACCEPTED
            # Closed, or never opened: both changes may have reached messaging as one.
            assert await state_of_channel(ann, bob) in ("CLOSED", "NONE")
            assert (await bob.kinds())[1:3] == ["request_accepted", "friend_removed"]
        else:
            assert accepted == reason
            assert await state_of_channel(ann, bob) == "NONE"
        assert await ann.friends() == await bob.friends() == []
        winners["block" if accepted == reason else "accept"] += 1
    # Otherwise this was no race.
    assert len(winners) == 2


async def test_two_first_opens_make_one_channel(rounds: int) -> None:
    async with both_services(relayed=True) as services:
        connections = await services.connections(), await services.connections()
        for _ in range(0, rounds, FIRST_OPENS_AT_ONCE):
            # Friends whose channel is not open yet, since messaging has not been told.
            services.delivery.may_arrive.clear()
            pairs = [await services.pair(*connections) for _ in range(FIRST_OPENS_AT_ONCE)]
            await asyncio.gather(*(ann.befriend(bob) for ann, bob in pairs))
            services.delivery.may_arrive.set()
            opened = await at_once(
                *(
                    one.channel_with(two)
                    for ann, bob in pairs
                    for one, two in ((ann, bob), (bob, ann))
                )
            )

            for (ann, bob), first, second in zip(pairs, opened[::2], opened[1::2], strict=True):
                assert isinstance(first, mpb.Channel)
                assert isinstance(second, mpb.Channel)
                assert first.channel_id == second.channel_id
                assert (first.friend_id, second.friend_id) == (bob.id, ann.id)
                assert {first.state, second.state} == {mpb.CHANNEL_STATE_OPEN}
                assert await channel_kinds(ann, bob) == [["channel_opened"]] * 2


async def test_two_first_sends_reopen_a_channel_once(rounds: int) -> None:
    # Asked every time: a grant that says "no friends" may otherwise be reused for a while.
    async with both_services(messaging={"authorization_max_age": 0}, relayed=True) as services:
        connections = await services.connections(), await services.connections()
        for _ in range(0, rounds, FIRST_OPENS_AT_ONCE):
            pairs = [await services.pair(*connections) for _ in range(FIRST_OPENS_AT_ONCE)]
            channel_ids: list[str] = []
            for ann, bob in pairs:
                await ann.befriend(bob)
                channel_ids.append((await ann.channel_with(bob)).channel_id)
                await ann.remove(bob)
            services.delivery.may_arrive.clear()
            await asyncio.gather(*(bob.befriend(ann) for ann, bob in pairs))
            services.delivery.may_arrive.set()
            sent = await at_once(
                *(
                    person.send(channel_id, "again")
                    for pair, channel_id in zip(pairs, channel_ids, strict=True)
                    for person in pair
                )
            )

            for (ann, bob), first, second in zip(pairs, sent[::2], sent[1::2], strict=True):
                assert isinstance(first, mpb.Message)
                assert isinstance(second, mpb.Message)
                assert {first.seq, second.seq} == {1, 2}
                kinds = ["channel_opened", "channel_closed", "channel_opened"]
                kinds += ["message_sent"] * 2
                assert await channel_kinds(ann, bob) == [kinds] * 2
