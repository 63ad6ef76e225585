"""What is hidden from people can't be told from what they see: ignored looks like pending, blocked like removed."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from tests.support.clients import (
    PATIENCE_SECONDS,
    STUBS,
    GrpcClient,
    Json,
    envelope,
    fresh_id,
)
from tests.support.system import SystemUnderTest

pytestmark = pytest.mark.both_databases

Ask = Callable[[str, Json], Awaitable[bytes]]
_IN_JSON = (
    (re.compile(rb'"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z"'), b'"<time>"'),
    (re.compile(rb'"(cursor|nextPageToken)":"[^"]+"'), rb'"\1":"<sealed>"'),
)
_UUIDS = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_VARYING_HEADERS = {"date", "x-request-id", "content-length"}


def over_grpc(channel: grpc.aio.Channel, token: str) -> Ask:
    """Return what asks over gRPC: it answers with all bytes that came, times and cursors blanked."""
    metadata = (("authorization", f"Bearer {token}"),)

    async def ask(method: str, request: Json) -> bytes:
        callable_, message = STUBS.prepare(channel, method, request)
        call = callable_(message, metadata=metadata, timeout=PATIENCE_SECONDS)
        answers: list[bytes] = []
        try:
            if not method.startswith("Watch"):
                answers.append(_blanked(await call))
            else:
                async for response in call:
                    if response.event.HasField("caught_up"):
                        break
                    answers.append(_blanked(response))
        except grpc.aio.AioRpcError as error:
            answers += [error.code().name.encode(), (error.details() or "").encode()]
            for key, value in error.trailing_metadata() or ():
                answers += [key.encode(), b"" if isinstance(value, str) else value]
        finally:
            call.cancel()
        return b"\n".join(answers)

    return ask


def _blanked(message: Message) -> bytes:
    _blank(message)
    return message.SerializeToString(deterministic=True)


def _blank(message: Message) -> None:
    for descriptor, value in message.ListFields():
        if descriptor.name in ("cursor", "next_page_token"):
            setattr(message, descriptor.name, "<sealed>")
        elif isinstance(value, Timestamp):
            value.Clear()
        elif descriptor.message_type is not None:
            for part in value if descriptor.is_repeated else [value]:
                _blank(part)


def over_http(http: httpx.AsyncClient, token: str) -> Ask:
    """Return what asks over HTTP: it answers with all bytes that came, times and cursors blanked."""

    async def ask(method: str, request: Json) -> bytes:
        body = json.dumps(request).encode()
        streams = method.startswith("Watch")
        async with http.stream(
            "POST",
            STUBS.paths[method],
            content=envelope(body) if streams else body,
            headers={
                "accept-encoding": "identity",
                "authorization": f"Bearer {token}",
                "content-type": "application/connect+json" if streams else "application/json",
            },
        ) as response:
            answer = b""
            async for chunk in response.aiter_raw():
                answer += chunk
                if streams and b'"caughtUp"' in answer:
                    # The frames' lengths vary with the digits of times.
                    answer = re.sub(rb"\0[\s\S]{4}{", b"\n{", answer)
                    break
            headers = [pair for pair in response.headers.items() if pair[0] not in _VARYING_HEADERS]
        for pattern, blank in _IN_JSON:
            answer = pattern.sub(blank, answer)
        return repr((response.status_code, headers)).encode() + answer

    return ask


@dataclass
class Story:
    """Two people, of whom one looks on what the other has done in secret.

    Arguments:
        ask: how the one who looks on does it.
        me: the one.
        other: the other, who acts through stubs.
        my_id: the one's id.
        other_id: the other's.
    """

    ask: Ask
    me: GrpcClient
    other: GrpcClient
    my_id: str
    other_id: str
    seen: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])

    async def do(self, method: str, **request: Any) -> None:
        """Call a method as the one, and keep what came."""
        answer = await self.ask(method, request)
        for name, blank in ((self.my_id, b"<me>"), (self.other_id, b"<other>")):
            answer = answer.replace(name.encode(), blank)
        self.seen.append((method, _UUIDS.sub(b"<uuid>", answer)))

    async def look_around(self, channel_id: str = "") -> None:
        """Look at all that could tell something."""
        await self.do("GetPerson", personId=self.other_id)
        await self.do("GetPerson", handle=self.other_id)
        await self.do("SearchPeople", query=self.other_id)
        for box in ("SENT", "RECEIVED", "IGNORED"):
            await self.do("ListFriendRequests", box=f"REQUEST_BOX_{box}")
        for method in ("ListFriends", "ListBlockedPeople", "ListChannels"):
            await self.do(method)
        await self.do("GetChannel", personId=self.other_id)
        for method in ("WatchFriendships", "WatchMessages"):
            await self.do(method)
        if channel_id:
            await self.do("GetChannel", channelId=channel_id)
            await self.do("ListMessages", channelId=channel_id)

    async def pending(self) -> str:
        """Return the id of the one's pending request."""
        sent = await self.me.call("ListFriendRequests", box="REQUEST_BOX_SENT")
        return str(sent["friendRequests"][0]["requestId"])

    async def ask_and_take_back(self, channel_id: str = "") -> None:
        """Do all that the one can do about a request of theirs, and look around after each step."""
        for note in ("Please.", "Pretty please."):
            for _ in range(2):
                await self.do("SendFriendRequest", personId=self.other_id, note=note)
            await self.look_around(channel_id)
            request_id = await self.pending()
            await self.do("AcceptFriendRequest", requestId=request_id)
            await self.do("IgnoreFriendRequest", requestId=request_id)
            for _ in range(2):
                await self.do("CancelFriendRequest", requestId=request_id)
            await self.look_around(channel_id)

    async def go_away(self, channel_id: str = "") -> None:
        """Do all that ends something."""
        await self.do("SendFriendRequest", personId=self.other_id)
        for method in ("RemoveFriend", "BlockPerson", "UnblockPerson"):
            await self.do(method, personId=self.other_id)
            await self.look_around(channel_id)


