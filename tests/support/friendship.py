"""A real friendship service for tests, people who call it, and a messaging service to stand in."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import grpc
from google.rpc import error_details_pb2, status_pb2

from chassis.calls import PERSON_KEY
from chassis.clock import Clock, system_clock
from chassis.errors import STATUS_DETAILS_KEY
from paperplane.friendship.v1 import authorization_pb2_grpc, friendship_pb2_grpc
from paperplane.friendship.v1 import friendship_pb2 as pb
from paperplane.messaging.v1 import lifecycle_pb2, lifecycle_pb2_grpc
from services.friendship.migrations import MIGRATIONS
from services.friendship.settings import FriendshipSettings
from services.friendship.wiring import running
from tests.support.databases import a_database, rows

T = TypeVar("T")
PATIENCE = 60.0
"""Seconds after which a call of a test has failed."""


@dataclass(frozen=True)
class Told:
    """One change that messaging was told of."""

    low: str
    high: str
    open: bool
    epoch: int


class MessagingStandIn(lifecycle_pb2_grpc.ChannelLifecycleServiceServicer):
    """Takes note of what it is told, and can be gone, hang or fail.

    Arguments:
        address: where it serves once it is started.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.told: list[Told] = []
        self.calls = 0
        self.fail_with: Callable[[lifecycle_pb2.ApplyFriendshipChangesRequest], bool] = lambda _: (
            False
        )
        """Says which requests fail with INTERNAL."""
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.called = asyncio.Event()
        self._more_told = asyncio.Condition()
        self._server: grpc.aio.Server | None = None

    async def ApplyFriendshipChanges(
        self, request: lifecycle_pb2.ApplyFriendshipChangesRequest, context: Any
    ) -> lifecycle_pb2.ApplyFriendshipChangesResponse:
        self.calls += 1
        self.called.set()
        if self.fail_with(request):
            await context.abort(grpc.StatusCode.INTERNAL, "told to fail")
        await self.may_answer.wait()
        self.told += [
            Told(change.person_id, change.other_person_id, change.open, change.epoch)
            for change in request.changes
        ]
        async with self._more_told:
            self._more_told.notify_all()
        return lifecycle_pb2.ApplyFriendshipChangesResponse()

    async def until_told(self, enough: Callable[[list[Told]], bool]) -> None:
        """Wait until what was told is enough."""
        async with asyncio.timeout(PATIENCE), self._more_told:
            await self._more_told.wait_for(lambda: enough(self.told))

    async def start(self) -> None:
        """Serve."""
        self._server = grpc.aio.server()
        lifecycle_pb2_grpc.add_ChannelLifecycleServiceServicer_to_server(self, self._server)
        self._server.add_insecure_port(self.address)
        await self._server.start()

    async def stop(self) -> None:
        """Be gone."""
        if self._server is not None:
            await self._server.stop(None)
            self._server = None


