"""The real friendship and the real messaging service, wired to each other, and people who call both."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from bench.system import free_port
from chassis.client import open_channel
from paperplane.friendship.v1 import friendship_pb2 as fpb
from paperplane.messaging.v1 import intake_pb2_grpc, messaging_pb2_grpc
from paperplane.messaging.v1 import messaging_pb2 as pb
from services.friendship import wiring as friendship_wiring
from services.friendship.migrations import MIGRATIONS as FRIENDSHIP
from services.friendship.settings import FriendshipSettings
from services.messaging import wiring as messaging_wiring
from services.messaging.migrations import MIGRATIONS as MESSAGING
from services.messaging.settings import MessagingSettings
from services.messaging.writing import decide
from tests.support.bus import shared_bus
from tests.support.databases import a_database, chosen
from tests.support.friendship import PATIENCE, Caller

if TYPE_CHECKING:
    from chassis.database.group_commit import Decide


MIGRATIONS = {"friendship": FRIENDSHIP, "messaging": MESSAGING}


class Member(Caller):
    """One person, calling both services as the gateway would for them, on connections of their own.

    Arguments:
        person_id: who calls.
        friendship: leads to the friendship service.
        messaging: leads to the messaging service.
    """

    def __init__(
        self, person_id: str, friendship: grpc.aio.Channel, messaging: grpc.aio.Channel
    ) -> None:
        super().__init__(person_id, friendship)
        self.messaging = messaging_pb2_grpc.MessagingServiceStub(messaging)
        self.intake = intake_pb2_grpc.MessageIntakeServiceStub(messaging)

    async def blocked(self) -> list[str]:
        """List the ids of those whom they block."""
        page = await self.call(self.friendship.ListBlockedPeople, fpb.ListBlockedPeopleRequest())
        return [person.person_id for person in page.people]

    async def channel_with(self, other: Caller) -> pb.Channel:
        """Return the channel with another, opened by asking if need be."""
        request = pb.GetChannelRequest(person_id=other.id)
        return (await self.call(self.messaging.GetChannel, request)).channel

    async def channel(self, channel_id: str) -> pb.Channel:
        """Return a channel by its id."""
        request = pb.GetChannelRequest(channel_id=channel_id)
        return (await self.call(self.messaging.GetChannel, request)).channel

    async def send(self, channel_id: str, text: str, client_id: str = "") -> pb.Message:
        """Send a message."""
        request = pb.SendMessageRequest(
            channel_id=channel_id, text=text, client_message_id=client_id
        )
        return (await self.call(self.messaging.SendMessage, request)).message

    async def edit(self, channel_id: str, seq: int, text: str) -> pb.Message:
        """Replace the text of a message."""
        request = pb.EditMessageRequest(channel_id=channel_id, seq=seq, text=text)
        return (await self.call(self.messaging.EditMessage, request)).message

    async def delete(self, channel_id: str, seq: int) -> pb.Message:
        """Delete a message."""
        request = pb.DeleteMessageRequest(channel_id=channel_id, seq=seq)
        return (await self.call(self.messaging.DeleteMessage, request)).message

    async def mark_read(self, channel_id: str, seq: int) -> pb.Channel:
        """Mark a channel as read up to a message."""
        request = pb.MarkReadRequest(channel_id=channel_id, seq=seq)
        return (await self.call(self.messaging.MarkRead, request)).channel

    async def type(self, channel_id: str) -> None:
        """Show that they are typing."""
        await self.call(self.messaging.SendTyping, pb.SendTypingRequest(channel_id=channel_id))

    async def channels(self) -> pb.ListChannelsResponse:
        """List their channels."""
        return await self.call(self.messaging.ListChannels, pb.ListChannelsRequest(page_size=200))

    async def history(self, channel_id: str) -> list[pb.Message]:
        """Return the latest messages of a channel, the oldest of them first."""
        request = pb.ListMessagesRequest(channel_id=channel_id, page_size=200)
        page = await self.call(self.messaging.ListMessages, request)
        return list(reversed(page.messages))

    async def watch_messages(
        self,
        after_cursor: str = "",
        patience: float | None = PATIENCE,
    ) -> AsyncIterator[pb.Event]:
        """Watch what happens in their channels until the loop over it ends."""
        request = pb.WatchMessagesRequest(after_cursor=after_cursor)
        call = self.messaging.WatchMessages(request, metadata=self.metadata, timeout=patience)
        try:
            async for response in call:
                yield response.event
        finally:
            call.cancel()

    async def messaging_events(self, after_cursor: str = "") -> list[pb.Event]:
        """Return what messaging's log holds for them after a cursor."""
        events: list[pb.Event] = []
        async for event in self.watch_messages(after_cursor):
            if event.HasField("caught_up"):
                break
            events.append(event)
        return events


class Relay(grpc.GenericRpcHandler):
    """The way from one service to the other, which can be slow either way or cut off.

    Arguments:
        address: where it takes calls.
        target: where it takes them to.
    """

    def __init__(self, address: str, target: str) -> None:
        self.address = address
        self.may_arrive = asyncio.Event()
        """While this is not set, calls are held up before they arrive."""
        self.may_return = asyncio.Event()
        """While this is not set, answers are held up before they return."""
        self.may_arrive.set()
        self.may_return.set()
        self.called = asyncio.Event()
        """Set by each call."""
        self.answered = asyncio.Event()
        """Set by each answer, before it may return."""
        self._target = open_channel(target)
        self._server: grpc.aio.Server | None = None

    def service(self, handler_call_details: Any) -> Any:
        """Take any unary method."""
        method: str = handler_call_details.method
        # The stubs know neither of the two for methods of bytes.
        target: Any = self._target
        make_handler: Any = grpc.unary_unary_rpc_method_handler

        async def forward(request: bytes, context: Any) -> bytes:
            self.called.set()
            await self.may_arrive.wait()
            try:
                answer: bytes = await target.unary_unary(method)(
                    request, timeout=context.time_remaining()
                )
            except grpc.aio.AioRpcError as error:
                await context.abort(error.code(), error.details(), error.trailing_metadata())
                raise
            self.answered.set()
            await self.may_return.wait()
            return answer

        return make_handler(forward)

    async def connect(self) -> None:
        """Be there."""
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers((self,))
        self._server.add_insecure_port(self.address)
        await self._server.start()

    async def cut(self) -> None:
        """Be gone, as far as either side can tell."""
        if self._server is not None:
            await self._server.stop(None)
            self._server = None

    async def close(self) -> None:
        """End for good."""
        await self.cut()
        await self._target.close()