@pytest.fixture(params=["grpc", pytest.param("connect", marks=pytest.mark.prove)])
def new_story(
    request: pytest.FixtureRequest,
    system: SystemUnderTest,
    channel: grpc.aio.Channel,
    http: httpx.AsyncClient,
) -> Callable[[], Awaitable[Story]]:
    """Makes two people of the network."""

    async def new() -> Story:
        async def enter(name: str) -> tuple[str, GrpcClient]:
            person_id = fresh_id(name)
            client = GrpcClient(channel, STUBS, system.token(person_id))
            await client.call("CreatePerson", handle=person_id, displayName="Someone")
            return person_id, client

        my_id, me = await enter("me")
        other_id, other = await enter("other")
        token = system.token(my_id)
        ask = over_grpc(channel, token) if request.param == "grpc" else over_http(http, token)
        return Story(ask, me, other, my_id, other_id)

    return new


async def test_ignored_requester_sees_what_a_waiting_one_sees(
    new_story: Callable[[], Awaitable[Story]],
) -> None:
    async def play(*, ignored: bool) -> list[tuple[str, bytes]]:
        story = await new_story()
        await story.do("SendFriendRequest", personId=story.other_id, note="Hello!")
        if ignored:
            await story.other.call("IgnoreFriendRequest", requestId=await story.pending())
        await story.look_around()
        await story.ask_and_take_back()
        await story.do("SendFriendRequest", personId=story.other_id)
        box = "REQUEST_BOX_IGNORED" if ignored else "REQUEST_BOX_RECEIVED"
        waiting = (await story.other.call("ListFriendRequests", box=box))["friendRequests"]
        # Being accepted after all tells nothing either.
        await story.other.call("AcceptFriendRequest", requestId=waiting[0]["requestId"])
        await story.look_around()
        return story.seen

    assert await play(ignored=True) == await play(ignored=False)


async def test_blocked_stranger_sees_what_an_unanswered_one_sees(
    new_story: Callable[[], Awaitable[Story]],
) -> None:
    async def play(*, blocked: bool, late: bool) -> list[tuple[str, bytes]]:
        story = await new_story()
        if blocked and not late:
            await story.other.call("BlockPerson", personId=story.my_id)
        await story.look_around()
        await story.do("SendFriendRequest", personId=story.other_id, note="Hello!")
        if blocked and late:
            await story.other.call("BlockPerson", personId=story.my_id)
        await story.look_around()
        await story.ask_and_take_back()
        if blocked:
            await story.other.call("UnblockPerson", personId=story.my_id)
        await story.look_around()
        await story.ask_and_take_back()
        await story.go_away()
        return story.seen

    unanswered = await play(blocked=False, late=False)
    assert await play(blocked=True, late=False) == unanswered
    assert await play(blocked=True, late=True) == unanswered


async def test_blocked_friend_sees_what_a_removed_one_sees(
    new_story: Callable[[], Awaitable[Story]],
) -> None:
    async def play(how: str) -> list[tuple[str, bytes]]:
        story = await new_story()
        await story.me.call("SendFriendRequest", personId=story.other_id)
        await story.other.call("AcceptFriendRequest", requestId=await story.pending())
        found = await story.me.call("GetChannel", personId=story.other_id)
        channel_id = found["channel"]["channelId"]
        for client in (story.me, story.other, story.me):
            await client.call("SendMessage", channelId=channel_id, text="Hi.")
        await story.look_around(channel_id)
        await story.other.call(how, personId=story.my_id)
        await story.look_around(channel_id)
        place = {"channelId": channel_id, "seq": 1}
        await story.do("SendMessage", channelId=channel_id, text="Hi?")
        await story.do("SendTyping", channelId=channel_id)
        await story.do("EditMessage", **place, text="Hello.")
        await story.do("DeleteMessage", **place)
        await story.do("MarkRead", channelId=channel_id, seq=2)
        await story.look_around(channel_id)
        await story.ask_and_take_back(channel_id)
        await story.go_away(channel_id)
        return story.seen

    assert await play("BlockPerson") == await play("RemoveFriend")


async def test_the_comparison_sees_a_difference(
    new_story: Callable[[], Awaitable[Story]],
) -> None:
    """The control: what does differ is not blanked away."""

    async def play(*, accepted: bool) -> dict[str, bytes]:
        story = await new_story()
        await story.me.call("SendFriendRequest", personId=story.other_id)
        request_id = await story.pending()
        if accepted:
            await story.other.call("AcceptFriendRequest", requestId=request_id)
        else:
            await story.other.call("IgnoreFriendRequest", requestId=request_id)
        await story.look_around()
        return dict(story.seen)

    seen, otherwise = await play(accepted=True), await play(accepted=False)
    same = {method for method in seen if seen[method] == otherwise[method]}
    assert same <= {"ListFriendRequests", "ListBlockedPeople"}
