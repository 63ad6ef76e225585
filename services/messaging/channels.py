"""Channels: finding, listing, opening by asking, and following friendships as they begin and end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chassis.inbox import Entry
from services.messaging import store
from services.messaging.domain import Channel, ChannelNotFound, Grant, Message, Pair, Reading
from services.messaging.schema import inbox
from services.messaging.sending import Done, tell_both
from services.messaging.writing import Act, Write

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from chassis.clock import Clock, NewId
    from chassis.database import Database
    from services.messaging.friend_gate import FriendGate


@dataclass(frozen=True, slots=True)
class ChannelView:
    """A channel and its latest message, if it has one."""

    channel: Channel
    last_message: Message | None


@dataclass(frozen=True, slots=True)
class ChannelPage:
    """A page of channels and the end of the lister's inbox at that moment."""

    views: list[ChannelView]
    head: int


def view_channels(connection: Connection, found: Sequence[Channel]) -> list[ChannelView]:
    """Return channels with their latest messages."""
    last = store.find_messages(
        connection, ((c.channel_id, c.last_seq) for c in found if c.last_seq)
    )
    return [ChannelView(c, last.get((c.channel_id, c.last_seq))) for c in found]


class Channels:
    """The use cases around channels.

    Arguments:
        database: the service's database.
        gate: tells whether two are friends.
        clock: tells the time.
        new_id: makes channel ids.
    """

    def __init__(
        self, database: Database[Write], gate: FriendGate, clock: Clock, new_id: NewId
    ) -> None:
        self._database = database
        self._gate = gate
        self._clock = clock
        self._new_id = new_id

    async def get(self, person_id: str, channel_id: str) -> ChannelView:
        """Return a person's channel by its id.

        Raises:
            ChannelNotFound: there is none, or it is not theirs.
        """

        def find(connection: Connection) -> ChannelView:
            channel = store.find_channel(connection, channel_id)
            if channel is None or person_id not in channel.pair or channel.create_time is None:
                raise ChannelNotFound
            return view_channels(connection, [channel])[0]

        return await self._database.read(find)

    async def get_with(self, person_id: str, friend_id: str) -> ChannelView:
        """Return a person's channel with another, opened if they are friends and it is not open.

        Raises:
            ChannelNotFound: they have none and are no friends.
            FriendshipUnavailable: whether they are friends can't be known now, and it matters.
        """
        if person_id == friend_id:
            raise ChannelNotFound
        pair = Pair.of(person_id, friend_id)

        def find(connection: Connection) -> ChannelView | None:
            channel = store.find_channels_of_pairs(connection, [pair]).get(pair)
            if channel is None or channel.create_time is None:
                return None
            return view_channels(connection, [channel])[0]

        view = await self._database.read(find)
        if view is None or not view.channel.open:
            self._gate.drop(pair)
            grant = await self._gate.grant(pair)
            if grant.open:
                await self.apply({pair: grant})
                view = await self._database.read(find)
        if view is None:
            raise ChannelNotFound
        return view

    async def list(self, person_id: str, before: tuple[int, str] | None, limit: int) -> ChannelPage:
        """Return a page of a person's channels, the latest activity first."""

        def query(connection: Connection) -> ChannelPage:
            found = store.list_channels(connection, person_id, before, limit)
            return ChannelPage(view_channels(connection, found), inbox.head(connection, person_id))

        return await self._database.read(query)

    async def apply(self, grants: dict[Pair, Grant]) -> None:
        """Bring channels to the states of their friendships; those that are newer stay as they are.

        The channels' rows are locked, so that this waits for sends under way, and those that come
        after it find what it left.
        """
        now = self._clock()

        def write(connection: Connection) -> Done:
            entries: list[Entry] = []
            changed: list[Channel] = []
            for pair, before in store.find_channels_of_pairs(connection, grants).items():
                after = before.at_epoch(grants[pair], now)
                if after.epoch <= before.epoch:
                    continue
                changed.append(after)
                if after.open != before.open:
                    kind = "channel_opened" if after.open else "channel_closed"
                    entries += tell_both(after, kind, 0, now)
            store.update_channels(connection, changed)
            return Done(None, entries)

        await self._database.write(Act(write, pairs={pair: self._new_id() for pair in grants}))


def read_up_to(channel: Channel, person_id: str, seq: int, unread: int) -> Channel:
    """Return the channel after a person has read up to a message; a closed one tells nobody."""
    reading = channel.reading(person_id)
    told = seq if channel.open else reading.told_seq
    read = Reading(max(seq, reading.seq), told, unread)
    return channel.with_reading(person_id, read)
