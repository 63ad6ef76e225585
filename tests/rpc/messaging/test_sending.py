"""Sending: what is taken, what is refused, and that nothing is stored twice or out of order."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from grpc import StatusCode

from paperplane.messaging.v1 import messaging_pb2 as pb
from tests.support.messaging import MessagingUnderTest, Person
from tests.support.refusals import refused

Friends = tuple[Person, Person, str]
LIMIT = 16_384


async def test_a_text_with_nul_is_refused_on_every_database(
    service: MessagingUnderTest, friends: tuple[Person, Person, str]
) -> None:
    """PostgreSQL could not keep it, and no caller should have to know which database there is."""
    ann, _, channel_id = friends
    for call in (
        ann.send(channel_id, "a\0b"),
        ann.send("\0", "text"),
        ann.edit(channel_id, 1, "\0"),
        ann.send(channel_id + "\0x", "x"),
        ann.channel(channel_id + "\0"),
        ann.history(channel_id + "\0"),
        ann.channel_with("bob\0"),
    ):
        error = await refused(call)
        assert (error.code, error.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
        assert "U+0000" in str(error)
    assert service.rows("SELECT * FROM messages") == []


async def test_message_comes_back_with_its_place_and_time(
    service: MessagingUnderTest, friends: Friends
) -> None:
    ann, bob, channel_id = friends

    first = await ann.send(channel_id, "hello", "c-1")
    second = await bob.send(channel_id, "hello yourself")

    assert (first.channel_id, first.seq, first.sender_id) == (channel_id, 1, "ann")
    assert (first.client_message_id, first.text) == ("c-1", "hello")
    assert first.HasField("create_time")
    assert not first.HasField("edit_time")
    assert not first.HasField("delete_time")
    assert (second.seq, second.sender_id, second.client_message_id) == (2, "bob", "")
    assert await bob.history(channel_id, after_seq=0) == [first, second]


@pytest.mark.parametrize("letter", ["x", "é", "漢", "\u2708", "🙂"])
async def test_limit_counts_characters_and_not_bytes(friends: Friends, letter: str) -> None:
    ann, _, channel_id = friends
    assert (await ann.send(channel_id, letter * LIMIT)).text == letter * LIMIT

    error = await refused(ann.send(channel_id, letter * (LIMIT + 1)))
    assert (error.code, error.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert error.fields == ("text",)
    assert [message.seq for message in await ann.history(channel_id)] == [1]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"text": ""}, "text"),
        ({"text": "a\0b"}, "text"),
        ({"client_message_id": "x" * 129}, "client_message_id"),
        ({"client_message_id": "with space"}, "client_message_id"),
        ({"client_message_id": "ünïcode"}, "client_message_id"),
        ({"channel_id": ""}, "channel_id"),
        ({"channel_id": "x" * 65}, "channel_id"),
        ({"attachment_ids": ["a"] * 2}, "attachment_ids"),
        ({"attachment_ids": [str(n) for n in range(11)]}, "attachment_ids"),
    ],
    ids=str,
)
async def test_request_that_breaks_a_rule_stores_nothing(
    service: MessagingUnderTest, friends: Friends, wrong: dict[str, Any], field: str
) -> None:
    ann, _, channel_id = friends
    before = service.content()
    request = pb.SendMessageRequest(**{"channel_id": channel_id, "text": "fine", **wrong})

    error = await refused(ann.call(ann.stub.SendMessage, request))

    assert (error.code, error.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert error.fields == (field,)
    assert service.content() == before


async def test_text_may_hold_anything_else(friends: Friends) -> None:
    ann, _, channel_id = friends
    for text in (" ", "\n", "\x01\x7f\u202e\ufeff", "'; DROP TABLE messages; --", "%s {x} \\u0000"):
        await ann.send(channel_id, text)
        assert (await ann.history(channel_id))[0].text == text


async def test_attachments_that_were_not_uploaded_are_not_found(
    service: MessagingUnderTest, friends: Friends
) -> None:
    ann, _, channel_id = friends
    before = service.content()
    request = pb.SendMessageRequest(channel_id=channel_id, text="see", attachment_ids=["none"])

    error = await refused(ann.call(ann.stub.SendMessage, request))

    assert (error.code, error.reason) == (StatusCode.NOT_FOUND, "ATTACHMENT_NOT_FOUND")
    assert service.content() == before


async def test_foreign_channel_looks_like_an_unknown_one(
    service: MessagingUnderTest, friends: Friends
) -> None:
    """Same bytes, by every method that names a channel."""
    ann, _, channel_id = friends
    await ann.send(channel_id, "private")
    mallory = service.person("mallory")
    unknown = "0190a0a0-0000-7000-8000-000000000000"
    stub = service.stub
    before = service.content()

    def calls(key: str) -> list[tuple[Any, Any]]:
        return [
            (stub.GetChannel, pb.GetChannelRequest(channel_id=key)),
            (stub.SendMessage, pb.SendMessageRequest(channel_id=key, text="x")),
            (stub.ListMessages, pb.ListMessagesRequest(channel_id=key)),
            (stub.EditMessage, pb.EditMessageRequest(channel_id=key, seq=1, text="x")),
            (stub.DeleteMessage, pb.DeleteMessageRequest(channel_id=key, seq=1)),
            (stub.MarkRead, pb.MarkReadRequest(channel_id=key, seq=1)),
            (stub.SendTyping, pb.SendTypingRequest(channel_id=key)),
        ]

    for (method, foreign), (_, missing) in zip(calls(channel_id), calls(unknown), strict=True):
        error = await refused(mallory.call(method, foreign))
        assert (error.code, error.reason) == (StatusCode.NOT_FOUND, "CHANNEL_NOT_FOUND")
        assert error == await refused(mallory.call(method, missing))
    assert service.content() == before


async def test_same_send_again_returns_the_first_message(
    service: MessagingUnderTest, friends: Friends
) -> None:
    ann, bob, channel_id = friends
    first = await ann.send(channel_id, "once", "c-1")
    before = service.content()

    assert await ann.send(channel_id, "once", "c-1") == first
    assert service.content() == before
    # The id is the sender's own and the channel's own.
    assert (await bob.send(channel_id, "twice", "c-1")).seq == 2
    _, _, elsewhere = await service.friends("ann", "eve")
    assert (await ann.send(elsewhere, "thrice", "c-1")).seq == 1


async def test_reused_client_id_is_refused(service: MessagingUnderTest, friends: Friends) -> None:
    ann, _, channel_id = friends
    await ann.send(channel_id, "one", "c-1")
    before = service.content()

    error = await refused(ann.send(channel_id, "another", "c-1"))

    assert (error.code, error.reason) == (StatusCode.ALREADY_EXISTS, "CLIENT_MESSAGE_ID_REUSED")
    assert service.content() == before


async def test_resend_is_answered_after_edit_close_and_delete(
    service: MessagingUnderTest, friends: Friends
) -> None:
    ann, _, channel_id = friends
    sent = await ann.send(channel_id, "first words", "c-1")

    edited = await ann.edit(channel_id, sent.seq, "second thoughts")
    assert await ann.send(channel_id, "first words", "c-1") == edited
    # What was asked for first counts, and not what it was edited to.
    reused = await refused(ann.send(channel_id, "second thoughts", "c-1"))
    assert reused.reason == "CLIENT_MESSAGE_ID_REUSED"

    await service.unfriend("ann", "bob")
    assert await ann.send(channel_id, "first words", "c-1") == edited
    assert (await refused(ann.send(channel_id, "late", "c-2"))).reason == "CHANNEL_CLOSED"

    deleted = await ann.delete(channel_id, sent.seq)
    assert await ann.send(channel_id, "first words", "c-1") == deleted
    # Nothing is left to compare with: whoever knows the id gets the tombstone.
    assert await ann.send(channel_id, "else", "c-1") == deleted


async def test_without_client_id_each_send_is_a_message(friends: Friends) -> None:
    ann, _, channel_id = friends
    sent = [await ann.send(channel_id, "same") for _ in range(3)]
    assert [message.seq for message in sent] == [1, 2, 3]


async def test_places_have_no_gaps_under_many_senders(
    service: MessagingUnderTest, friends: Friends
) -> None:
    ann, bob, channel_id = friends
    senders = [ann, bob] * 32

    async def send_some(number: int, who: Person) -> list[pb.Message]:
        return [
            await who.send(channel_id, f"{number}.{turn}", f"c-{number}-{turn}")
            for turn in range(5)
        ]

    batches = await asyncio.gather(*(send_some(n, who) for n, who in enumerate(senders)))

    sent = sorted((message for batch in batches for message in batch), key=lambda m: m.seq)
    assert [message.seq for message in sent] == list(range(1, 321))
    assert await bob.history(channel_id, after_seq=0, page_size=200) == sent
    for batch in batches:
        # What one sender sent after the answer to another stands behind it.
        assert [message.seq for message in batch] == sorted(message.seq for message in batch)
    for who in (ann, bob):
        log = await who.log()
        assert [response.event.message_sent.message for response in log[1:]] == sent


async def test_same_client_id_at_once_makes_one_message(friends: Friends) -> None:
    ann, _, channel_id = friends
    answers = await asyncio.gather(*(ann.send(channel_id, "once", "c-1") for _ in range(64)))
    assert {message.seq for message in answers} == {1}
    assert len(await ann.history(channel_id)) == 1


async def test_send_needs_a_caller(service: MessagingUnderTest, friends: Friends) -> None:
    _, _, channel_id = friends
    before = service.content()
    request = pb.SendMessageRequest(channel_id=channel_id, text="x")

    error = await refused(service.stub.SendMessage(request, timeout=5))

    assert (error.code, error.reason) == (StatusCode.UNAUTHENTICATED, "TOKEN_MISSING")
    assert service.content() == before


async def test_send_whose_deadline_passed_is_not_stored(
    service: MessagingUnderTest, friends: Friends
) -> None:
    ann, _, channel_id = friends
    service.friendship.may_answer.clear()
    request = pb.SendMessageRequest(channel_id=channel_id, text="too late")

    with pytest.raises(grpc.aio.AioRpcError) as late:
        await ann.call(ann.stub.SendMessage, request, timeout=0.2)
    service.friendship.may_answer.set()
    # A later send comes after whatever was left of the first.
    await ann.send(channel_id, "in time")

    assert late.value.code() is StatusCode.DEADLINE_EXCEEDED
    assert [message.text for message in await ann.history(channel_id)] == ["in time"]
