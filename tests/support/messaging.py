"""A real messaging service on a unix socket, people who call it, and a friendship service to stand in."""

from __future__ import annotations

import asyncio
import tempfile
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import grpc

from chassis.calls import PERSON_KEY
from chassis.client import open_channel
from chassis.settings import load_settings
from paperplane.friendship.v1 import authorization_pb2, authorization_pb2_grpc
from paperplane.messaging.v1 import (
    attachments_pb2,
    attachments_pb2_grpc,
    intake_pb2_grpc,
    lifecycle_pb2,
    lifecycle_pb2_grpc,
    messaging_pb2_grpc,
)
from paperplane.messaging.v1 import messaging_pb2 as pb
from services.messaging.migrations import MIGRATIONS
from services.messaging.schema import metadata
from services.messaging.settings import MessagingSettings
from services.messaging.wiring import running
from tests.support.databases import a_database, rows
from tests.support.uploads import upload

T = TypeVar("T")
PATIENCE = 60.0
"""Seconds after which a call of a test has failed."""


class StandInFriendship(authorization_pb2_grpc.ChannelAuthorizationServiceServicer):
    """Answers what the test has set, over real gRPC."""

    def __init__(self) -> None:
        self.friendships: dict[frozenset[str], tuple[bool, int]] = {}
        self.asked: list[int] = []
        """How many pairs each call asked about."""
        self.down = False
        self.out_of_date: deque[tuple[bool, int]] = deque()
        """What the next calls are told of all their pairs instead, one for each call."""
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.called = asyncio.Event()

    def set(self, one: str, other: str, *, open: bool, epoch: int) -> None:  # noqa: A002
        """Say how two people stand from now on."""
        self.friendships[frozenset((one, other))] = (open, epoch)

    async def AuthorizeChannels(
        self, request: authorization_pb2.AuthorizeChannelsRequest, context: Any
    ) -> authorization_pb2.AuthorizeChannelsResponse:
        """Answer from what was set."""
        self.called.set()
        if self.down:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "down, as the test wishes")
        self.asked.append(len(request.pairs))
        found = [
            self.friendships.get(frozenset((p.person_id, p.other_person_id)), (False, 0))
            for p in request.pairs
        ]
        if self.out_of_date:
            found = [self.out_of_date.popleft()] * len(found)
        await self.may_answer.wait()
        return authorization_pb2.AuthorizeChannelsResponse(
            grants=[authorization_pb2.ChannelGrant(open=o, epoch=e) for o, e in found]
        )


