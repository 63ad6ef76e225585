"""Messages: sending, editing, deleting, reading, and the signs that go with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from chassis.inbox import Entry
from services.messaging import store
from services.messaging.channels import ChannelView, read_up_to, view_channels
from services.messaging.domain import (
    Channel,
    ChannelClosed,
    ChannelNotFound,
    FriendshipUnavailable,
    Grant,
    Message,
    MessageDeleted,
    MessageNotFound,
    NotTheSender,
    Pair,
    StaleGrant,
    fence,
)
from services.messaging.sending import Done, Send, tell_both
from services.messaging.writing import Act, Committed, Write

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from sqlalchemy import Connection

    from chassis.clock import Clock
    from chassis.database import Database
    from chassis.doorbell import Doorbell
    from services.messaging.friend_gate import FriendGate
    from services.messaging.sweeping import Sweeping

_MAX_PAIRS_KEPT = 200_000
_MAX_ASKS = 3


class Draft(NamedTuple):
    """What a person asks to be sent.

    Attributes:
        client_message_id: the client's own id, or None.
        attachment_ids: the files to go with it.
    """

    sender_id: str
    channel_id: str
    client_message_id: str | None
    text: str
    attachment_ids: tuple[str, ...] = ()


class Messages:
    """The use cases around messages.

    Arguments:
        database: the service's database.
        gate: tells whether two are friends.
        doorbell: passes typing signs on.
        clock: tells the time.
        sweeping: removes the files of deleted messages.
    """

    def __init__(
        self,
        database: Database[Write],
        gate: FriendGate,
        doorbell: Doorbell,
        clock: Clock,
        sweeping: Sweeping,
    ) -> None:
        self._database = database
        self._gate = gate
        self._doorbell = doorbell
        self._clock = clock
        self._sweeping = sweeping
        # A channel's pair never changes.
        self._pairs: dict[str, Pair] = {}

    async def send(self, draft: Draft, deadline: float | None = None) -> Message:
        """Send a message; one that was sent before under its client id is returned as it now is.

        Arguments:
            deadline: when the sender stops waiting, on the clock of `time.monotonic`.

        Raises:
            ChannelNotFound, ChannelClosed, ClientMessageIdReused, AttachmentNotFound: it is refused.
            FriendshipUnavailable: nothing was stored.
            OutcomeUnknown: it may have been stored.
        """
        pair = self._pairs.get(draft.channel_id) or await self._pair(draft.channel_id)
        if draft.sender_id not in pair:
            raise ChannelNotFound

        async def attempt(grant: Grant | None) -> Message:
            send = Send(
                draft.channel_id,
                draft.sender_id,
                draft.client_message_id,
                draft.text,
                grant,
                self._clock(),
                draft.attachment_ids,
            )
            committed: Committed = await self._database.write(send, deadline)
            message: Message = committed.value
            return message

        return await self._with_grant(pair, attempt)

    async def edit(self, sender_id: str, channel_id: str, seq: int, text: str) -> Message:
        """Replace the text of a sender's own message.

        Raises:
            ChannelNotFound, ChannelClosed, MessageNotFound, NotTheSender, MessageDeleted: refused.
            FriendshipUnavailable: nothing was stored.
        """
        pair = await self._pair(channel_id)
        if sender_id not in pair:
            raise ChannelNotFound

        def write_with(grant: Grant | None) -> Act:
            now = self._clock()

            def write(connection: Connection) -> Done:
                channel = _own_channel(connection, channel_id, sender_id)
                message = _own_message(connection, channel, sender_id, seq)
                if message.delete_time is not None:
                    raise MessageDeleted
                if grant is None:
                    raise FriendshipUnavailable
                passed = fence(channel, grant, now)
                entries: list[Entry] = []
                if passed != channel:
                    store.update_channels(connection, [passed])
                if passed.open and not channel.open:
                    entries = tell_both(passed, "channel_opened", 0, now)
                edited = message._replace(text=text, edit_time=now)
                store.update_message(connection, edited)
                entries += tell_both(passed, "message_edited", seq, now)
                return Done(edited, entries)

            return Act(write, [channel_id])

        async def attempt(grant: Grant | None) -> Message:
            committed: Committed = await self._database.write(write_with(grant))
            message: Message = committed.value
            return message

        return await self._with_grant(pair, attempt)

    async def delete(self, sender_id: str, channel_id: str, seq: int) -> Message:
        """Erase a sender's own message and its files for both; its place stays.

        Allowed in a closed channel too.

        Raises:
            ChannelNotFound, MessageNotFound, NotTheSender: refused.
        """
        now = self._clock()

        def write(connection: Connection) -> Done:
            channel = _own_channel(connection, channel_id, sender_id)
            message = _own_message(connection, channel, sender_id, seq)
            if message.delete_time is not None:
                return Done((message, False))
            deleted = message._replace(text="", digest=None, delete_time=now, attachments=())
            store.update_message(connection, deleted)
            if message.attachments:
                store.doom_attachments_of(connection, channel_id, seq)
            friend_id = channel.pair.other(sender_id)
            reading = channel.reading(friend_id)
            if seq > reading.seq:
                fewer = reading._replace(unread=reading.unread - 1)
                store.update_channels(connection, [channel.with_reading(friend_id, fewer)])
            entries = tell_both(channel, "message_deleted", seq, now)
            return Done((deleted, bool(message.attachments)), entries)

        committed: Committed = await self._database.write(Act(write, [channel_id]))
        message: Message
        had_files: bool
        message, had_files = committed.value
        if had_files:
            self._sweeping.nudge()
        return message

    async def mark_read(self, person_id: str, channel_id: str, seq: int) -> ChannelView:
        """Mark a channel as read by a person up to a message. A closed one tells nobody.

        Raises:
            ChannelNotFound, MessageNotFound: refused.
        """
        now = self._clock()

        def write(connection: Connection) -> Done:
            channel = _own_channel(connection, channel_id, person_id)
            if seq > channel.last_seq:
                raise MessageNotFound
            entries: list[Entry] = []
            reading = channel.reading(person_id)
            # A mark that was made while the channel was closed can be told once it is open again.
            if seq > (reading.told_seq if channel.open else reading.seq):
                read_seq = max(seq, reading.seq)
                unread = store.count_unread(connection, channel_id, person_id, read_seq)
                channel = read_up_to(channel, person_id, seq, unread)
                store.update_channels(connection, [channel])
                if channel.open:
                    entries = [
                        Entry(who, "read", channel_id, now, seq, person_id) for who in channel.pair
                    ]
            return Done(view_channels(connection, [channel])[0], entries)

        committed: Committed = await self._database.write(Act(write, [channel_id]))
        view: ChannelView = committed.value
        return view

    async def show_typing(self, person_id: str, channel_id: str) -> None:
        """Show the friend, if they watch, that a person is typing.

        Raises:
            ChannelNotFound, ChannelClosed: refused.
        """
        channel = await self._database.read(
            lambda connection: _own_channel(connection, channel_id, person_id)
        )
        if not channel.open:
            raise ChannelClosed
        whisper = TypingSign(channel_id, channel.epoch).to_bytes()
        self._doorbell.whisper(channel.pair.other(person_id), whisper)

    async def list(
        self, person_id: str, channel_id: str, start: int, limit: int, *, forward: bool
    ) -> list[Message]:
        """Return messages after a place, the oldest first, or before it, the newest first.

        Raises:
            ChannelNotFound: refused.
        """

        def query(connection: Connection) -> list[Message]:
            _own_channel(connection, channel_id, person_id)
            return store.list_messages(connection, channel_id, start, limit, forward=forward)

        return await self._database.read(query)

    async def _pair(self, channel_id: str) -> Pair:
        pair = self._pairs.get(channel_id)
        if pair is None:
            channel = await self._database.read(
                lambda connection: store.find_channel(connection, channel_id)
            )
            if channel is None:
                raise ChannelNotFound
            if len(self._pairs) >= _MAX_PAIRS_KEPT:
                self._pairs.clear()
            pair = self._pairs[channel_id] = channel.pair
        return pair

    async def _with_grant(
        self, pair: Pair, attempt: Callable[[Grant | None], Awaitable[Message]]
    ) -> Message:
        for _ in range(_MAX_ASKS):
            try:
                grant = await self._gate.grant(pair)
            except FriendshipUnavailable:
                # What was sent before is still answered.
                grant = None
            try:
                return await attempt(grant)
            except StaleGrant:
                self._gate.drop(pair)
        # The friendship begins and ends faster than it can be asked about.
        raise FriendshipUnavailable


@dataclass(frozen=True, slots=True)
class TypingSign:
    """What is whispered to a person when their friend types: where, and in which epoch of the friendship."""

    channel_id: str
    epoch: int

    def to_bytes(self) -> bytes:
        """Return it as a whisper."""
        return json.dumps([self.channel_id, self.epoch]).encode()

    @classmethod
    def from_bytes(cls, whisper: bytes) -> TypingSign:
        """Read it from a whisper."""
        return cls(*json.loads(whisper))


def _own_channel(connection: Connection, channel_id: str, person_id: str) -> Channel:
    channel = store.find_channel(connection, channel_id)
    if channel is None or person_id not in channel.pair or channel.create_time is None:
        raise ChannelNotFound
    return channel


def _own_message(connection: Connection, channel: Channel, sender_id: str, seq: int) -> Message:
    message = store.find_messages(connection, [(channel.channel_id, seq)]).get(
        (channel.channel_id, seq)
    )
    if message is None:
        raise MessageNotFound
    if message.sender_id != sender_id:
        raise NotTheSender
    return message