class Caller:
    """One person, calling the service as the gateway would for them.

    Arguments:
        person_id: who calls.
        channel: leads to the service.
    """

    def __init__(self, person_id: str, channel: grpc.aio.Channel) -> None:
        self.id = person_id
        self.people = friendship_pb2_grpc.PeopleServiceStub(channel)
        self.friendship = friendship_pb2_grpc.FriendshipServiceStub(channel)
        self.metadata = ((PERSON_KEY, person_id),)

    async def call(self, method: Callable[..., Awaitable[T]], request: Any) -> T:
        """Call any method as this person."""
        return await method(request, metadata=self.metadata, timeout=PATIENCE)

    async def enter(self, name: str = "", handle: str = "") -> Caller:
        """Enter the network."""
        handle = handle or self.id.replace("-", "_")
        request = pb.CreatePersonRequest(handle=handle, display_name=name or self.id.title())
        await self.call(self.people.CreatePerson, request)
        return self

    async def ask(self, other: Caller, note: str = "") -> pb.FriendRequest:
        """Ask another to be friends."""
        request = pb.SendFriendRequestRequest(person_id=other.id, note=note)
        return (await self.call(self.friendship.SendFriendRequest, request)).friend_request

    async def cancel(self, request_id: str) -> pb.FriendRequest:
        """Take back a request."""
        request = pb.CancelFriendRequestRequest(request_id=request_id)
        return (await self.call(self.friendship.CancelFriendRequest, request)).friend_request

    async def accept(self, request_id: str) -> pb.FriendRequest:
        """Accept a request."""
        request = pb.AcceptFriendRequestRequest(request_id=request_id)
        return (await self.call(self.friendship.AcceptFriendRequest, request)).friend_request

    async def ignore(self, request_id: str) -> pb.FriendRequest:
        """Ignore a request."""
        request = pb.IgnoreFriendRequestRequest(request_id=request_id)
        return (await self.call(self.friendship.IgnoreFriendRequest, request)).friend_request

    async def remove(self, other: Caller) -> None:
        """End a friendship."""
        request = pb.RemoveFriendRequest(person_id=other.id)
        await self.call(self.friendship.RemoveFriend, request)

    async def block(self, other: Caller) -> None:
        """Block another."""
        await self.call(self.friendship.BlockPerson, pb.BlockPersonRequest(person_id=other.id))

    async def unblock(self, other: Caller) -> None:
        """End a block."""
        await self.call(self.friendship.UnblockPerson, pb.UnblockPersonRequest(person_id=other.id))

    async def befriend(self, other: Caller) -> pb.FriendRequest:
        """Become friends with another, by this one's request."""
        return await other.accept((await self.ask(other)).request_id)

    async def see(self, other: Caller) -> pb.Person:
        """Look at another."""
        request = pb.GetPersonRequest(person_id=other.id)
        return (await self.call(self.people.GetPerson, request)).person

    async def set_photo(
        self,
        content: bytes | AsyncIterator[bytes],
        content_type: str = "",
        size_bytes: int = 0,
    ) -> pb.Person:
        """Set a photo."""
        header = pb.PhotoHeader(content_type=content_type, size_bytes=size_bytes)
        answer: pb.SetPhotoResponse = await self.open_photo(header, content)
        return answer.person

    def open_photo(self, header: pb.PhotoHeader, content: bytes | AsyncIterator[bytes]) -> Any:
        """Open a stream that sets a photo; the caller waits for it, or cancels it."""

        async def requests() -> AsyncIterator[pb.SetPhotoRequest]:
            yield pb.SetPhotoRequest(header=header)
            if isinstance(content, bytes):
                for begin in range(0, len(content), 131_072):
                    yield pb.SetPhotoRequest(chunk=content[begin : begin + 131_072])
            else:
                async for chunk in content:
                    yield pb.SetPhotoRequest(chunk=chunk)

        return self.people.SetPhoto(requests(), metadata=self.metadata, timeout=PATIENCE)

    async def delete_photo(self) -> pb.Person:
        """Take their photo away."""
        return (await self.call(self.people.DeletePhoto, pb.DeletePhotoRequest())).person

    async def photo(
        self, photo_id: str, size: pb.PhotoSize.ValueType = pb.PHOTO_SIZE_SMALL
    ) -> bytes:
        """Look at a photo."""
        request = pb.GetPhotoRequest(photo_id=photo_id, size=size)
        return (await self.call(self.people.GetPhoto, request)).content

    async def box(self, box: pb.RequestBox.ValueType) -> list[pb.FriendRequest]:
        """List one of the boxes, whole."""
        requests: list[pb.FriendRequest] = []
        token = ""
        while True:
            page = await self.call(
                self.friendship.ListFriendRequests,
                pb.ListFriendRequestsRequest(box=box, page_token=token),
            )
            requests += page.friend_requests
            token = page.next_page_token
            if not token:
                return requests

    async def friends(self) -> list[str]:
        """List the ids of this person's friends."""
        page = await self.call(self.friendship.ListFriends, pb.ListFriendsRequest(page_size=200))
        return [friend.person_id for friend in page.friends]

    async def events(self, after_cursor: str = "") -> list[pb.Event]:
        """Return the events that the log holds after a cursor."""
        events: list[pb.Event] = []
        async for response in self.watch(after_cursor):
            if response.event.HasField("caught_up"):
                break
            events.append(response.event)
        return events

    async def kinds(self) -> list[str]:
        """Return the kinds of all events so far."""
        return [str(event.WhichOneof("kind")) for event in await self.events()]

    async def watch(self, after_cursor: str = "") -> AsyncIterator[pb.WatchFriendshipsResponse]:
        """Watch until the loop over it ends."""
        request = pb.WatchFriendshipsRequest(after_cursor=after_cursor)
        call = self.friendship.WatchFriendships(request, metadata=self.metadata, timeout=PATIENCE)
        try:
            async for response in call:
                yield response
        finally:
            call.cancel()