class Person:
    """One person, calling the service as the gateway would for them.

    Arguments:
        person_id: who calls.
        stub: leads to the service.
        attachments: leads to its files.
    """

    def __init__(
        self,
        person_id: str,
        stub: messaging_pb2_grpc.MessagingServiceAsyncStub,
        attachments: attachments_pb2_grpc.AttachmentServiceAsyncStub,
    ) -> None:
        self.id = person_id
        self.stub = stub
        self.attachments = attachments

    async def call(
        self,
        method: Callable[..., Awaitable[T]],
        request: Any,
        timeout: float = PATIENCE,  # noqa: ASYNC109 - gRPC's own
    ) -> T:
        """Call any method as this person."""
        return await method(request, metadata=as_person(self.id), timeout=timeout)

    async def upload(
        self,
        content: bytes | AsyncIterator[bytes],
        file_name: str = "plan.bin",
        content_type: str = "",
        size_bytes: int = 0,
    ) -> pb.Attachment:
        """Upload a file."""
        header = attachments_pb2.UploadHeader(
            file_name=file_name, content_type=content_type, size_bytes=size_bytes
        )
        response: attachments_pb2.UploadAttachmentResponse = await upload(
            self.open_upload(), _requests(header, content)
        )
        return response.attachment

    def open_upload(self) -> Any:
        """Open a stream that uploads a file; the caller writes it, and waits for it."""
        return self.attachments.UploadAttachment(metadata=as_person(self.id), timeout=PATIENCE)

    async def download(
        self, attachment_id: str, **arguments: Any
    ) -> tuple[attachments_pb2.DownloadHeader, bytes]:
        """Download a file or a part of it."""
        request = attachments_pb2.DownloadAttachmentRequest(
            attachment_id=attachment_id, **arguments
        )
        call = self.attachments.DownloadAttachment(
            request, metadata=as_person(self.id), timeout=PATIENCE
        )
        first, *rest = [response async for response in call]
        return first.header, b"".join(response.chunk for response in rest)

    async def send(
        self,
        channel_id: str,
        text: str,
        client_message_id: str = "",
        attachment_ids: Sequence[str] = (),
    ) -> pb.Message:
        """Send a message."""
        request = pb.SendMessageRequest(
            channel_id=channel_id,
            text=text,
            client_message_id=client_message_id,
            attachment_ids=attachment_ids,
        )
        return (await self.call(self.stub.SendMessage, request)).message

    async def edit(self, channel_id: str, seq: int, text: str) -> pb.Message:
        """Edit a message."""
        request = pb.EditMessageRequest(channel_id=channel_id, seq=seq, text=text)
        return (await self.call(self.stub.EditMessage, request)).message

    async def delete(self, channel_id: str, seq: int) -> pb.Message:
        """Delete a message."""
        request = pb.DeleteMessageRequest(channel_id=channel_id, seq=seq)
        return (await self.call(self.stub.DeleteMessage, request)).message

    async def read(self, channel_id: str, seq: int) -> pb.Channel:
        """Mark a channel as read."""
        request = pb.MarkReadRequest(channel_id=channel_id, seq=seq)
        return (await self.call(self.stub.MarkRead, request)).channel

    async def type(self, channel_id: str) -> None:
        """Show that this person is typing."""
        await self.call(self.stub.SendTyping, pb.SendTypingRequest(channel_id=channel_id))

    async def channel(self, channel_id: str) -> pb.Channel:
        """Get a channel by its id."""
        request = pb.GetChannelRequest(channel_id=channel_id)
        return (await self.call(self.stub.GetChannel, request)).channel

    async def channel_with(self, person_id: str) -> pb.Channel:
        """Get the channel with another person."""
        request = pb.GetChannelRequest(person_id=person_id)
        return (await self.call(self.stub.GetChannel, request)).channel

    async def channels(self, page_size: int = 0, page_token: str = "") -> pb.ListChannelsResponse:
        """List a page of channels."""
        request = pb.ListChannelsRequest(page_size=page_size, page_token=page_token)
        return await self.call(self.stub.ListChannels, request)

    async def page(self, channel_id: str, **arguments: Any) -> pb.ListMessagesResponse:
        """List a page of messages."""
        request = pb.ListMessagesRequest(channel_id=channel_id, **arguments)
        return await self.call(self.stub.ListMessages, request)

    async def history(self, channel_id: str, **arguments: Any) -> list[pb.Message]:
        """List all pages of messages."""
        found: list[pb.Message] = []
        token = ""
        while True:
            page = await self.page(channel_id, page_token=token, **arguments)
            found += page.messages
            token = page.next_page_token
            if not token:
                return found

    def open_watch(self, after_cursor: str = "", timeout: float = PATIENCE) -> Any:
        """Open a stream; the caller reads and cancels it."""
        request = pb.WatchMessagesRequest(after_cursor=after_cursor)
        return self.stub.WatchMessages(request, metadata=as_person(self.id), timeout=timeout)

    async def watch(self, after_cursor: str = "") -> AsyncGenerator[pb.WatchMessagesResponse]:
        """Watch until the loop over it ends."""
        call = self.open_watch(after_cursor)
        try:
            async for response in call:
                yield response
        finally:
            call.cancel()

    async def log(self, after_cursor: str = "") -> list[pb.WatchMessagesResponse]:
        """Return what the log holds after a cursor, without `caught_up`."""
        found: list[pb.WatchMessagesResponse] = []
        async with aclosing(self.watch(after_cursor)) as responses:
            async for response in responses:
                if response.event.HasField("caught_up"):
                    break
                found.append(response)
        return found

    async def kinds(self, after_cursor: str = "") -> list[str]:
        """Return the kinds of the events that the log holds after a cursor."""
        return [kind_of(response) for response in await self.log(after_cursor)]


async def _requests(
    header: attachments_pb2.UploadHeader, content: bytes | AsyncIterator[bytes]
) -> AsyncIterator[attachments_pb2.UploadAttachmentRequest]:
    yield attachments_pb2.UploadAttachmentRequest(header=header)
    if isinstance(content, bytes):
        for begin in range(0, len(content), 131_072):
            yield attachments_pb2.UploadAttachmentRequest(chunk=content[begin : begin + 131_072])
    else:
        async for chunk in content:
            yield attachments_pb2.UploadAttachmentRequest(chunk=chunk)


def kind_of(response: pb.WatchMessagesResponse) -> str:
    """Return the kind of an event."""
    return str(response.event.WhichOneof("kind"))


async def until_caught_up(stream: AsyncIterator[pb.WatchMessagesResponse]) -> str:
    """Read a stream until it has caught up, and return its cursor there."""
    async for response in stream:
        if response.event.HasField("caught_up"):
            return response.cursor
    message = "the stream ended before it caught up"
    raise AssertionError(message)


