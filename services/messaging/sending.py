"""Decides many sends as one set, in one transaction with one statement per table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from chassis.database import apply_each
from chassis.inbox import Entry
from chassis.refusals import Refusal
from services.messaging.domain import (
    Channel,
    ChannelNotFound,
    ClientMessageIdReused,
    FriendshipUnavailable,
    Grant,
    Message,
    Pair,
    digest,
    fence,
)
from services.messaging.schema import inbox
from services.messaging.store import (
    find_channels,
    insert_messages,
    known_messages,
    update_channels,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Committed:
    """The result of a write, and whose doors to ring at once it is durable.

    Attributes:
        value: what the write returns.
        rings: the new last position of each inbox that grew.
    """

    value: Any
    rings: Mapping[str, int] = field(default_factory=dict[str, int])


class Send(NamedTuple):
    """One message to be sent.

    Attributes:
        client_message_id: the client's own id, or None.
        grant: what friendship says of the two; None if it could not be asked.
        now: the time it is sent at, in microseconds since 1970.
    """

    channel_id: str
    sender_id: str
    client_message_id: str | None
    text: str
    grant: Grant | None
    now: int

    @property
    def key(self) -> tuple[str, str, str] | None:
        """What no two messages share, or None without a client id."""
        if self.client_message_id is None:
            return None
        return (self.channel_id, self.sender_id, self.client_message_id)


Write = Send | Callable[["Connection"], Committed]
"""What the writer of this service carries out."""


def decide(connection: Connection, writes: Sequence[Write]) -> list[Any]:
    """Carry out a batch of writes: the sends as one set, then all else one by one.

    What queued up together has no order of its own: nobody had an answer yet.
    """
    sends = [write for write in writes if isinstance(write, Send)]
    others = [write for write in writes if not isinstance(write, Send)]
    sent = iter(SendSet(connection).decide(sends) if sends else ())
    applied = iter(apply_each(connection, others))
    return [next(sent if isinstance(write, Send) else applied) for write in writes]


class SendSet:
    """The state of the rows that a set of sends touches, while it is decided.

    Arguments:
        connection: a writing transaction.
        fence: lets a send pass or not; see `domain.fence`.
    """

    def __init__(
        self,
        connection: Connection,
        fence: Callable[[Channel, Grant, int], Channel] = fence,
    ) -> None:
        self._connection = connection
        self._fence = fence
        self._channels: dict[str, Channel] = {}
        self._known: dict[tuple[str, str, str], Message] = {}
        self._changed: dict[str, Channel] = {}
        self._messages: list[Message] = []
        self._entries: list[Entry] = []

    def decide(self, sends: Sequence[Send]) -> list[Committed | Refusal]:
        """Return the outcome of each send; those that pass are written, in six statements at most.

        A send that is refused never reaches the database.
        """
        self._channels = find_channels(self._connection, (send.channel_id for send in sends))
        keys = {key for send in sends if (key := send.key) is not None}
        self._known = known_messages(self._connection, keys) if keys else {}
        outcomes = [self._place(send) for send in sends]
        rings = self._write()
        return [
            Committed(outcome, _rings_of(self._channels[outcome.channel_id].pair, rings))
            if isinstance(outcome, Message)
            else outcome
            for outcome in outcomes
        ]

    def _place(self, send: Send) -> Message | Refusal:
        channel = self._channels.get(send.channel_id)
        if channel is None or send.sender_id not in channel.pair:
            return ChannelNotFound()
        asked = digest(send.text)
        if (key := send.key) is not None and (known := self._known.get(key)) is not None:
            # A deleted message has no digest any more: there is nothing left to compare with.
            if known.digest is not None and known.digest != asked:
                return ClientMessageIdReused()
            return known
        if send.grant is None:
            return FriendshipUnavailable()
        try:
            passed = self._fence(channel, send.grant, send.now)
        except Refusal as refused:
            return refused
        if passed.open and not channel.open:
            self._tell(passed, "channel_opened", 0, send.now)
        channel = passed.with_message(send.sender_id, send.now)
        message = Message(
            channel.channel_id,
            channel.last_seq,
            send.sender_id,
            send.client_message_id,
            asked,
            send.text,
            send.now,
        )
        self._channels[channel.channel_id] = self._changed[channel.channel_id] = channel
        if key is not None:
            self._known[key] = message
        self._messages.append(message)
        self._tell(channel, "message_sent", message.seq, send.now)
        return message

    def _tell(self, channel: Channel, kind: str, number: int, now: int) -> None:
        for person_id in channel.pair:
            self._entries.append(Entry(person_id, kind, channel.channel_id, now, number))

    def _write(self) -> dict[str, int]:
        update_channels(self._connection, self._changed.values())
        insert_messages(self._connection, self._messages)
        return inbox.append(self._connection, self._entries)


def _rings_of(pair: Pair, rings: dict[str, int]) -> dict[str, int]:
    return {person_id: rings[person_id] for person_id in pair if person_id in rings}
