"""Channels: how they open, close and open again, and how they are found and listed."""

from __future__ import annotations

import asyncio

import pytest
from grpc import StatusCode

from paperplane.messaging.v1 import lifecycle_pb2
from paperplane.messaging.v1 import messaging_pb2 as pb
from tests.support.messaging import MessagingUnderTest, Person
from tests.support.refusals import refused

Friends = tuple[Person, Person, str]


async def test_acceptance_opens_one_channel_for_both(service: MessagingUnderTest) -> None:
    await service.befriend("bob", "ann")

    ann, bob = service.person("ann"), service.person("bob")
    seen = await ann.channel_with("bob")
    mirrored = await bob.channel_with("ann")
    assert (seen.friend_id, mirrored.friend_id) == ("bob", "ann")
    assert seen.channel_id == mirrored.channel_id
    assert seen == await ann.channel(seen.channel_id)
    assert seen.state == pb.CHANNEL_STATE_OPEN
    assert (seen.last_seq, seen.unread_count, seen.read_seq, seen.friend_read_seq) == (0, 0, 0, 0)
    assert not seen.HasField("last_message")
    assert seen.create_time == seen.active_time
    for who, view in ((ann, seen), (bob, mirrored)):
        (opened,) = await who.log()
        assert opened.event.channel_opened.channel == view


async def test_channel_opens_by_asking_when_nothing_was_delivered(
    service: MessagingUnderTest,
) -> None:
    service.friendship.set("ann", "bob", open=True, epoch=1)
    ann, bob = service.person("ann"), service.person("bob")

    seen = await asyncio.gather(
        *(
            who.channel_with(other)
            for who, other in ((ann, "bob"), (bob, "ann"), (ann, "bob"), (bob, "ann"))
        )
    )

    assert len({channel.channel_id for channel in seen}) == 1
    assert await ann.kinds() == ["channel_opened"]
    assert await bob.kinds() == ["channel_opened"]


async def test_closed_channel_opens_by_asking(
    service: MessagingUnderTest, friends: Friends
) -> None:
    ann, bob, channel_id = friends
    await service.unfriend("ann", "bob", epoch=2)
    assert (await ann.channel_with("bob")).state == pb.CHANNEL_STATE_CLOSED
    service.friendship.set("ann", "bob", open=True, epoch=3)

    assert (await ann.channel(channel_id)).state == pb.CHANNEL_STATE_CLOSED
    assert (await ann.channel_with("bob")).state == pb.CHANNEL_STATE_OPEN
    assert (await bob.channel(channel_id)).state == pb.CHANNEL_STATE_OPEN
    assert await bob.kinds() == ["channel_opened", "channel_closed", "channel_opened"]


@pytest.mark.parametrize("other", ["stranger", "ann", "x" * 255, "günther"])
async def test_people_who_are_no_friends_have_no_channel(
    service: MessagingUnderTest, other: str
) -> None:
    before = service.content()
    error = await refused(service.person("ann").channel_with(other))
    assert (error.code, error.reason) == (StatusCode.NOT_FOUND, "CHANNEL_NOT_FOUND")
    assert service.content() == before


