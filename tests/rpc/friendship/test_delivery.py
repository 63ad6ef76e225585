"""Every change of a friendship reaches messaging, and an ending returns OK only once it has."""

from __future__ import annotations

import asyncio
import time

from paperplane.friendship.v1 import authorization_pb2
from paperplane.friendship.v1 import friendship_pb2 as pb
from paperplane.messaging.v1 import lifecycle_pb2
from tests.support.friendship import Caller, Told, World, friendship_world, refusal


async def grants(world: World, *pairs: tuple[str, str]) -> list[tuple[bool, int]]:
    request = authorization_pb2.AuthorizeChannelsRequest(
        pairs=[authorization_pb2.PersonPair(person_id=a, other_person_id=b) for a, b in pairs]
    )
    response = await world.authorization.AuthorizeChannels(request, timeout=10)
    return [(grant.open, grant.epoch) for grant in response.grants]


async def test_messaging_knows_before_the_answers_come(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    await ann.befriend(bob)
    assert world.messaging.told == [Told("ann", "bob", open=True, epoch=1)]
    await bob.remove(ann)
    assert world.messaging.told[-1] == Told("ann", "bob", open=False, epoch=2)
    await bob.ask(ann)
    await ann.ask(bob)
    assert world.messaging.told[-1] == Told("ann", "bob", open=True, epoch=3)
    await bob.block(ann)
    assert world.messaging.told[-1] == Told("ann", "bob", open=False, epoch=4)


async def test_what_ends_no_friendship_tells_messaging_nothing(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    await ann.remove(bob)
    await ann.cancel((await ann.ask(bob)).request_id)
    await ann.block(bob)
    await ann.unblock(bob)

    assert world.messaging.calls == 0


async def test_removal_answers_pending_while_messaging_is_gone_and_heals_after() -> None:
    async with friendship_world(messaging_up=False, revocation_timeout=0.2) as world:
        ann, bob = await world.person("ann"), await world.person("bob")
        started = time.monotonic()
        await ann.befriend(bob)
        assert time.monotonic() - started < 3
        for _ in range(2):
            refused = await refusal(bob.remove(ann))
            assert refused.reason == "REVOCATION_PENDING"
        assert (await refusal(ann.block(bob))).reason == "REVOCATION_PENDING"
        # It has ended all the same, and new grants say so.
        assert await ann.friends() == []
        assert await grants(world, ("ann", "bob")) == [(False, 2)]

        await world.messaging.start()
        back = time.monotonic()
        await world.messaging.until_told(
            lambda told: told[-1:] == [Told("ann", "bob", open=False, epoch=2)]
        )
        assert time.monotonic() - back < 2
        await bob.remove(ann)


async def test_removal_waits_for_messaging_to_answer() -> None:
    async with friendship_world(revocation_timeout=10) as world:
        ann, bob = await world.person("ann"), await world.person("bob")
        await ann.befriend(bob)
        world.messaging.may_answer.clear()
        world.messaging.called.clear()
        removal = asyncio.create_task(ann.remove(bob))
        again = asyncio.create_task(bob.remove(ann))
        await world.messaging.called.wait()
        done, _ = await asyncio.wait((removal, again), timeout=0.1)
        assert not done
        world.messaging.may_answer.set()
        await asyncio.gather(removal, again)


async def test_removal_answers_within_the_callers_deadline(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    await ann.befriend(bob)
    world.messaging.may_answer.clear()
    call = ann.friendship.RemoveFriend(
        pb.RemoveFriendRequest(person_id="bob"), metadata=ann.metadata, timeout=0.5
    )

    assert (await refusal(call)).reason == "REVOCATION_PENDING"


async def test_accepting_answers_ok_though_messaging_does_not(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    asked = (await ann.ask(bob)).request_id
    world.messaging.may_answer.clear()
    request = pb.AcceptFriendRequestRequest(request_id=asked)
    response = await bob.friendship.AcceptFriendRequest(request, metadata=bob.metadata, timeout=0.7)

    assert response.friend_request.state == pb.FRIEND_REQUEST_STATE_ACCEPTED
    assert world.messaging.told == []
    world.messaging.may_answer.set()
    await world.messaging.until_told(lambda told: told == [Told("ann", "bob", open=True, epoch=1)])


async def test_cancelled_removal_is_delivered_all_the_same(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    await ann.befriend(bob)
    world.messaging.may_answer.clear()
    world.messaging.called.clear()
    removal = asyncio.create_task(ann.remove(bob))
    await world.messaging.called.wait()
    removal.cancel()
    await asyncio.gather(removal, return_exceptions=True)
    world.messaging.may_answer.set()

    await world.messaging.until_told(
        lambda told: told[-1] == Told("ann", "bob", open=False, epoch=2)
    )
    await bob.remove(ann)


async def test_outbox_survives_a_restart() -> None:
    async with friendship_world(messaging_up=False, revocation_timeout=0.1) as world:
        ann, bob = await world.person("ann"), await world.person("bob")
        await ann.befriend(bob)
        assert (await refusal(ann.remove(bob))).reason == "REVOCATION_PENDING"
        await world.stop()
        await world.messaging.start()
        await world.start()

        await world.messaging.until_told(
            lambda told: told == [Told("ann", "bob", open=False, epoch=2)]
        )
        await world.caller("ann").remove(bob)


async def test_one_pair_that_messaging_refuses_holds_up_no_other(world: World) -> None:
    people = [await world.person() for _ in range(4)]
    bad = people[0].id

    def names_bad(request: lifecycle_pb2.ApplyFriendshipChangesRequest) -> bool:
        return any(bad in (change.person_id, change.other_person_id) for change in request.changes)

    for other in people[1:]:
        await people[0].befriend(other) if other is people[1] else await people[1].befriend(other)
    world.messaging.fail_with = names_bad
    stuck = asyncio.create_task(people[0].remove(people[1]))
    await asyncio.gather(people[1].remove(people[2]), people[1].remove(people[3]))
    assert not stuck.done()
    world.messaging.fail_with = lambda _: False
    await stuck


async def test_changes_that_gather_leave_together() -> None:
    async with friendship_world(messaging_up=False, revocation_timeout=0.1) as world:
        hub = await world.person()
        others = [await world.person() for _ in range(20)]

        async def end(other: Caller) -> None:
            asked = await other.ask(hub)
            await hub.accept(asked.request_id)
            await refusal(other.remove(hub))

        await asyncio.gather(*map(end, others))
        await world.messaging.start()
        await world.messaging.until_told(lambda told: len(told) >= 20)
        assert world.messaging.calls < 20


async def test_authorization_answers_each_pair_in_order(world: World) -> None:
    ann, bob, eve = [await world.person(name) for name in ("ann", "bob", "eve")]
    await ann.befriend(bob)
    await ann.befriend(eve)
    await ann.remove(eve)

    answer = await grants(
        world,
        ("eve", "ann"),
        ("bob", "ann"),
        ("bob", "eve"),
        ("ann", "bob"),
        ("ann", "nobody"),
        ("ann", "ann"),
        ("a\\\"' %s", "ann"),
    )

    assert answer == [
        (False, 2),
        (True, 1),
        (False, 0),
        (True, 1),
        (False, 0),
        (False, 0),
        (False, 0),
    ]


async def test_authorization_takes_a_thousand_pairs(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    await ann.befriend(bob)
    pairs = [("ann", f"x{number}") for number in range(999)]

    assert await grants(world, *pairs, ("bob", "ann")) == [(False, 0)] * 999 + [(True, 1)]
    assert (await refusal(grants(world, *pairs, *pairs))).reason == "INVALID_REQUEST"