@dataclass
class Services:
    """Both services, running.

    Attributes:
        friendship: where the replicas of the friendship service serve.
        messaging: where the replicas of the messaging service serve.
        messages: the URL of the messaging service's database.
        delivery: the way from friendship to messaging.
        authorization: the way from messaging to friendship.
        opened: the connections of those who call, which end with the services.
    """

    friendship: list[str]
    messaging: list[str]
    messages: str
    delivery: Relay
    authorization: Relay
    opened: AsyncExitStack = field(default_factory=AsyncExitStack)
    _numbers: Any = field(default_factory=count)
    _turns: Iterator[int] = field(default_factory=count)

    async def connections(self) -> tuple[grpc.aio.Channel, grpc.aio.Channel]:
        """Open a connection to a replica of each of the two: whoever connects next gets others."""
        turn = next(self._turns)
        at = (
            self.friendship[turn % len(self.friendship)],
            self.messaging[turn % len(self.messaging)],
        )
        friendship = await self.opened.enter_async_context(open_channel(at[0]))
        messaging = await self.opened.enter_async_context(open_channel(at[1]))
        return friendship, messaging

    def new_ids(self, names: str) -> list[str]:
        """Return ids of new people, one for each letter and in the order of the letters."""
        number = next(self._numbers)
        return [f"p{number}_{name}" for name in sorted(names)]

    async def pair(
        self, *connections: tuple[grpc.aio.Channel, grpc.aio.Channel]
    ) -> tuple[Member, Member]:
        """Return two new people of the network.

        Arguments:
            connections: those of the one and of the other; by default new ones.
        """
        one, other = connections or (await self.connections(), await self.connections())
        ann, bob = self.new_ids("ab")
        first, second = Member(ann, *one), Member(bob, *other)
        await asyncio.gather(first.enter(), second.enter())
        return first, second


@asynccontextmanager
async def both_services(
    friendship: Mapping[str, Any] | None = None,
    messaging: Mapping[str, Any] | None = None,
    *,
    relayed: bool = False,
    decide: Decide[Any] = decide,
) -> AsyncGenerator[Services]:
    """Run both services on empty databases; on PostgreSQL, two replicas of each.

    Arguments:
        friendship: options of the friendship service that differ from their defaults.
        messaging: options of the messaging service that differ from their defaults.
        relayed: whether the two reach each other through relays rather than directly.
        decide: how the messaging service carries out writes; see `services.messaging.wiring`.
    """
    # A short path: a socket's may have 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="pp-"))
    databases = {
        name: await asyncio.to_thread(a_database, folder, name, revisions)
        for name, revisions in MIGRATIONS.items()
    }
    replicas = 1 if relayed or chosen() == "sqlite" else 2
    friendship_at, messaging_at = (_addresses(folder, name, replicas) for name in ("f", "m"))
    services = Services(
        friendship_at,
        messaging_at,
        databases["messaging"],
        delivery=Relay(f"unix:{folder}/d", messaging_at[0]),
        authorization=Relay(f"unix:{folder}/a", friendship_at[0]),
    )
    bus = {"nats": shared_bus()} if replicas > 1 else {}
    friendship_settings = FriendshipSettings.model_validate(
        {
            "listen": friendship_at[0],
            "database": databases["friendship"],
            "messaging": services.delivery.address if relayed else _target(messaging_at),
            "photos": (folder / "photos").as_uri(),
            "drain_seconds": 1.0,
            "requests_per_hour": "off",
            "max_pending_requests": "off",
            **(friendship or {}),
        }
    )
    messaging_settings = MessagingSettings.model_validate(
        {
            "listen": messaging_at[0],
            "database": services.messages,
            "friendship": services.authorization.address if relayed else _target(friendship_at),
            "attachments": (folder / "attachments").as_uri(),
            "drain_seconds": 1.0,
            **(messaging or {}),
        }
    )
    try:
        async with AsyncExitStack() as opened:
            for relay in (services.delivery, services.authorization):
                opened.push_async_callback(relay.close)
                if relayed:
                    await relay.connect()
            for at in messaging_at:
                mine = messaging_settings.model_copy(update={"listen": at, **bus})
                await opened.enter_async_context(messaging_wiring.running(mine, decide=decide))
            for at in friendship_at:
                theirs = friendship_settings.model_copy(update={"listen": at, **bus})
                await opened.enter_async_context(friendship_wiring.running(theirs))
            await opened.enter_async_context(services.opened)
            yield services
    finally:
        shutil.rmtree(folder)


def _addresses(folder: Path, name: str, replicas: int) -> list[str]:
    if replicas == 1:
        return [f"unix:{folder}/{name}"]
    return [f"127.0.0.1:{free_port()}" for _ in range(replicas)]


def _target(addresses: list[str]) -> str:
    """Return what leads to all replicas."""
    return addresses[0] if len(addresses) == 1 else f"ipv4:{','.join(addresses)}"
