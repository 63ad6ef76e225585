"""People at work while processes die: they send, watch, become friends and part, and never give up."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
import pytest

from paperplane.friendship.v1 import friendship_pb2 as friends_pb
from paperplane.friendship.v1 import friendship_pb2_grpc
from paperplane.messaging.v1 import messaging_pb2 as pb
from paperplane.messaging.v1 import messaging_pb2_grpc
from tests.support.clients import Refused, fresh_id, refusal_of
from tests.support.databases import rows

if TYPE_CHECKING:
    from tests.support.system import SystemUnderTest

T = TypeVar("T")

LATE = "late"
"""What client ids of messages begin with that must not pass."""
_CALL_SECONDS = 60.0
_BACKOFF_SECONDS = 0.05
_CHANNEL_OPTIONS = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 200),
]


Shown = tuple[int, str, str, str]
"""Of a message: seq, sender, client id and text."""


@dataclass
class Progress:
    """What has been done so far, and lets others wait for more of it."""

    counts: Counter[str] = field(default_factory=Counter[str])
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def note(self, what: str) -> None:
        """Count something that happened."""
        self.counts[what] += 1
        async with self._changed:
            self._changed.notify_all()

    async def more(self, what: str, number: int) -> None:
        """Wait until something has happened so many times more than now."""
        goal = self.counts[what] + number
        async with self._changed:
            await self._changed.wait_for(lambda: self.counts[what] >= goal)


class Worker:
    """One person, whose client repeats what a break in the system made uncertain.

    Arguments:
        person_id: who.
        channel: leads to the gateway.
        token: theirs.
        progress: where breaks are counted.
    """

    def __init__(
        self, person_id: str, channel: grpc.aio.Channel, token: str, progress: Progress
    ) -> None:
        self.id = person_id
        self.people: Any = friendship_pb2_grpc.PeopleServiceStub(channel)
        self.friendship: Any = friendship_pb2_grpc.FriendshipServiceStub(channel)
        self.messaging: Any = messaging_pb2_grpc.MessagingServiceStub(channel)
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._progress = progress
        self.events: list[tuple[str, str, int]] = []
        """What the person was shown by WatchMessages: kind, channel and seq."""
        self.friendship_events: list[tuple[str, str]] = []
        """What the person was shown by WatchFriendships: kind, and the request's or other's id."""

    async def call(self, method: Callable[..., Awaitable[T]], request: Any) -> T:
        """Call a method until the answer is certain.

        Raises:
            Refused: that is the answer.
        """
        while True:
            try:
                return await method(request, metadata=self._metadata, timeout=_CALL_SECONDS)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise refusal_of(error) from None
                await self._progress.note("calls repeated")
                await asyncio.sleep(_BACKOFF_SECONDS)

    async def enter(self) -> None:
        """Enter the network."""
        request = friends_pb.CreatePersonRequest(handle=self.id, display_name=self.id)
        await self.call(self.people.CreatePerson, request)

    async def befriend(self, other: Worker) -> str:
        """Become another's friend; return the id of their channel."""
        asked = await self.call(
            self.friendship.SendFriendRequest,
            friends_pb.SendFriendRequestRequest(person_id=other.id),
        )
        await other.call(
            other.friendship.AcceptFriendRequest,
            friends_pb.AcceptFriendRequestRequest(request_id=asked.friend_request.request_id),
        )
        found = await self.call(self.messaging.GetChannel, pb.GetChannelRequest(person_id=other.id))
        channel_id: str = found.channel.channel_id
        return channel_id

    async def part(self, other: Worker) -> None:
        """End a friendship."""
        request = friends_pb.RemoveFriendRequest(person_id=other.id)
        await self.call(self.friendship.RemoveFriend, request)

    async def send(self, channel_id: str, client_message_id: str) -> int:
        """Send a message; return its place in the channel."""
        request = pb.SendMessageRequest(
            channel_id=channel_id, client_message_id=client_message_id, text=client_message_id
        )
        sent = await self.call(self.messaging.SendMessage, request)
        seq: int = sent.message.seq
        return seq

    async def history(self, channel_id: str) -> list[Shown]:
        """Return all of a channel."""
        found: list[Shown] = []
        request = pb.ListMessagesRequest(channel_id=channel_id, after_seq=0, page_size=200)
        while True:
            page = await self.call(self.messaging.ListMessages, request)
            found += [(m.seq, m.sender_id, m.client_message_id, m.text) for m in page.messages]
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return found

    async def watch_messages(self) -> None:
        """Watch for ever, from where a break left off."""

        def keep(event: pb.Event) -> None:
            kind = str(event.WhichOneof("kind"))
            content = getattr(event, kind)
            subject = content.message if kind.startswith("message") else content.channel
            self.events.append((kind, subject.channel_id, getattr(subject, "seq", 0)))

        await self._watch(self.messaging.WatchMessages, pb.WatchMessagesRequest(), keep)

    async def watch_friendships(self) -> None:
        """Watch for ever, from where a break left off."""

        def keep(event: friends_pb.Event) -> None:
            kind = str(event.WhichOneof("kind"))
            content = getattr(event, kind)
            about_request = kind.startswith("request")
            subject = content.friend_request.request_id if about_request else content.person_id
            self.friendship_events.append((kind, subject))

        await self._watch(
            self.friendship.WatchFriendships, friends_pb.WatchFriendshipsRequest(), keep
        )

    async def _watch(self, method: Any, request: Any, keep: Callable[[Any], None]) -> None:
        while True:
            try:
                async for response in method(request, metadata=self._metadata):
                    if not response.event.HasField("caught_up"):
                        keep(response.event)
                        await self._progress.note("events")
                    request.after_cursor = response.cursor
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise refusal_of(error) from None
                await self._progress.note("watches resumed")
                await asyncio.sleep(_BACKOFF_SECONDS)


