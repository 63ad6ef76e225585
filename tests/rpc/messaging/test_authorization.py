"""Who may send: what friendship says, how long its word is good for, and what happens without it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc import StatusCode

from chassis.client import open_channel
from paperplane.friendship.v1 import authorization_pb2_grpc
from paperplane.messaging.v1 import messaging_pb2 as pb
from services.messaging.domain import Grant, Pair
from services.messaging.friend_gate import ASK, GrpcFriendGate
from tests.support.messaging import MessagingUnderTest, Person, StandInFriendship, messaging_service
from tests.support.refusals import refused

Friends = tuple[Person, Person, str]


async def test_one_answer_is_good_for_many_sends(
    service: MessagingUnderTest, friends: Friends
) -> None:
    ann, bob, channel_id = friends
    for number in range(5):
        await ann.send(channel_id, f"from ann {number}")
        await bob.send(channel_id, f"from bob {number}")
    assert service.friendship.asked == [1]


async def test_age_of_zero_asks_every_time(tmp_path: Path) -> None:
    async with messaging_service(tmp_path, {"PAPERPLANE_AUTHORIZATION_MAX_AGE": "0"}) as service:
        ann, _, channel_id = await service.friends("ann", "bob")
        for number in range(3):
            await ann.send(channel_id, str(number))
        assert service.friendship.asked == [1, 1, 1]

        service.friendship.set("ann", "bob", open=False, epoch=2)
        # The close was not delivered: friendship's word alone refuses.
        assert (await refused(ann.send(channel_id, "late"))).reason == "CHANNEL_CLOSED"


async def test_questions_that_arrive_during_one_share_the_next(
    service: MessagingUnderTest,
) -> None:
    service.friendship.may_answer.clear()
    async with open_channel(service.settings.friendship) as channel:
        gate = GrpcFriendGate(channel, max_age=0)
        first = asyncio.create_task(gate.grant(Pair.of("ann", "bob")))
        await service.friendship.called.wait()
        pairs = [Pair.of("ann", f"friend-{number}") for number in range(20)] * 2
        rest = [asyncio.create_task(gate.grant(pair)) for pair in pairs]
        await asyncio.sleep(0)
        service.friendship.may_answer.set()

        assert await first == Grant(open=False, epoch=0)
        assert await asyncio.gather(*rest) == [Grant(open=False, epoch=0)] * 40
        await gate.close()
    assert service.friendship.asked == [1, 20]


@pytest.mark.sqlite
@pytest.mark.parametrize("how", ["hangs", "is down"])
async def test_of_two_replicas_one_is_enough(how: str) -> None:
    ill, well = StandInFriendship(), StandInFriendship()
    if how == "hangs":
        ill.may_answer.clear()
    else:
        ill.down = True
    async with AsyncExitStack() as opened:
        ports = [await opened.enter_async_context(serving(each)) for each in (ill, well)]
        address = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
        channel = await opened.enter_async_context(open_channel(address, [ASK]))
        gate = GrpcFriendGate(channel, max_age=0)
        # It is every other one's turn to ask the one that is ill.
        while not ill.called.is_set() or len(well.asked) < 3:
            assert await gate.grant(Pair.of("ann", "bob")) == Grant(open=False, epoch=0)
        await gate.close()


@asynccontextmanager
async def serving(friendship: StandInFriendship) -> AsyncGenerator[int]:
    """Serve on a port of its own for as long as the context lasts."""
    server = grpc.aio.server()
    authorization_pb2_grpc.add_ChannelAuthorizationServiceServicer_to_server(friendship, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield port
    friendship.may_answer.set()
    await server.stop(None)


async def test_grant_that_is_out_of_date_is_asked_for_once_more(
    service: MessagingUnderTest, friends: Friends
) -> None:
    ann, _, channel_id = friends
    await service.unfriend("ann", "bob", epoch=2)
    await service.befriend("ann", "bob", epoch=3)
    service.friendship.out_of_date.append((True, 1))

    assert (await ann.send(channel_id, "after all")).seq == 1
    assert service.friendship.asked == [1, 1]


async def test_grant_kept_from_before_a_close_does_not_pass(
    service: MessagingUnderTest, friends: Friends
) -> None:
    ann, _, channel_id = friends
    await ann.send(channel_id, "while friends")
    await service.unfriend("ann", "bob")

    error = await refused(ann.send(channel_id, "late"))

    assert (error.code, error.reason) == (StatusCode.PERMISSION_DENIED, "CHANNEL_CLOSED")
    assert (await ann.channel(channel_id)).last_seq == 1


async def test_friendship_that_stays_behind_its_own_word_is_unavailable(
    service: MessagingUnderTest, friends: Friends
) -> None:
    """Such as one that was restored from a backup: nothing passes until it has caught up."""
    ann, _, channel_id = friends
    await service.deliver(("ann", "bob", False, 8))

    error = await refused(ann.send(channel_id, "too early"))

    assert (error.code, error.reason) == (StatusCode.UNAVAILABLE, "FRIENDSHIP_UNAVAILABLE")
    assert (await ann.channel(channel_id)).last_seq == 0


async def test_newer_grant_opens_what_was_not_delivered_yet(
    service: MessagingUnderTest, friends: Friends
) -> None:
    ann, bob, channel_id = friends
    await service.unfriend("ann", "bob", epoch=2)
    service.friendship.set("ann", "bob", open=True, epoch=3)

    assert (await ann.send(channel_id, "friends again")).seq == 1

    assert (await bob.channel(channel_id)).state == pb.CHANNEL_STATE_OPEN
    assert await bob.kinds() == [
        "channel_opened",
        "channel_closed",
        "channel_opened",
        "message_sent",
    ]
    # The delivery that comes late finds it done.
    await service.befriend("ann", "bob", epoch=3)
    assert len(await bob.kinds()) == 4


async def test_edit_under_a_newer_friendship_opens_a_channel_only_once(
    service: MessagingUnderTest, friends: Friends
) -> None:
    """An open channel whose friendship ended and began again, unseen, is open still."""
    ann, bob, channel_id = friends
    await ann.send(channel_id, "one")
    await service.unfriend("ann", "bob", epoch=2)
    service.friendship.set("ann", "bob", open=True, epoch=3)
    await ann.edit(channel_id, 1, "two")
    assert (await bob.kinds())[-2:] == ["channel_opened", "message_edited"]

    # Past what is kept, a grant two epochs ahead of an open row.
    service.friendship.set("ann", "bob", open=True, epoch=5)
    await service.deliver(("ann", "bob", True, 4))
    await ann.edit(channel_id, 1, "three")
    assert (await bob.kinds())[-2:] == ["message_edited", "message_edited"]


async def test_without_friendship_nothing_is_stored_and_reading_goes_on(
    service: MessagingUnderTest, friends: Friends
) -> None:
    ann, bob, channel_id = friends
    # A send of Eve's warms the connection and leaves Ann and Bob unasked about.
    eve, _, elsewhere = await service.friends("eve", "fay")
    await eve.send(elsewhere, "hello")
    service.friendship.down = True
    before = service.content()

    for call in (ann.send(channel_id, "lost"), ann.send(channel_id, "lost", "c-9")):
        error = await refused(call)
        assert (error.code, error.reason) == (StatusCode.UNAVAILABLE, "FRIENDSHIP_UNAVAILABLE")
    error = await refused(ann.channel_with("gus"))
    assert (error.code, error.reason) == (StatusCode.UNAVAILABLE, "FRIENDSHIP_UNAVAILABLE")
    assert service.content() == before

    assert await bob.history(channel_id) == []
    assert (await bob.channel_with("ann")).channel_id == channel_id
    assert [channel.channel_id for channel in (await bob.channels()).channels] == [channel_id]


async def test_known_client_ids_and_own_deletions_need_no_friendship(tmp_path: Path) -> None:
    async with messaging_service(tmp_path, {"PAPERPLANE_AUTHORIZATION_MAX_AGE": "0"}) as service:
        ann, _, channel_id = await service.friends("ann", "bob")
        sent = await ann.send(channel_id, "kept", "c-1")
        service.friendship.down = True

        assert await ann.send(channel_id, "kept", "c-1") == sent
        reused = await refused(ann.send(channel_id, "other", "c-1"))
        assert reused.reason == "CLIENT_MESSAGE_ID_REUSED"
        edit = await refused(ann.edit(channel_id, 1, "new"))
        assert edit.reason == "FRIENDSHIP_UNAVAILABLE"
        assert (await ann.delete(channel_id, 1)).HasField("delete_time")


async def test_friendship_that_does_not_answer_is_given_up_on(
    service: MessagingUnderTest, friends: Friends
) -> None:
    ann, _, channel_id = friends
    service.friendship.may_answer.clear()
    assert (await refused(ann.send(channel_id, "x"))).reason == "FRIENDSHIP_UNAVAILABLE"
    assert (await ann.channel(channel_id)).last_seq == 0
