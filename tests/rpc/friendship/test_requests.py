"""Asking, answering and taking back, as the people concerned see it."""

from __future__ import annotations

import pytest

from paperplane.friendship.v1 import friendship_pb2 as pb
from tests.support.friendship import World, friendship_world, reason_of, refusal


async def test_accepted_request_makes_friends_of_both(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    asked = await ann.ask(bob, note="from the choir")

    assert asked.state == pb.FRIEND_REQUEST_STATE_PENDING
    assert asked.note == "from the choir"
    assert asked.person.person_id == "bob"
    assert asked.person.relationship == pb.RELATIONSHIP_REQUEST_SENT
    assert (await bob.see(ann)).relationship == pb.RELATIONSHIP_REQUEST_RECEIVED
    assert [r.request_id for r in await bob.box(pb.REQUEST_BOX_RECEIVED)] == [asked.request_id]
    assert [r.request_id for r in await ann.box(pb.REQUEST_BOX_SENT)] == [asked.request_id]

    accepted = await bob.accept(asked.request_id)

    assert accepted.state == pb.FRIEND_REQUEST_STATE_ACCEPTED
    assert (await ann.see(bob)).can_message
    assert (await bob.see(ann)).can_message
    assert await ann.friends() == ["bob"]
    assert await bob.friends() == ["ann"]
    assert await bob.box(pb.REQUEST_BOX_RECEIVED) == []
    assert await ann.box(pb.REQUEST_BOX_SENT) == []
    assert await ann.kinds() == ["request_sent", "request_accepted"]
    assert await bob.kinds() == ["request_received", "request_accepted"]


async def test_request_each_way_makes_friends_by_the_first(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    first = await ann.ask(bob, note="hello")
    crossing = await bob.ask(ann, note="dropped")

    assert crossing.request_id == first.request_id
    assert crossing.state == pb.FRIEND_REQUEST_STATE_ACCEPTED
    assert crossing.note == "hello"
    assert await ann.friends() == ["bob"]
    assert await bob.kinds() == ["request_received", "request_accepted"]


async def test_request_among_friends_returns_the_one_that_made_them_so(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    made = await ann.befriend(bob)

    assert (await ann.ask(bob)).request_id == made.request_id
    assert (await bob.ask(ann)).state == pb.FRIEND_REQUEST_STATE_ACCEPTED
    assert await ann.kinds() == ["request_sent", "request_accepted"]


async def test_second_request_returns_the_pending_one_and_drops_its_note(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    first = await ann.ask(bob, note="one")
    second = await ann.ask(bob, note="two")

    assert second == first
    assert await ann.kinds() == ["request_sent"]
    assert await bob.kinds() == ["request_received"]


async def test_cancelled_request_is_gone_and_its_note_erased(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    asked = await ann.ask(bob, note="one")
    cancelled = await ann.cancel(asked.request_id)

    assert cancelled.state == pb.FRIEND_REQUEST_STATE_CANCELLED
    assert cancelled.note == ""
    assert await ann.cancel(asked.request_id) == cancelled
    assert await bob.box(pb.REQUEST_BOX_RECEIVED) == []
    assert await reason_of(bob.accept(asked.request_id)) == "REQUEST_NOT_PENDING"
    assert await reason_of(bob.ignore(asked.request_id)) == "REQUEST_NOT_PENDING"
    assert await bob.kinds() == ["request_received", "request_cancelled"]
    assert [e.request_received.friend_request.note for e in (await bob.events())[:1]] == [""]
    assert (await ann.ask(bob)).request_id != asked.request_id


async def test_accepting_twice_is_ok_while_they_are_friends_by_that_request(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    made = await ann.befriend(bob)

    assert (await bob.accept(made.request_id)).state == pb.FRIEND_REQUEST_STATE_ACCEPTED
    assert await reason_of(ann.cancel(made.request_id)) == "REQUEST_NOT_PENDING"
    await ann.remove(bob)
    assert await reason_of(bob.accept(made.request_id)) == "REQUEST_NOT_PENDING"
    assert await reason_of(ann.cancel(made.request_id)) == "REQUEST_NOT_PENDING"


async def test_only_addressee_answers_and_only_requester_cancels(world: World) -> None:
    ann, bob, eve = [await world.person(name) for name in ("ann", "bob", "eve")]
    asked = (await ann.ask(bob)).request_id

    unknown = await refusal(eve.accept("0190-never-was"))
    assert unknown.reason == "REQUEST_NOT_FOUND"
    for attempt in (
        eve.accept(asked),
        eve.ignore(asked),
        eve.cancel(asked),
        ann.accept(asked),
        ann.ignore(asked),
        bob.cancel(asked),
        world.caller("nobody").accept(asked),
    ):
        assert await refusal(attempt) == unknown


async def test_removing_ends_it_for_both_and_removing_again_is_ok(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    await ann.befriend(bob)
    await bob.remove(ann)
    await bob.remove(ann)
    await ann.remove(bob)

    assert await ann.friends() == []
    assert await bob.friends() == []
    assert (await ann.see(bob)).relationship == pb.RELATIONSHIP_NONE
    assert (await ann.kinds())[-1] == (await bob.kinds())[-1] == "friend_removed"
    assert len(await bob.kinds()) == 3


async def test_ignored_request_can_be_accepted_from_its_box(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    asked = await ann.ask(bob)
    ignored = await bob.ignore(asked.request_id)

    assert ignored.state == pb.FRIEND_REQUEST_STATE_IGNORED
    assert ignored.person.relationship == pb.RELATIONSHIP_NONE
    assert await bob.ignore(asked.request_id) == ignored
    assert await bob.box(pb.REQUEST_BOX_RECEIVED) == []
    assert await bob.box(pb.REQUEST_BOX_IGNORED) == [ignored]
    assert await bob.kinds() == ["request_received", "request_ignored"]

    assert (await bob.accept(asked.request_id)).state == pb.FRIEND_REQUEST_STATE_ACCEPTED
    assert await bob.friends() == ["ann"]


async def test_request_by_the_ignorer_makes_friends_and_ends_the_ignoring(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    asked = await ann.ask(bob)
    await bob.ignore(asked.request_id)

    assert (await bob.ask(ann)).request_id == asked.request_id
    await ann.remove(bob)
    again = await ann.ask(bob)
    assert [r.request_id for r in await bob.box(pb.REQUEST_BOX_RECEIVED)] == [again.request_id]


async def test_asking_again_after_being_ignored_stays_ignored(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    await bob.ignore((await ann.ask(bob)).request_id)
    await ann.cancel((await ann.ask(bob)).request_id)
    again = await ann.ask(bob)

    assert await bob.box(pb.REQUEST_BOX_RECEIVED) == []
    assert [r.request_id for r in await bob.box(pb.REQUEST_BOX_IGNORED)] == [again.request_id]
    assert await bob.kinds() == ["request_received", "request_ignored"]


async def test_blocking_ends_friendship_and_refuses_the_blocker(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    await ann.befriend(bob)
    await ann.block(bob)
    await ann.block(bob)

    assert await ann.friends() == await bob.friends() == []
    assert (await ann.see(bob)).relationship == pb.RELATIONSHIP_BLOCKED
    assert (await bob.see(ann)).relationship == pb.RELATIONSHIP_NONE
    assert await reason_of(ann.ask(bob)) == "PERSON_BLOCKED"
    assert (await ann.kinds())[2:] == ["friend_removed", "person_blocked"]
    assert (await bob.kinds())[2:] == ["friend_removed"]


async def test_request_made_while_blocked_is_among_the_ignored_after_unblocking(
    world: World,
) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    await ann.block(bob)
    asked = await bob.ask(ann)

    assert asked.state == pb.FRIEND_REQUEST_STATE_PENDING
    assert await ann.box(pb.REQUEST_BOX_RECEIVED) == await ann.box(pb.REQUEST_BOX_IGNORED) == []
    assert await reason_of(ann.accept(asked.request_id)) == "PERSON_BLOCKED"

    await ann.unblock(bob)
    await ann.unblock(bob)

    assert await ann.box(pb.REQUEST_BOX_RECEIVED) == []
    assert [r.request_id for r in await ann.box(pb.REQUEST_BOX_IGNORED)] == [asked.request_id]
    assert await ann.kinds() == ["person_blocked", "person_unblocked"]
    await ann.accept(asked.request_id)
    assert await bob.friends() == ["ann"]


async def test_blocking_withdraws_the_blockers_request(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    asked = await ann.ask(bob)
    await ann.block(bob)

    assert await bob.box(pb.REQUEST_BOX_RECEIVED) == []
    assert await reason_of(bob.accept(asked.request_id)) == "REQUEST_NOT_PENDING"
    assert await bob.kinds() == ["request_received", "request_cancelled"]


async def test_both_may_block_each_other(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    await ann.block(bob)
    await bob.block(ann)

    assert (await bob.see(ann)).relationship == pb.RELATIONSHIP_BLOCKED
    await ann.unblock(bob)
    assert (await bob.see(ann)).relationship == pb.RELATIONSHIP_BLOCKED
    assert (await ann.see(bob)).relationship == pb.RELATIONSHIP_NONE


@pytest.mark.parametrize("method", ["ask", "remove", "block", "unblock"])
async def test_commands_need_two_people_of_the_network(world: World, method: str) -> None:
    ann = await world.person("ann")
    nobody = world.caller("nobody")

    assert await reason_of(getattr(ann, method)(ann)) == "NOT_WITH_YOURSELF"
    assert await reason_of(getattr(ann, method)(nobody)) == "PERSON_NOT_FOUND"
    assert await reason_of(getattr(nobody, method)(ann)) == "PROFILE_REQUIRED"
    assert await ann.kinds() == []


async def test_requests_in_an_hour_are_limited_and_the_error_says_for_how_long() -> None:
    now = 1_000_000_000_000_000

    def clock() -> int:
        return now

    async with friendship_world(clock=clock, requests_per_hour=2) as world:
        ann = await world.person("ann")
        others = [await world.person() for _ in range(3)]
        first = await ann.ask(others[0])
        now += 600_000_000
        await others[1].block(ann)
        await ann.ask(others[1])

        refused = await refusal(ann.ask(others[2]))
        assert refused.reason == "TOO_MANY_REQUESTS"
        assert refused.retry_seconds == 3000
        # What makes no new request is not counted.
        assert (await ann.ask(others[0])).request_id == first.request_id
        now += 3_000_000_000
        assert (await ann.ask(others[2])).state == pb.FRIEND_REQUEST_STATE_PENDING


async def test_pending_requests_are_limited_hidden_ones_included() -> None:
    async with friendship_world(requests_per_hour="off", max_pending_requests=2) as world:
        ann = await world.person("ann")
        others = [await world.person() for _ in range(3)]
        await others[0].block(ann)
        hidden = await ann.ask(others[0])
        await ann.ask(others[1])

        refused = await refusal(ann.ask(others[2]))
        assert refused.reason == "TOO_MANY_PENDING_REQUESTS"
        assert refused.retry_seconds
        await ann.cancel(hidden.request_id)
        await ann.ask(others[2])