@dataclass
class Load:
    """Who is at work, and what they were told of it.

    Attributes:
        progress: what has been done.
        workers: everyone.
        acknowledged: the places of the messages that were acknowledged, by channel and client id.
        channels: one of the two people of each channel.
        histories: at the end, what ListMessages shows of each channel.
    """

    progress: Progress
    workers: list[Worker]
    acknowledged: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    channels: dict[str, Worker] = field(default_factory=dict[str, Worker])
    histories: dict[str, list[Shown]] = field(default_factory=dict[str, list[Shown]])

    def acknowledge(self, channel_id: str, client_message_id: str, seq: int) -> None:
        """Keep what a sender was told."""
        assert (channel_id, client_message_id) not in self.acknowledged
        self.acknowledged[channel_id, client_message_id] = seq


@asynccontextmanager
async def people_at_work(
    system: SystemUnderTest, pairs: int, quarrels: int
) -> AsyncGenerator[Load]:
    """Keep pairs of friends sending, and others quarrelling, for as long as the context lasts.

    All watch. At the end of the context the senders finish what they have begun, and the watchers
    see all that their logs hold.

    Raises:
        ExceptionGroup: something was answered that should not have been.
    """
    async with grpc.aio.insecure_channel(system.target, _CHANNEL_OPTIONS) as channel:
        progress = Progress()
        workers = [
            Worker(person_id, channel, system.token(person_id), progress)
            for person_id in (fresh_id("worker") for _ in range(2 * (pairs + quarrels)))
        ]
        load = Load(progress, workers)
        for worker in workers:
            await worker.enter()
        couples = list(zip(workers[::2], workers[1::2], strict=True))
        ending = asyncio.Event()
        async with asyncio.TaskGroup() as watchers:
            watches = [
                watchers.create_task(watch())
                for worker in workers
                for watch in (worker.watch_messages, worker.watch_friendships)
            ]
            async with asyncio.TaskGroup() as senders:
                for one, other in couples[:pairs]:
                    channel_id = await one.befriend(other)
                    load.channels[channel_id] = one
                    for sender in (one, other):
                        senders.create_task(_send_on(load, sender, channel_id, ending))
                for one, other in couples[pairs:]:
                    senders.create_task(_quarrel_on(load, one, other, ending))
                yield load
                ending.set()
            await _all_seen(load, system)
            load.histories = {
                channel_id: await worker.history(channel_id)
                for channel_id, worker in load.channels.items()
            }
            for watch in watches:
                watch.cancel()


async def _send_on(load: Load, sender: Worker, channel_id: str, ending: asyncio.Event) -> None:
    for number in itertools.count():
        if ending.is_set():
            return
        client_message_id = f"{sender.id}-{number}"
        seq = await sender.send(channel_id, client_message_id)
        load.acknowledge(channel_id, client_message_id, seq)
        await load.progress.note("messages")


async def _quarrel_on(load: Load, one: Worker, other: Worker, ending: asyncio.Event) -> None:
    for number in itertools.count():
        if ending.is_set():
            return
        channel_id = await one.befriend(other)
        load.channels[channel_id] = one
        client_message_id = f"{other.id}-{number}"
        seq = await other.send(channel_id, client_message_id)
        load.acknowledge(channel_id, client_message_id, seq)
        await one.part(other)
        # From here on nothing passes, whatever dies.
        with pytest.raises(Refused, match="CHANNEL_CLOSED"):
            await other.send(channel_id, f"{LATE}-{number}")
        await load.progress.note("quarrels")


async def _all_seen(load: Load, system: SystemUnderTest) -> None:
    """Wait until every watcher has been shown as much as their logs hold."""
    for worker in load.workers:
        while len(worker.events) < inbox_end(system, "messaging", worker.id) or len(
            worker.friendship_events
        ) < inbox_end(system, "friendship", worker.id):
            await load.progress.more("events", 1)


def inbox_end(system: SystemUnderTest, service: str, person_id: str) -> int:
    """Return how many entries a person's log has."""
    query = "SELECT position FROM inbox_heads WHERE person_id = :person"
    found = rows(system.databases[service], query, person=person_id)
    return int(found[0][0]) if found else 0
