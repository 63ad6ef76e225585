"""The public contract as one person calls it: with deadlines, a fresh token, and plain errors."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import re
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlsplit

import grpc
from google.protobuf.message import Message as ProtoMessage

from cli.errors import CliError, Misused, Refused, from_rpc
from paperplane.friendship.v1 import friendship_pb2 as friendship
from paperplane.friendship.v1 import friendship_pb2_grpc as friendship_grpc
from paperplane.messaging.v1 import attachments_pb2_grpc as attachments_grpc
from paperplane.messaging.v1 import messaging_pb2 as messaging
from paperplane.messaging.v1 import messaging_pb2_grpc as messaging_grpc

if TYPE_CHECKING:
    from cli.tokens import Credentials

CALL_SECONDS = 10.0
"""The deadline of a call, retries included. Long enough for what waits for a channel to close."""
STREAM_SECONDS = 3600.0
"""The deadline of a stream. A watch is then taken up again from its cursor, and of a file what is
left."""
PAGE_SIZE = 200

RequestT = TypeVar("RequestT", bound=ProtoMessage)
ResponseT = TypeVar("ResponseT", bound=ProtoMessage)

_REQUEST_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SERVICE_CONFIG = json.dumps(
    {
        "methodConfig": [
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.1s",
                    "maxBackoff": "1s",
                    "backoffMultiplier": 3,
                    # The second is what grpc answers in the instant in which a server stops.
                    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
                },
            }
        ]
    }
)
"""Every call may be repeated: commands are idempotent, and a message carries an id of ours."""


def open_channel(server: str) -> grpc.aio.Channel:
    """Open a channel to a public gRPC port.

    Arguments:
        server: `host:port`, in plain text on this machine and over TLS elsewhere;
            `http://host:port` and `https://host:port` choose.

    Raises:
        Misused: this is no address.
    """
    url = urlsplit(server if "://" in server else f"//{server}")
    try:
        host, port = url.hostname, url.port
    except ValueError:
        host, port = None, None
    if not host or url.scheme not in ("", "http", "https") or url.path.strip("/"):
        raise Misused(f"{server} is not an address. Give host:port, for example 127.0.0.1:50051")
    local = _is_local(host)
    options: list[tuple[str, Any]] = [
        ("grpc.service_config", SERVICE_CONFIG),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1_000),
        # In truth this is how long an attempt to connect may take, and TLS goes back and forth a
        # few times (https://github.com/grpc/grpc/issues/12830).
        ("grpc.min_reconnect_backoff_ms", 10_000),
        # Channels to one address would otherwise share their waiting time after a failure.
        ("grpc.use_local_subchannel_pool", 1),
        # A laptop that slept or changed networks must notice that its stream is dead.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.ping_timeout_ms", 10_000),
        # A proxy of the environment can't reach this machine's own ports.
        ("grpc.enable_http_proxy", int(not local)),
    ]
    if url.scheme == "https" or (not url.scheme and not local):
        target = f"{_bracketed(host)}:{port or 443}"
        return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(), options)
    return grpc.aio.insecure_channel(f"{_bracketed(host)}:{port or 50051}", options)


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


async def _write(
    call: grpc.aio.StreamUnaryCall[RequestT, Any], requests: AsyncGenerator[RequestT, None]
) -> None:
    """Send requests until there are no more, or the call has ended."""
    async with aclosing(requests):
        async for request in requests:
            try:
                await call.write(request)
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                return
    await call.done_writing()


def new_message_id() -> str:
    """Return a fresh id for a message, under which it may be sent again and again."""
    return str(uuid.uuid4())


class Client:
    """The public services, called as one person. Use it as an async context manager.

    Arguments:
        server: the public gRPC port, see `open_channel`.
        credentials: the person's token.

    Every method raises `cli.errors.CliError`.
    """

    def __init__(self, server: str, credentials: Credentials) -> None:
        self._server = server
        self._credentials = credentials
        self._channel = open_channel(server)
        self.people = friendship_grpc.PeopleServiceStub(self._channel)
        self.friendships = friendship_grpc.FriendshipServiceStub(self._channel)
        self.messaging = messaging_grpc.MessagingServiceStub(self._channel)
        self.attachments = attachments_grpc.AttachmentServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._channel.close()

    async def call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT],
        request: RequestT,
    ) -> ResponseT:
        """Call a method and return its response.

        Arguments:
            method: a stub's method, for example `client.people.GetPerson`.
            request: its request.
        """

        async def once(metadata: grpc.aio.Metadata) -> ResponseT:
            return await method(request, timeout=CALL_SECONDS, metadata=metadata)

        return await self._answer(once)

    async def upload(
        self,
        method: grpc.aio.StreamUnaryMultiCallable[RequestT, ResponseT],
        requests: Callable[[], AsyncGenerator[RequestT, None]],
    ) -> ResponseT:
        """Send a stream of requests, each when there is room for it, and return the response.

        Arguments:
            method: a stub's method, for example `client.attachments.UploadAttachment`.
            requests: begins the requests; called again if they must be sent anew. What it raises
                breaks the call off.
        """

        async def once(metadata: grpc.aio.Metadata) -> ResponseT:
            call = method(timeout=STREAM_SECONDS, metadata=metadata)
            writing = asyncio.create_task(_write(call, requests()))

            def stop_writing(_: object) -> None:
                writing.cancel()

            # At the very moment of an early answer: a write that fails because of it would replace
            # what the server says by an error of the library's own.
            call.add_done_callback(stop_writing)
            try:
                await asyncio.wait([writing])
                if not writing.cancelled():
                    writing.result()
                return await call
            finally:
                call.cancel()
                writing.cancel()
                await asyncio.wait([writing])

        return await self._answer(once)

    async def _answer(self, once: Callable[[grpc.aio.Metadata], Awaitable[ResponseT]]) -> ResponseT:
        """Call, and once more with a new token if the server does not take the one there is."""
        try:
            return await self._answer_once(once)
        except Refused as error:
            if error.code != "UNAUTHENTICATED" or not await self._credentials.replace():
                raise
        return await self._answer_once(once)

    async def _answer_once(
        self, once: Callable[[grpc.aio.Metadata], Awaitable[ResponseT]]
    ) -> ResponseT:
        metadata = await self._metadata()
        try:
            return await once(metadata)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error, self._server) from None

    async def _metadata(self) -> grpc.aio.Metadata:
        return grpc.aio.Metadata(("authorization", f"Bearer {await self._credentials.token()}"))

    async def stream(
        self,
        method: grpc.aio.UnaryStreamMultiCallable[RequestT, ResponseT],
        request: RequestT,
    ) -> AsyncGenerator[ResponseT, None]:
        """Yield what a stream brings, until it breaks or its deadline ends it.

        Arguments:
            method: a stub's method, for example `client.messaging.WatchMessages`.
            request: its request.
        """
        metadata = await self._metadata()
        stream = method(request, timeout=STREAM_SECONDS, metadata=metadata)
        try:
            async for response in stream:
                yield response
        except grpc.aio.AioRpcError as error:
            failure = from_rpc(error, self._server)
            if failure.code == "UNAUTHENTICATED":
                # The next stream is to begin with a token that holds.
                await self._credentials.replace()
            raise failure from None
        finally:
            stream.cancel()

    async def pages(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Any, ResponseT],
        request: Any,
        field: str,
        limit: int,
    ) -> ResponseT:
        """Follow a list's pages and return them as one response.

        Arguments:
            method: a stub's list method.
            request: its request; its page size and token are set here.
            field: the name of the repeated field that is listed.
            limit: how many entries to return at most.
        """
        request.page_size = min(limit, PAGE_SIZE)
        whole = await self.call(method, request)
        entries: Any = getattr(whole, field)
        token: str = getattr(whole, "next_page_token")  # noqa: B009 - ResponseT is any list response
        while token and len(entries) < limit:
            request.page_token = token
            page: Any = await self.call(method, request)
            entries.extend(getattr(page, field))
            token = page.next_page_token
        del entries[limit:]
        whole.ClearField("next_page_token")
        return whole

    # ---- by the names that people type -----------------------------------------------------------

    async def person(self, name: str) -> friendship.Person:
        """Return the person of a handle, with or without "@", or of an id: "id:...".

        Arguments:
            name: what was typed.
        """
        if name.startswith("id:"):
            request = friendship.GetPersonRequest(person_id=name.removeprefix("id:"))
        else:
            request = friendship.GetPersonRequest(handle=name.removeprefix("@").lower())
        return (await self.call(self.people.GetPerson, request)).person

    async def request_id(self, name: str, *boxes: friendship.RequestBox.ValueType) -> str:
        """Return the id of the pending request with a person.

        Arguments:
            name: a person as in `person`, or a request's id as it is, or "request:" and it.
            boxes: where to look, in this order.
        """
        if name.startswith("request:") or _REQUEST_ID.fullmatch(name):
            return name.removeprefix("request:")
        person = await self.person(name)
        for box in boxes:
            listed = await self.friend_requests(box, limit=10_000)
            for each in listed.friend_requests:
                if person.person_id in (each.requester_id, each.addressee_id):
                    return each.request_id
        where = "to" if boxes == (friendship.REQUEST_BOX_SENT,) else "from"
        raise Refused(
            f"There is no pending request {where} @{person.handle}.",
            "REQUEST_NOT_FOUND",
            "NOT_FOUND",
        )

    async def friend_requests(
        self, box: friendship.RequestBox.ValueType, limit: int
    ) -> friendship.ListFriendRequestsResponse:
        """Return the pending requests of one box.

        Arguments:
            box: which.
            limit: how many at most.
        """
        request = friendship.ListFriendRequestsRequest(box=box)
        return await self.pages(
            self.friendships.ListFriendRequests, request, "friend_requests", limit
        )

    async def channel_with(self, person: friendship.Person) -> messaging.Channel:
        """Return the channel with a person.

        Raises:
            Refused: there is none, because the two were never friends.
        """
        request = messaging.GetChannelRequest(person_id=person.person_id)
        try:
            return (await self.call(self.messaging.GetChannel, request)).channel
        except CliError as error:
            if error.reason != "CHANNEL_NOT_FOUND":
                raise
        raise Refused(
            f"There is no channel with @{person.handle}: it opens when you are friends. "
            f"Ask with: paperplane request {person.handle}",
            "CHANNEL_NOT_FOUND",
            "NOT_FOUND",
        )

    async def latest_messages(self, channel_id: str, limit: int) -> list[messaging.Message]:
        """Return the latest messages of a channel, oldest first.

        Arguments:
            channel_id: which channel.
            limit: how many at most.
        """
        request = messaging.ListMessagesRequest(channel_id=channel_id)
        listed = await self.pages(self.messaging.ListMessages, request, "messages", limit)
        return list(reversed(listed.messages))

    async def message(self, channel_id: str, seq: int) -> messaging.Message:
        """Return one message of a channel.

        Raises:
            Refused: there is none with this number.
        """
        request = messaging.ListMessagesRequest(
            channel_id=channel_id, before_seq=seq + 1, page_size=1
        )
        listed = await self.call(self.messaging.ListMessages, request)
        for message in listed.messages:
            if message.seq == seq:
                return message
        raise Refused(f"There is no message #{seq}.", "MESSAGE_NOT_FOUND", "NOT_FOUND")