async def test_channel_is_asked_for_by_one_key(service: MessagingUnderTest) -> None:
    ann = service.person("ann")
    for request in (
        pb.GetChannelRequest(),
        pb.GetChannelRequest(channel_id=""),
        pb.GetChannelRequest(person_id=""),
        pb.GetChannelRequest(person_id="x" * 256),
    ):
        error = await refused(ann.call(service.stub.GetChannel, request))
        assert (error.code, error.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")


async def test_change_that_comes_twice_is_applied_once(
    service: MessagingUnderTest, friends: Friends
) -> None:
    ann, _, _ = friends
    for _ in range(2):
        await service.deliver(("ann", "bob", True, 1), ("bob", "ann", True, 1))
    await service.deliver(("bob", "ann", False, 2))
    before = service.content()
    await service.deliver(("ann", "bob", False, 2))
    assert service.content() == before
    assert await ann.kinds() == ["channel_opened", "channel_closed"]


async def test_changes_in_any_order_leave_the_newest(
    service: MessagingUnderTest, friends: Friends
) -> None:
    ann, _, channel_id = friends
    await service.deliver(("ann", "bob", False, 4))
    await service.deliver(("ann", "bob", True, 3))
    await service.deliver(("ann", "bob", False, 2))
    assert (await ann.channel(channel_id)).state == pb.CHANNEL_STATE_CLOSED

    # In one call, too, whichever way the pair is written.
    await service.deliver(
        ("ann", "bob", True, 7), ("bob", "ann", False, 6), ("ann", "bob", False, 5)
    )
    assert (await ann.channel(channel_id)).state == pb.CHANNEL_STATE_OPEN
    assert await ann.kinds() == ["channel_opened", "channel_closed", "channel_opened"]


async def test_closing_an_unknown_pair_leaves_a_row_that_refuses(
    service: MessagingUnderTest,
) -> None:
    """The grant of a friendship that has ended must find nothing that it could open."""
    await service.deliver(("ann", "bob", False, 2))
    service.friendship.set("ann", "bob", open=True, epoch=1)
    ann = service.person("ann")

    error = await refused(ann.channel_with("bob"))

    assert (error.code, error.reason) == (StatusCode.NOT_FOUND, "CHANNEL_NOT_FOUND")
    ((channel_id,),) = service.rows("SELECT channel_id FROM channels")
    # It never opened: it is in no list, and nobody is told of it.
    assert (await refused(ann.channel(channel_id))).reason == "CHANNEL_NOT_FOUND"
    assert (await refused(ann.history(channel_id))).reason == "CHANNEL_NOT_FOUND"
    assert list((await ann.channels()).channels) == []
    assert await ann.log() == []
    # The next friendship opens it.
    service.friendship.set("ann", "bob", open=True, epoch=3)
    assert (await ann.channel_with("bob")).channel_id == channel_id


async def test_reopened_channel_keeps_its_id_and_history(
    service: MessagingUnderTest, friends: Friends
) -> None:
    ann, bob, channel_id = friends
    await ann.send(channel_id, "before")
    await bob.read(channel_id, 1)
    first = await ann.channel(channel_id)
    await service.unfriend("ann", "bob", epoch=2)
    closed = await bob.channel(channel_id)
    assert closed.state == pb.CHANNEL_STATE_CLOSED
    assert [m.text for m in await bob.history(channel_id)] == ["before"]

    await service.befriend("ann", "bob", epoch=3)

    again = await ann.channel_with("bob")
    assert again == first
    assert (await ann.send(channel_id, "after")).seq == 2
    assert [m.text for m in await bob.history(channel_id)] == ["after", "before"]


async def test_change_that_breaks_a_rule_applies_none(service: MessagingUnderTest) -> None:
    fine = lifecycle_pb2.FriendshipChange(
        person_id="ann", other_person_id="bob", open=True, epoch=1
    )
    for wrong in ({"person_id": ""}, {"epoch": 0}, {"other_person_id": "x" * 256}):
        bad = lifecycle_pb2.FriendshipChange()
        bad.CopyFrom(fine)
        for name, value in wrong.items():
            setattr(bad, name, value)
        request = lifecycle_pb2.ApplyFriendshipChangesRequest(changes=[fine, bad])
        error = await refused(service.lifecycle.ApplyFriendshipChanges(request, timeout=5))
        assert (error.code, error.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    empty = lifecycle_pb2.ApplyFriendshipChangesRequest()
    assert (
        await refused(service.lifecycle.ApplyFriendshipChanges(empty, timeout=5))
    ).reason == "INVALID_REQUEST"
    assert service.rows("SELECT * FROM channels") == []


async def test_person_is_no_friend_of_their_own(service: MessagingUnderTest) -> None:
    error = await refused(service.deliver(("cat", "dog", True, 1), ("ann", "ann", True, 1)))
    assert (error.code, error.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert error.fields == ("changes",)
    assert service.rows("SELECT * FROM channels") == []


async def test_list_shows_the_latest_activity_first(service: MessagingUnderTest) -> None:
    ann = service.person("ann")
    opened = [await service.friends("ann", name) for name in ("bob", "eve", "fay", "gus")]
    await service.friends("bob", "eve")
    by_name = {friend.id: channel_id for _, friend, channel_id in opened}
    await service.person("eve").send(by_name["eve"], "latest")
    await service.unfriend("ann", "gus")

    listed = (await ann.channels()).channels

    assert [channel.friend_id for channel in listed] == ["eve", "gus", "fay", "bob"]
    assert listed[0] == await ann.channel(by_name["eve"])
    assert (listed[0].last_message.text, listed[0].unread_count) == ("latest", 1)
    assert listed[1].state == pb.CHANNEL_STATE_CLOSED


@pytest.mark.parametrize("page_size", [1, 2, 3, 5, 6])
async def test_pages_of_channels_hold_each_once(
    service: MessagingUnderTest, page_size: int
) -> None:
    """Also those whose times are equal, and whichever side of the pair the caller is."""
    names = ["aaa", "bbb", "nnn", "yyy", "zzz"]
    await service.deliver(*(("mmm", name, True, 1) for name in names))
    person = service.person("mmm")
    found: list[str] = []
    token, tokens = "", 0
    while True:
        page = await person.channels(page_size, token)
        found += [channel.friend_id for channel in page.channels]
        token, tokens = page.next_page_token, tokens + 1
        if not token:
            break
    assert sorted(found) == names
    assert tokens <= 5 // page_size + 1


async def test_every_page_has_the_first_pages_cursor(service: MessagingUnderTest) -> None:
    """Else what happens between two pages would be in neither the list nor the stream."""
    for name in ("bob", "eve", "fay"):
        await service.befriend("ann", name)
    ann = service.person("ann")
    first = await ann.channels(2)
    moved = (await ann.channel_with("bob")).channel_id
    await ann.send(moved, "between the pages")

    second = await ann.channels(2, first.next_page_token)

    assert second.cursor == first.cursor
    listed = [*first.channels, *second.channels]
    # Bob's channel moved to the front: it is on no page, and the stream tells of it.
    assert [channel.friend_id for channel in listed] == ["fay", "eve"]
    (news,) = await ann.log(second.cursor)
    assert news.event.message_sent.message.channel_id == moved


async def test_person_without_channels_has_an_empty_list_and_a_cursor(
    service: MessagingUnderTest,
) -> None:
    ann = service.person("ann")
    page = await ann.channels()
    assert (list(page.channels), page.next_page_token) == ([], "")
    await service.befriend("ann", "bob")
    assert await ann.kinds(page.cursor) == ["channel_opened"]