@dataclass
class MessagingUnderTest:
    """What a test needs of a running messaging service."""

    friendship: StandInFriendship
    files: Path
    """The folder of attachments."""
    settings: MessagingSettings
    parts: dict[str, Any]
    stub: messaging_pb2_grpc.MessagingServiceAsyncStub = field(init=False)
    attachments: attachments_pb2_grpc.AttachmentServiceAsyncStub = field(init=False)
    lifecycle: lifecycle_pb2_grpc.ChannelLifecycleServiceAsyncStub = field(init=False)
    intake: intake_pb2_grpc.MessageIntakeServiceAsyncStub = field(init=False)
    _service: AsyncExitStack = field(default_factory=AsyncExitStack)

    def connect(self, channel: grpc.aio.Channel) -> None:
        """Lead all stubs through a channel."""
        self.stub = messaging_pb2_grpc.MessagingServiceStub(channel)
        self.attachments = attachments_pb2_grpc.AttachmentServiceStub(channel)
        self.lifecycle = lifecycle_pb2_grpc.ChannelLifecycleServiceStub(channel)
        self.intake = intake_pb2_grpc.MessageIntakeServiceStub(channel)

    async def start(self) -> None:
        """Start the service on its data."""
        await self._service.enter_async_context(running(self.settings, **self.parts))

    async def stop(self) -> None:
        """Stop the service; its data stay."""
        await self._service.aclose()

    def person(self, person_id: str) -> Person:
        """Return a person."""
        return Person(person_id, self.stub, self.attachments)

    async def friends(self, one: str, other: str, epoch: int = 1) -> tuple[Person, Person, str]:
        """Return two friends and the id of their open channel."""
        await self.befriend(one, other, epoch)
        first = self.person(one)
        return first, self.person(other), (await first.channel_with(other)).channel_id

    async def befriend(self, one: str, other: str, epoch: int = 1) -> None:
        """Open the channel of two people, as friendship would."""
        await self.change(one, other, open=True, epoch=epoch)

    async def unfriend(self, one: str, other: str, epoch: int = 2) -> None:
        """Close the channel of two people, as friendship would."""
        await self.change(one, other, open=False, epoch=epoch)

    async def change(self, one: str, other: str, *, open: bool, epoch: int) -> None:  # noqa: A002
        """Change how two people stand, and deliver it."""
        self.friendship.set(one, other, open=open, epoch=epoch)
        await self.deliver((one, other, open, epoch))

    async def deliver(self, *changes: tuple[str, str, bool, int]) -> None:
        """Deliver changes as they are given, in one call."""
        await self.lifecycle.ApplyFriendshipChanges(
            lifecycle_pb2.ApplyFriendshipChangesRequest(
                changes=[
                    lifecycle_pb2.FriendshipChange(
                        person_id=one, other_person_id=other, open=is_open, epoch=epoch
                    )
                    for one, other, is_open, epoch in changes
                ]
            ),
            timeout=PATIENCE,
        )

    def rows(self, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Query the database as it is on disk."""
        return rows(self.settings.database, query, **parameters)

    def content(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return every row of every table."""
        return {name: self.rows(f"SELECT * FROM {name}") for name in metadata.tables}


def as_person(person_id: str) -> list[tuple[str, str]]:
    """Return the metadata with which the gateway names the caller."""
    return [(PERSON_KEY, person_id)]


@asynccontextmanager
async def messaging_service(
    tmp_path: Path, options: dict[str, str] | None = None, **parts: Any
) -> AsyncGenerator[MessagingUnderTest]:
    """Run a messaging service with a database in `tmp_path`.

    Arguments:
        options: further environment variables.
        parts: keyword arguments of `services.messaging.wiring.running`.
    """
    files = tmp_path / "attachments"
    url = await asyncio.to_thread(a_database, tmp_path, "messaging", MIGRATIONS)
    with tempfile.TemporaryDirectory(prefix="pp-") as sockets:
        friendship = StandInFriendship()
        friendship_server = grpc.aio.server()
        authorization_pb2_grpc.add_ChannelAuthorizationServiceServicer_to_server(
            friendship, friendship_server
        )
        friendship_server.add_insecure_port(f"unix:{sockets}/f")
        await friendship_server.start()
        settings = load_settings(
            MessagingSettings,
            {
                "PAPERPLANE_LISTEN": f"unix:{sockets}/m",
                "PAPERPLANE_DATABASE": url,
                "PAPERPLANE_FRIENDSHIP": f"unix:{sockets}/f",
                "PAPERPLANE_ATTACHMENTS": files.as_uri(),
                "PAPERPLANE_DRAIN_SECONDS": "1",
                **(options or {}),
            },
        )
        service = MessagingUnderTest(friendship, files, settings, parts)
        try:
            await service.start()
            async with open_channel(settings.listen) as channel:
                service.connect(channel)
                yield service
        finally:
            await service.stop()
            friendship.may_answer.set()
            await friendship_server.stop(0)
