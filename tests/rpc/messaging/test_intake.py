"""The intake: many calls on one stream, each answered on its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any

import grpc
import pytest
from grpc import StatusCode

from chassis.client import open_channel
from paperplane.intake.v1 import intake_pb2
from paperplane.messaging.v1 import intake_pb2 as frames_pb2
from paperplane.messaging.v1 import messaging_pb2 as pb
from tests.support.messaging import PATIENCE, MessagingUnderTest, Person
from tests.support.refusals import Refused, read_status, refused

Friends = tuple[Person, Person, str]


class Stream:
    """The gateway's end of one stream.

    Arguments:
        service: to whom it leads.
    """

    def __init__(self, service: MessagingUnderTest) -> None:
        self.call: Any = service.intake.SendMessages(timeout=PATIENCE)
        self.frames: list[intake_pb2.AnswerFrame] = []
        self._answers: dict[int, intake_pb2.Answer] = {}

    async def write(self, *calls: intake_pb2.Call, cancelled: tuple[int, ...] = ()) -> None:
        """Write one frame."""
        frame = intake_pb2.CallFrame(calls=calls, cancelled_tags=cancelled)
        await self.call.write(frames_pb2.SendMessagesRequest(frame=frame))

    async def answer(self, tag: int) -> intake_pb2.Answer:
        """Return the answer to a call, as soon as it has come."""
        while tag not in self._answers:
            response = await self.call.read()
            assert response is not grpc.aio.EOF, "the stream ended"
            self.frames.append(response.frame)
            for answer in response.frame.answers:
                assert answer.tag not in self._answers, "a call was answered twice"
                self._answers[answer.tag] = answer
        return self._answers[tag]

    async def message(self, tag: int) -> pb.Message:
        """Return the message that a call was answered with."""
        answer = await self.answer(tag)
        assert answer.WhichOneof("outcome") == "response", answer
        return pb.SendMessageResponse.FromString(answer.response).message

    async def refusal(self, tag: int) -> Refused:
        """Return the status that a call was answered with."""
        answer = await self.answer(tag)
        assert answer.WhichOneof("outcome") == "status", answer
        return read_status(answer.status)

    async def answered(self) -> set[int]:
        """End the stream from this side, and return the tags of all answers."""
        await self.call.done_writing()
        async for response in self.call:
            self.frames.append(response.frame)
            self._answers.update({answer.tag: answer for answer in response.frame.answers})
        return set(self._answers)


@pytest.fixture
async def stream(service: MessagingUnderTest) -> AsyncGenerator[Stream]:
    stream = Stream(service)
    yield stream
    stream.call.cancel()


def call_of(
    tag: int,
    person_id: str,
    channel_id: str,
    text: str,
    client_message_id: str = "",
    seconds: float = 10,
) -> intake_pb2.Call:
    request = pb.SendMessageRequest(
        channel_id=channel_id, text=text, client_message_id=client_message_id
    )
    call = intake_pb2.Call(
        tag=tag, person_id=person_id, request_id=f"r{tag}", request=request.SerializeToString()
    )
    call.timeout.FromNanoseconds(int(seconds * 1e9))
    return call


async def test_answers_carry_the_tags_of_their_calls(friends: Friends, stream: Stream) -> None:
    _, bob, channel_id = friends
    people = {7: "ann", 3: "bob", 2**64 - 1: "ann"}
    await stream.write(*(call_of(tag, who, channel_id, str(tag)) for tag, who in people.items()))
    for tag, who in people.items():
        message = await stream.message(tag)
        assert (message.sender_id, message.text) == (who, str(tag))
    assert {m.seq for m in await bob.history(channel_id)} == {1, 2, 3}


async def test_frame_is_answered_like_calls_of_ones_own(
    service: MessagingUnderTest, friends: Friends, stream: Stream
) -> None:
    ann, _, channel_id = friends
    await stream.write(call_of(1, "ann", channel_id, "hello", "c-1"))
    first = await stream.message(1)
    assert first == await ann.send(channel_id, "hello", "c-1")

    await service.unfriend("ann", "bob")
    for tag, text, client_id in ((2, "x", ""), (3, "x", "c-1"), (4, "x" * 16_385, "")):
        await stream.write(call_of(tag, "ann", channel_id, text, client_id))
        in_frame = await stream.refusal(tag)
        assert in_frame == await refused(ann.send(channel_id, text, client_id))


async def test_bad_calls_are_refused_and_good_ones_pass(
    service: MessagingUnderTest, friends: Friends, stream: Stream
) -> None:
    _, bob, channel_id = friends
    broken = call_of(4, "ann", channel_id, "x")
    broken.request = b"\xff\xff\xff"
    not_text = call_of(5, "ann", channel_id, "x")
    not_text.request = b'\x1a\x02"\xff'
    other_way = call_of(9, "ann", channel_id, "x")
    other_way.timeout.FromNanoseconds(-(10**9))
    await stream.write(
        call_of(1, "ann", channel_id, "good"),
        call_of(2, "", channel_id, "nobody"),
        call_of(3, "mallory", channel_id, "a stranger"),
        broken,
        not_text,
        call_of(6, "ann", channel_id, ""),
        call_of(7, "ann", "unknown", "x"),
        call_of(8, "ann", channel_id, "too late", seconds=0),
        other_way,
        call_of(10, "bob", channel_id, "good"),
    )

    refusals = {tag: await stream.refusal(tag) for tag in (2, 3, 4, 5, 6, 7, 8, 9)}
    assert {tag: (refusal.code, refusal.reason) for tag, refusal in refusals.items()} == {
        2: (StatusCode.UNAUTHENTICATED, "TOKEN_MISSING"),
        3: (StatusCode.NOT_FOUND, "CHANNEL_NOT_FOUND"),
        4: (StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
        5: (StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
        6: (StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
        7: (StatusCode.NOT_FOUND, "CHANNEL_NOT_FOUND"),
        8: (StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"),
        9: (StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"),
    }
    assert refusals[3] == refusals[7]
    sent = [await stream.message(1), await stream.message(10)]
    assert await bob.history(channel_id) == sorted(sent, key=lambda m: -m.seq)


async def test_slow_call_holds_up_nobody(
    service: MessagingUnderTest, friends: Friends, stream: Stream
) -> None:
    ann, _, channel_id = friends
    eve, _, elsewhere = await service.friends("eve", "fay")
    await ann.send(channel_id, "friendship has been asked about these two")
    service.friendship.may_answer.clear()
    service.friendship.called.clear()
    await stream.write(call_of(1, "eve", elsewhere, "slow"), call_of(2, "ann", channel_id, "quick"))
    await stream.write(call_of(3, "ann", channel_id, "quick"))
    assert (await stream.message(2)).seq == 2
    assert (await stream.message(3)).seq == 3
    assert await eve.history(elsewhere) == []

    service.friendship.may_answer.set()
    assert (await stream.message(1)).text == "slow"


async def test_cancelled_calls_are_not_carried_out(
    service: MessagingUnderTest, friends: Friends, stream: Stream
) -> None:
    ann, _, channel_id = friends
    service.friendship.may_answer.clear()
    await stream.write(
        call_of(1, "ann", channel_id, "withdrawn"), call_of(2, "ann", channel_id, "stays")
    )
    await service.friendship.called.wait()
    # One that is cancelled with its own frame, one of an earlier frame, one that never was.
    await stream.write(call_of(3, "ann", channel_id, "follows"), cancelled=(1, 99))
    # The refusal shows that the frame has been read.
    await stream.write(call_of(4, "ann", "unknown", "x"))
    await stream.refusal(4)
    service.friendship.may_answer.set()

    texts = {(await stream.message(tag)).text for tag in (2, 3)}
    assert texts == {"stays", "follows"}
    assert {message.text for message in await ann.history(channel_id)} == texts


async def test_call_that_expires_while_it_waits_is_not_carried_out(
    service: MessagingUnderTest, friends: Friends, stream: Stream
) -> None:
    ann, _, channel_id = friends
    service.friendship.may_answer.clear()
    await stream.write(
        call_of(1, "ann", channel_id, "late", seconds=0.05),
        call_of(2, "ann", channel_id, "in time"),
    )
    await service.friendship.called.wait()
    # The frame has arrived by now, so that its time is over by then.
    expired = time.monotonic() + 0.05
    while time.monotonic() <= expired:
        await ann.channels()
    service.friendship.may_answer.set()

    assert (await stream.refusal(1)).reason == "DEADLINE_EXCEEDED"
    assert (await stream.message(2)).text == "in time"
    assert [message.text for message in await ann.history(channel_id)] == ["in time"]


async def test_broken_stream_stops_what_has_not_begun(
    service: MessagingUnderTest, friends: Friends, stream: Stream
) -> None:
    ann, bob, channel_id = friends
    service.friendship.may_answer.clear()
    await stream.write(call_of(1, "ann", channel_id, "lost"))
    await service.friendship.called.wait()
    stream.call.cancel()
    # By the time that another call has come and gone on the connection, the server knows.
    await ann.channels()
    service.friendship.may_answer.set()
    await bob.send(channel_id, "after it")
    assert [message.text for message in await ann.history(channel_id)] == ["after it"]


async def test_ended_stream_still_brings_every_answer(
    service: MessagingUnderTest, friends: Friends, stream: Stream
) -> None:
    _, _, channel_id = friends
    service.friendship.may_answer.clear()
    await stream.write(*(call_of(tag, "ann", channel_id, "x") for tag in range(50)))
    waiting = asyncio.create_task(stream.answered())
    await service.friendship.called.wait()
    service.friendship.may_answer.set()
    assert await waiting == set(range(50))
    assert await stream.call.code() is StatusCode.OK


async def test_stopping_server_answers_what_it_has_taken_in_and_ends_the_stream(
    service: MessagingUnderTest, friends: Friends, stream: Stream
) -> None:
    _, _, channel_id = friends
    service.friendship.may_answer.clear()
    await stream.write(*(call_of(tag, "ann", channel_id, "x") for tag in range(5)))
    await service.friendship.called.wait()
    stopping = asyncio.create_task(service.stop())
    await asyncio.sleep(0)
    service.friendship.may_answer.set()

    for tag in range(5):
        assert (await stream.message(tag)).text == "x"
    assert await stream.call.read() is grpc.aio.EOF
    assert await stream.call.code() is StatusCode.OK
    await stopping


async def test_malformed_frame_ends_the_stream_after_the_answers(
    service: MessagingUnderTest, friends: Friends
) -> None:
    _, _, channel_id = friends
    frame = intake_pb2.CallFrame(calls=[call_of(1, "ann", channel_id, "before")])
    async with open_channel(service.settings.listen) as channel:
        untyped: Any = channel
        path = "/paperplane.messaging.v1.MessageIntakeService/SendMessages"
        call = untyped.stream_stream(path)(timeout=PATIENCE)
        await call.write(frames_pb2.SendMessagesRequest(frame=frame).SerializeToString())
        await call.write(b"\xff\xff\xff")
        answered = frames_pb2.SendMessagesResponse.FromString(await call.read())
        assert [answer.tag for answer in answered.frame.answers] == [1]

        error = await refused(call.read())
    assert (error.code, error.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")


async def test_many_long_answers_come_in_frames_that_a_client_can_receive(
    friends: Friends, stream: Stream
) -> None:
    """Requests come in frames of 1 MiB; the answers to many of them may be there all at once."""
    ann, _, channel_id = friends
    tags = range(100)
    # Short requests whose answers are long: the messages were edited since.
    for tag in tags:
        await ann.send(channel_id, "short", f"c-{tag}")
    await asyncio.gather(*(ann.edit(channel_id, tag + 1, "🙂" * 16_384) for tag in tags))

    await stream.write(*(call_of(tag, "ann", channel_id, "short", f"c-{tag}") for tag in tags))

    for tag in tags:
        assert (await stream.message(tag)).seq == tag + 1
    assert max(frame.ByteSize() for frame in stream.frames) < 2 * 1024 * 1024


async def test_many_frames_keep_channels_gapless(
    service: MessagingUnderTest, stream: Stream
) -> None:
    channels = [(await service.friends("ann", f"friend-{n}"))[2] for n in range(8)]
    tags = iter(range(10**6))
    for _ in range(10):
        await stream.write(
            *(call_of(next(tags), "ann", channel, "x") for channel in channels for _ in range(8))
        )
    places: dict[str, list[int]] = {channel: [] for channel in channels}
    for tag in range(next(tags)):
        message = await stream.message(tag)
        places[message.channel_id].append(message.seq)
    assert {tuple(sorted(found)) for found in places.values()} == {tuple(range(1, 81))}
