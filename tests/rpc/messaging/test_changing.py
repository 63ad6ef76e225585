"""Editing, deleting, reading and typing, in open channels and closed ones."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

import pytest
from grpc import StatusCode
from sqlalchemy import make_url

from paperplane.messaging.v1 import messaging_pb2 as pb
from tests.support.messaging import MessagingUnderTest, Person, kind_of, until_caught_up
from tests.support.refusals import refused

Friends = tuple[Person, Person, str]
LIMIT = 16_384


async def test_edit_changes_the_text_for_both_and_nothing_else(friends: Friends) -> None:
    ann, bob, channel_id = friends
    sent = await ann.send(channel_id, "helo", "c-1")

    edited = await ann.edit(channel_id, 1, "hello")

    assert edited.HasField("edit_time")
    expected = pb.Message()
    expected.CopyFrom(sent)
    expected.text = "hello"
    expected.edit_time.CopyFrom(edited.edit_time)
    assert edited == expected
    assert await bob.history(channel_id) == [edited]
    assert (await bob.channel(channel_id)).unread_count == 1
    log = await bob.log()
    assert [kind_of(r) for r in log] == ["channel_opened", "message_sent", "message_edited"]
    # What was sent shows as it is now.
    assert log[1].event.message_sent.message == edited
    assert log[2].event.message_edited.message == edited


async def test_deleted_message_leaves_a_tombstone_for_both(
    service: MessagingUnderTest, friends: Friends
) -> None:
    ann, bob, channel_id = friends
    await ann.send(channel_id, "regretted words", "c-1")
    await ann.send(channel_id, "kept")

    deleted = await ann.delete(channel_id, 1)

    assert (deleted.seq, deleted.sender_id, deleted.text) == (1, "ann", "")
    assert deleted.HasField("delete_time")
    assert [m.text for m in await bob.history(channel_id, after_seq=0)] == ["", "kept"]
    assert (await bob.history(channel_id, after_seq=0))[0] == deleted
    log = await bob.log()
    assert kind_of(log[-1]) == "message_deleted"
    assert log[1].event.message_sent.message == deleted == log[-1].event.message_deleted.message
    assert "regretted words" not in str(service.content())
    # Again is OK, and not news.
    assert await ann.delete(channel_id, 1) == deleted
    assert len(await bob.log()) == len(log)


# PostgreSQL overwrites them when it vacuums, which is the operator's to time.
@pytest.mark.sqlite
async def test_words_of_a_deleted_message_are_nowhere_on_disk(
    service: MessagingUnderTest, friends: Friends
) -> None:
    ann, _, channel_id = friends
    marker = "regretted-8f3a91"
    for _ in range(3):
        await ann.send(channel_id, marker * 300)
    await ann.edit(channel_id, 3, marker * 10)
    for seq in (1, 2, 3):
        await ann.delete(channel_id, seq)
    # The log of the last writes goes into the database when the service stops.
    await service.stop()

    database = Path(make_url(service.settings.database).database or "")
    held = [path for path in database.parent.iterdir() if path.is_file()]
    assert database in held
    for path in held:
        assert marker.encode() not in path.read_bytes()


async def test_deleted_message_cannot_be_edited(friends: Friends) -> None:
    ann, _, channel_id = friends
    await ann.send(channel_id, "gone")
    await ann.delete(channel_id, 1)

    error = await refused(ann.edit(channel_id, 1, "back"))

    assert (error.code, error.reason) == (StatusCode.FAILED_PRECONDITION, "MESSAGE_DELETED")


async def test_only_the_sender_edits_and_deletes(
    service: MessagingUnderTest, friends: Friends
) -> None:
    ann, bob, channel_id = friends
    await ann.send(channel_id, "mine")
    before = service.content()
    for call in (bob.edit(channel_id, 1, "yours"), bob.delete(channel_id, 1)):
        error = await refused(call)
        assert (error.code, error.reason) == (StatusCode.PERMISSION_DENIED, "NOT_THE_SENDER")
    assert service.content() == before


async def test_messages_that_are_not_there_are_not_found(
    service: MessagingUnderTest, friends: Friends
) -> None:
    ann, _, channel_id = friends
    await ann.send(channel_id, "the only one")
    before = service.content()
    for seq in (2, 2**63 - 1):
        for call in (
            ann.edit(channel_id, seq, "x"),
            ann.delete(channel_id, seq),
            ann.read(channel_id, seq),
        ):
            error = await refused(call)
            assert (error.code, error.reason) == (StatusCode.NOT_FOUND, "MESSAGE_NOT_FOUND")
    assert service.content() == before


@pytest.mark.parametrize("seq", [0, -1, -(2**63)])
async def test_places_count_from_one(friends: Friends, seq: int) -> None:
    ann, _, channel_id = friends
    for call in (
        ann.edit(channel_id, seq, "x"),
        ann.delete(channel_id, seq),
        ann.read(channel_id, seq),
    ):
        error = await refused(call)
        assert (error.code, error.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
        assert error.fields == ("seq",)


@pytest.mark.parametrize("text", ["", "x" * (LIMIT + 1), "a\0b"], ids=["empty", "long", "nul"])
async def test_edit_keeps_the_rules_of_text(friends: Friends, text: str) -> None:
    ann, _, channel_id = friends
    await ann.send(channel_id, "before")
    error = await refused(ann.edit(channel_id, 1, text))
    assert (error.code, error.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert error.fields == ("text",)
    assert (await ann.edit(channel_id, 1, "é" * LIMIT)).text == "é" * LIMIT


async def test_closed_channel_takes_deletions_and_no_edits(
    service: MessagingUnderTest, friends: Friends
) -> None:
    ann, bob, channel_id = friends
    await ann.send(channel_id, "one")
    await ann.send(channel_id, "two")
    await service.unfriend("ann", "bob")

    error = await refused(ann.edit(channel_id, 1, "changed"))
    assert (error.code, error.reason) == (StatusCode.PERMISSION_DENIED, "CHANNEL_CLOSED")
    assert (await ann.delete(channel_id, 1)).HasField("delete_time")

    assert [m.text for m in await bob.history(channel_id, after_seq=0)] == ["", "two"]
    assert (await bob.kinds())[-2:] == ["channel_closed", "message_deleted"]


async def test_unread_counts_follow_sends_marks_and_deletions(friends: Friends) -> None:
    ann, bob, channel_id = friends

    async def unread() -> tuple[int, int]:
        return (
            (await ann.channel(channel_id)).unread_count,
            (await bob.channel(channel_id)).unread_count,
        )

    for text in ("1", "2", "3", "4"):
        await ann.send(channel_id, text)
    await bob.send(channel_id, "5")
    assert await unread() == (1, 4)

    marked = await bob.read(channel_id, 2)
    assert (marked.unread_count, marked.read_seq) == (2, 2)
    await ann.delete(channel_id, 1)  # read already
    assert await unread() == (1, 2)
    await ann.delete(channel_id, 3)
    await ann.delete(channel_id, 3)
    assert await unread() == (1, 1)
    await bob.delete(channel_id, 5)
    assert await unread() == (0, 1)
    assert (await bob.read(channel_id, 5)).unread_count == 0
    # One's own messages are never unread.
    await bob.send(channel_id, "6")
    assert await unread() == (1, 0)
    assert (await ann.read(channel_id, 6)).unread_count == 0
    listed = (await ann.channels()).channels[0]
    assert (listed.unread_count, listed.read_seq, listed.last_seq) == (0, 6, 6)


async def test_mark_never_goes_back(friends: Friends) -> None:
    ann, bob, channel_id = friends
    for text in "abc":
        await ann.send(channel_id, text)
    assert (await bob.read(channel_id, 3)).read_seq == 3
    told = len(await ann.log())

    again = await bob.read(channel_id, 1)

    assert (again.read_seq, again.unread_count) == (3, 0)
    assert len(await ann.log()) == told


async def test_mark_in_an_open_channel_is_told_to_both(friends: Friends) -> None:
    ann, bob, channel_id = friends
    await ann.send(channel_id, "seen?")
    await bob.read(channel_id, 1)

    assert (await ann.channel(channel_id)).friend_read_seq == 1
    for who in (ann, bob):
        read = (await who.log())[-1].event.read
        assert (read.channel_id, read.person_id, read.seq) == (channel_id, "bob", 1)


async def test_mark_in_a_closed_channel_is_told_to_nobody(
    service: MessagingUnderTest, friends: Friends
) -> None:
    ann, bob, channel_id = friends
    await ann.send(channel_id, "one")
    await ann.send(channel_id, "two")
    await bob.read(channel_id, 1)
    await service.unfriend("ann", "bob")
    before = [await who.log() for who in (ann, bob)]
    seen_by_ann = await ann.channel(channel_id)

    marked = await bob.read(channel_id, 2)

    assert (marked.read_seq, marked.unread_count) == (2, 0)
    assert await ann.channel(channel_id) == seen_by_ann
    assert seen_by_ann.friend_read_seq == 1
    after = [await who.log() for who in (ann, bob)]
    assert [len(log) for log in after] == [len(log) for log in before]
    # Nor is it once they are friends again, until Bob reads on.
    await service.befriend("ann", "bob", epoch=3)
    assert (await ann.channel(channel_id)).friend_read_seq == 1
    await ann.send(channel_id, "three")
    await bob.read(channel_id, 3)
    assert (await ann.channel(channel_id)).friend_read_seq == 3


async def test_typing_is_shown_to_the_friend_and_is_in_no_log(friends: Friends) -> None:
    ann, bob, channel_id = friends
    async with aclosing(bob.watch()) as stream, aclosing(ann.watch()) as own:
        cursor = await until_caught_up(stream)
        await until_caught_up(own)
        await ann.type(channel_id)
        shown = await anext(stream)
        assert shown.event.typing == pb.Typing(channel_id=channel_id, person_id="ann")
        assert shown.cursor == cursor
        # Ann is not told of herself: what comes next on her stream is the message.
        await ann.send(channel_id, "typed")
        assert kind_of(await anext(own)) == "message_sent"
    assert await bob.kinds(cursor) == ["message_sent"]


async def test_typing_in_a_closed_channel_is_refused(
    service: MessagingUnderTest, friends: Friends
) -> None:
    ann, bob, channel_id = friends
    await service.unfriend("ann", "bob")
    for who in (ann, bob):
        error = await refused(who.type(channel_id))
        assert (error.code, error.reason) == (StatusCode.PERMISSION_DENIED, "CHANNEL_CLOSED")
