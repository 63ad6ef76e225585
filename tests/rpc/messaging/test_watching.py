"""The live stream: exact resume from every cursor, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import StatusCode

from paperplane.messaging.v1 import messaging_pb2 as pb
from tests.support.databases import backup, change
from tests.support.messaging import (
    MessagingUnderTest,
    Person,
    kind_of,
    messaging_service,
    until_caught_up,
)
from tests.support.refusals import read_error, refused

Friends = tuple[Person, Person, str]


async def first_answer(person: Person, cursor: str) -> Any:
    call = person.open_watch(cursor)
    try:
        return await call.read()
    finally:
        call.cancel()


async def make_history(service: MessagingUnderTest, friends: Friends) -> None:
    """Let something of every kind happen."""
    ann, bob, channel_id = friends
    for text in ("one", "two", "three"):
        await ann.send(channel_id, text)
    await bob.read(channel_id, 2)
    await ann.edit(channel_id, 1, "first")
    await ann.delete(channel_id, 2)
    await service.unfriend("ann", "bob", epoch=2)
    await service.befriend("ann", "bob", epoch=3)
    await bob.send(channel_id, "four")


async def test_watch_from_every_cursor_goes_on_exactly_there(
    service: MessagingUnderTest, friends: Friends
) -> None:
    await make_history(service, friends)
    for who in friends[:2]:
        whole = await who.log()
        assert [kind_of(response) for response in whole] == [
            "channel_opened",
            "message_sent",
            "message_sent",
            "message_sent",
            "read",
            "message_edited",
            "message_deleted",
            "channel_closed",
            "channel_opened",
            "message_sent",
        ]
        assert len({response.cursor for response in whole}) == len(whole)
        for place, response in enumerate(whole):
            assert await who.log(response.cursor) == whole[place + 1 :]


async def test_caught_up_comes_once_between_the_past_and_the_present(
    service: MessagingUnderTest, friends: Friends
) -> None:
    ann, bob, channel_id = friends
    await ann.send(channel_id, "past")
    async with aclosing(bob.watch()) as stream:
        kinds = [kind_of(await anext(stream)) for _ in range(3)]
        await ann.send(channel_id, "present")
        live = await anext(stream)
        await service.unfriend("ann", "bob")
        kinds += [kind_of(live), kind_of(await anext(stream))]
    assert kinds == [
        "channel_opened",
        "message_sent",
        "caught_up",
        "message_sent",
        "channel_closed",
    ]
    assert live.event.message_sent.message.text == "present"
    assert live.event.HasField("event_time")


async def test_cursor_of_caught_up_and_of_the_list_stand_where_the_last_event_does(
    friends: Friends,
) -> None:
    ann, bob, channel_id = friends
    await ann.send(channel_id, "seen")
    async with aclosing(bob.watch()) as stream:
        caught_up = await until_caught_up(stream)
    listed = (await bob.channels()).cursor
    await ann.send(channel_id, "unseen")
    for cursor in (caught_up, listed):
        (news,) = await bob.log(cursor)
        assert news.event.message_sent.message.text == "unseen"


async def test_two_devices_see_the_same(friends: Friends) -> None:
    ann, bob, channel_id = friends
    async with aclosing(bob.watch()) as phone, aclosing(bob.watch()) as laptop:
        await until_caught_up(phone)
        await until_caught_up(laptop)
        sent = await ann.send(channel_id, "to both")
        own = await bob.send(channel_id, "from one of them")
        for device in (phone, laptop):
            got = [await anext(device), await anext(device)]
            assert [response.event.message_sent.message for response in got] == [sent, own]


async def test_people_without_a_past_catch_up_at_once(service: MessagingUnderTest) -> None:
    """Also one whom nobody has heard of: the gateway vouches for them."""
    async with aclosing(service.person("new").watch()) as stream:
        assert kind_of(await anext(stream)) == "caught_up"
        await service.befriend("new", "bob")
        assert kind_of(await anext(stream)) == "channel_opened"


async def test_ring_that_is_lost_only_delays(tmp_path: Path) -> None:
    """Whoever writes past this process rings no bell of it; the log is looked at anyway."""
    options = {"PAPERPLANE_STREAM_POLL_SECONDS": "0.05"}
    async with messaging_service(tmp_path, options) as service:
        _, bob, channel_id = await service.friends("ann", "bob")
        async with aclosing(bob.watch()) as stream:
            await until_caught_up(stream)
            change(
                service.settings.database,
                "INSERT INTO inbox_entries (person_id, position, kind, subject, number, actor, time)"
                " VALUES ('bob', 2, 'read', :channel, 1, 'ann', 7)",
                channel=channel_id,
            )
            change(
                service.settings.database,
                "UPDATE inbox_heads SET position = 2 WHERE person_id = 'bob'",
            )
            read = (await anext(stream)).event.read
    assert (read.channel_id, read.person_id, read.seq) == (channel_id, "ann", 1)


async def test_foreign_and_forged_cursors_are_refused(
    service: MessagingUnderTest, friends: Friends
) -> None:
    ann, bob, channel_id = friends
    await ann.send(channel_id, "1")
    await ann.send(channel_id, "2")
    cursor = (await bob.channels()).cursor
    token = (await bob.page(channel_id, page_size=1, after_seq=0)).next_page_token
    assert token
    flipped = cursor[:-1] + ("A" if cursor[-1] != "A" else "Q")
    for wrong in (
        (await ann.channels()).cursor,
        token,
        flipped,
        cursor[1:],
        "5",
        "x",
        "é" * 10,
        "A" * 2048,
    ):
        error = await refused(first_answer(bob, wrong))
        assert (error.code, error.reason) == (StatusCode.INVALID_ARGUMENT, "CURSOR_INVALID")
    assert (await refused(first_answer(bob, "A" * 2049))).reason == "INVALID_REQUEST"


async def test_cursor_of_lost_time_is_expired(tmp_path: Path) -> None:
    """Beyond the end of a log that was restored, and of a life of the log that is over."""
    async with messaging_service(tmp_path) as service:
        ann, bob, channel_id = await service.friends("ann", "bob")
        await ann.send(channel_id, "kept")
        await service.stop()
        restore = backup(service.settings.database)
        await service.start()
        early = (await bob.channels()).cursor
        await ann.send(channel_id, "lost")
        late = (await bob.channels()).cursor
        # A cursor outlives a restart.
        await service.stop()
        await service.start()
        assert len(await bob.log(early)) == 1

        await service.stop()
        restore()
        await service.start()
        error = await refused(first_answer(bob, late))
        assert (error.code, error.reason) == (StatusCode.FAILED_PRECONDITION, "CURSOR_EXPIRED")
        assert await bob.log(early) == []

        await service.stop()
        change(service.settings.database, "DELETE FROM secrets WHERE name = 'log_generation'")
        await service.start()
        for cursor in (early, late):
            error = await refused(first_answer(bob, cursor))
            assert error.reason == "CURSOR_EXPIRED"
        assert len(await bob.log()) == 2


async def test_typing_of_a_friendship_that_has_ended_is_not_shown(
    tmp_path: Path,
) -> None:
    """The sign waits behind what a slow device has not taken yet; the friendship ends meanwhile."""
    async with messaging_service(tmp_path) as service:
        ann, bob, channel_id = await service.friends("ann", "bob")
        slow = bob.open_watch()
        stream = slow.__aiter__()
        await until_caught_up(stream)
        # More than the connection takes in unread, so that the stream stands still.
        await asyncio.gather(*(ann.send(channel_id, "🙂" * 16_384) for _ in range(150)))
        await ann.type(channel_id)
        await service.unfriend("ann", "bob", epoch=2)
        await service.befriend("ann", "bob", epoch=3)
        await ann.send(channel_id, "the end")

        kinds = await kinds_up_to(stream, "the end")
        await ann.type(channel_id)
        while "typing" not in kinds:
            kinds.append(kind_of(await anext(stream)))
        # A sign that is to be shown comes before what happens once the next message has.
        for text in ("one more", "the last one"):
            await ann.send(channel_id, text)
            kinds += await kinds_up_to(stream, text)
        slow.cancel()
    assert kinds.count("typing") == 1


async def kinds_up_to(stream: AsyncIterator[pb.WatchMessagesResponse], text: str) -> list[str]:
    """Read a stream up to a message, and return the kinds of the events."""
    kinds: list[str] = []
    async for response in stream:
        kinds.append(kind_of(response))
        if response.event.message_sent.message.text == text:
            break
    return kinds


async def test_slow_reader_is_let_go_and_resumes_without_a_loss(tmp_path: Path) -> None:
    async with messaging_service(tmp_path, {"PAPERPLANE_STREAM_MAX_LAG": "200"}) as service:
        ann, bob, channel_id = await service.friends("ann", "bob")
        slow = bob.open_watch()
        cursor = await until_caught_up(slow.__aiter__())
        # More than the connection takes in unread, and more than the server reads ahead.
        long = "🙂" * 16_384
        sent = [
            *await asyncio.gather(*(ann.send(channel_id, long) for _ in range(150))),
            *await asyncio.gather(*(ann.send(channel_id, "short") for _ in range(450))),
        ]

        taken: list[int] = []

        async def take_all() -> None:
            nonlocal cursor
            async for response in slow:
                taken.append(response.event.message_sent.message.seq)
                cursor = response.cursor

        error = await refused(take_all())
        assert (error.code, error.reason) == (StatusCode.ABORTED, "STREAM_TOO_SLOW")

        rest = [r.event.message_sent.message.seq for r in await bob.log(cursor)]
        assert len(taken) < len(sent)
        assert taken + rest == list(range(1, len(sent) + 1))


async def test_reader_who_is_far_behind_at_the_start_is_not_too_slow(tmp_path: Path) -> None:
    async with messaging_service(tmp_path, {"PAPERPLANE_STREAM_MAX_LAG": "3"}) as service:
        ann, bob, channel_id = await service.friends("ann", "bob")
        await asyncio.gather(*(ann.send(channel_id, "x") for _ in range(450)))
        assert len(await bob.log()) == 451


async def test_stopping_server_ends_streams_so_that_they_come_back(tmp_path: Path) -> None:
    async with messaging_service(tmp_path) as service:
        ann, bob, channel_id = await service.friends("ann", "bob")
        streams = [bob.open_watch().__aiter__() for _ in range(3)]
        cursors = [await until_caught_up(stream) for stream in streams]
        await service.stop()

        # They ended by themselves: those that are cut off have no details.
        for stream in streams:
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                await anext(stream)
            error = read_error(ended.value)
            assert (error.code, error.reason) == (StatusCode.UNAVAILABLE, "SERVER_STOPPING")
        await service.start()
        await ann.send(channel_id, "after the restart")
        assert await bob.kinds(cursors[0]) == ["message_sent"]


async def test_broken_off_streams_leave_nothing_behind(
    service: MessagingUnderTest, friends: Friends
) -> None:
    """Also those that were broken off while the server was waiting for them to take an event."""
    faults: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    ann, bob, channel_id = friends
    await asyncio.gather(*(ann.send(channel_id, "🙂" * 16_384) for _ in range(150)))
    for _ in range(5):
        call = bob.open_watch()
        await call.read()
        call.cancel()
    idle = bob.open_watch((await bob.channels()).cursor)
    await until_caught_up(idle.__aiter__())
    idle.cancel()
    await service.stop()
    assert faults == []


async def test_watch_needs_a_caller(service: MessagingUnderTest) -> None:
    call = service.stub.WatchMessages(pb.WatchMessagesRequest(), timeout=5)
    error = await refused(call.read())
    assert (error.code, error.reason) == (StatusCode.UNAUTHENTICATED, "TOKEN_MISSING")