@dataclass
class World:
    """One running friendship service and what surrounds it."""

    folder: Path
    settings: FriendshipSettings
    messaging: MessagingStandIn
    clock: Clock
    channel: grpc.aio.Channel = field(init=False)
    authorization: authorization_pb2_grpc.ChannelAuthorizationServiceAsyncStub = field(init=False)
    _numbers: Any = field(default_factory=count)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start(self) -> None:
        """Start the service on its data."""
        self._stack = AsyncExitStack()
        server = await self._stack.enter_async_context(running(self.settings, clock=self.clock))
        self.channel = grpc.aio.insecure_channel(
            f"127.0.0.1:{server.port}", options=[("grpc.use_local_subchannel_pool", 1)]
        )
        self.authorization = authorization_pb2_grpc.ChannelAuthorizationServiceStub(self.channel)

    async def stop(self) -> None:
        """Stop the service; its data stay."""
        await self._stack.aclose()
        # Whoever was watching is told why it ended before the channel cuts them off.
        await self.channel.close(PATIENCE)

    def rows(self, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Query the database as it is stored."""
        return rows(self.settings.database, query, **parameters)

    def caller(self, person_id: str) -> Caller:
        """Return a person who may not be in the network."""
        return Caller(person_id, self.channel)

    async def person(self, person_id: str = "", name: str = "", handle: str = "") -> Caller:
        """Return a person of the network; by default a new one."""
        person_id = person_id or f"person-{next(self._numbers):04}"
        return await self.caller(person_id).enter(name, handle)


@asynccontextmanager
async def friendship_world(
    *, clock: Clock = system_clock, messaging_up: bool = True, **options: Any
) -> AsyncGenerator[World]:
    """Run a friendship service on an empty database.

    Arguments:
        clock: tells its time.
        messaging_up: whether the messaging service can be reached.
        options: settings that differ from their defaults.
    """
    # A short path: a socket's may have 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="pp"))
    try:
        url = await asyncio.to_thread(a_database, folder, "friendship", MIGRATIONS)
        settings = FriendshipSettings.model_validate(
            {
                "listen": "127.0.0.1:0",
                "database": url,
                "messaging": f"unix:{folder}/m.sock",
                "photos": (folder / "photos").as_uri(),
                "drain_seconds": 1.0,
                **options,
            }
        )
        messaging = MessagingStandIn(settings.messaging)
        world = World(folder, settings, messaging, clock)
        try:
            if messaging_up:
                await messaging.start()
            await world.start()
            yield world
        finally:
            await world.stop()
            messaging.may_answer.set()
            await messaging.stop()
    finally:
        shutil.rmtree(folder)


@dataclass(frozen=True)
class Refused:
    """What a caller sees of an error."""

    code: grpc.StatusCode
    reason: str
    fields: tuple[str, ...]
    retry_seconds: float | None
    raw: bytes


async def refusal(call: Awaitable[object]) -> Refused:
    """Return the error that a call ends with; it must end with one."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return read_refusal(error)
    message = f"was not refused: {answer}"
    raise AssertionError(message)


def read_refusal(error: grpc.aio.AioRpcError) -> Refused:
    """Read an error as callers do."""
    trailers = dict(error.trailing_metadata())
    raw = trailers[STATUS_DETAILS_KEY]
    assert isinstance(raw, bytes)
    status = status_pb2.Status.FromString(raw)
    assert status.message == error.details()
    reason = ""
    retry: float | None = None
    fields: tuple[str, ...] = ()
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        delay = error_details_pb2.RetryInfo()
        bad = error_details_pb2.BadRequest()
        if detail.Unpack(info):
            assert info.domain == "paperplane"
            reason = info.reason
        elif detail.Unpack(delay):
            retry = delay.retry_delay.ToTimedelta().total_seconds()
        elif detail.Unpack(bad):
            fields = tuple(violation.field for violation in bad.field_violations)
    return Refused(error.code(), reason, fields, retry, raw)


async def reason_of(call: Awaitable[object]) -> str:
    """Return the reason that a call is refused for."""
    return (await refusal(call)).reason
