"""Decides many sends as one set: in one transaction, with one statement for each table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from chassis.inbox import Entry
from chassis.refusals import Refusal
from services.messaging.domain import (
    Attachment,
    AttachmentNotFound,
    AttachmentState,
    Channel,
    ChannelNotFound,
    ClientMessageIdReused,
    FriendshipUnavailable,
    Grant,
    Message,
    digest,
    fence,
)
from services.messaging.store import (
    find_attachments,
    find_channels,
    insert_messages,
    known_messages,
    send_attachments,
    update_channels,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection


Fence = Callable[[Channel, Grant, int], Channel]
"""Returns the channel through which a send passes at a time, under a grant, or refuses."""


class Done(NamedTuple):
    """What came of a write within its transaction.

    Attributes:
        value: what the write returns.
        entries: what people are told of it.
    """

    value: Any
    entries: Sequence[Entry] = ()


class Send(NamedTuple):
    """One message to be sent.

    Attributes:
        client_message_id: the client's own id, or None.
        grant: what friendship says of the two; None if it could not be asked.
        now: the time it is sent at, in microseconds since 1970.
        attachment_ids: the files to go with it, distinct.
    """

    channel_id: str
    sender_id: str
    client_message_id: str | None
    text: str
    grant: Grant | None
    now: int
    attachment_ids: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, str] | None:
        """What no two messages share, or None without a client id."""
        if self.client_message_id is None:
            return None
        return (self.channel_id, self.sender_id, self.client_message_id)


class SendSet:
    """The state of the rows that a set of sends touches, while it is decided.

    Arguments:
        connection: a writing transaction.
        fence: lets a send pass or not; see `domain.fence`.
    """

    def __init__(
        self,
        connection: Connection,
        fence: Fence = fence,
    ) -> None:
        self._connection = connection
        self._fence = fence
        self._channels: dict[str, Channel] = {}
        self._known: dict[tuple[str, str, str], Message] = {}
        self._changed: dict[str, Channel] = {}
        self._unsent: dict[str, Attachment] = {}
        self._messages: list[Message] = []

    def decide(self, sends: Sequence[Send]) -> list[Done | Refusal]:
        """Return the outcome of each send; those that pass are written.

        Four statements do it at most, however many sends there are; attachments take two more.

        A send that is refused never reaches the database.
        """
        self._channels = find_channels(self._connection, (send.channel_id for send in sends))
        keys = {key for send in sends if (key := send.key) is not None}
        self._known = known_messages(self._connection, keys) if keys else {}
        files = {file for send in sends for file in send.attachment_ids}
        if files:
            found = find_attachments(self._connection, files)
            self._unsent = {
                file: attachment
                for file, attachment in found.items()
                if attachment.state == AttachmentState.UNSENT
            }
        outcomes = [self._place(send) for send in sends]
        self._write()
        return outcomes

    def _place(self, send: Send) -> Done | Refusal:
        channel = self._channels.get(send.channel_id)
        if channel is None or send.sender_id not in channel.pair:
            return ChannelNotFound()
        asked = digest(send.text, send.attachment_ids)
        if (key := send.key) is not None and (known := self._known.get(key)) is not None:
            # A deleted message has no digest any more: there is nothing left to compare with.
            if known.digest is not None and known.digest != asked:
                return ClientMessageIdReused()
            return Done(known)
        if send.grant is None:
            return FriendshipUnavailable()
        try:
            passed = self._fence(channel, send.grant, send.now)
        except Refusal as refused:
            return refused
        if not all(self._can_send(send.sender_id, file) for file in send.attachment_ids):
            return AttachmentNotFound()
        entries: list[Entry] = []
        if passed.open and not channel.open:
            entries += tell_both(passed, "channel_opened", 0, send.now)
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
        if send.attachment_ids:
            message = message._replace(attachments=self._take(send, message.seq))
        self._channels[channel.channel_id] = self._changed[channel.channel_id] = channel
        if key is not None:
            self._known[key] = message
        self._messages.append(message)
        entries += tell_both(channel, "message_sent", message.seq, send.now)
        return Done(message, entries)

    def _can_send(self, sender_id: str, attachment_id: str) -> bool:
        unsent = self._unsent.get(attachment_id)
        return unsent is not None and unsent.uploader_id == sender_id

    def _take(self, send: Send, seq: int) -> tuple[Attachment, ...]:
        """Take the attachments of a message, so that no other has them."""
        return tuple(
            self._unsent.pop(file)._replace(
                state=AttachmentState.SENT.value, channel_id=send.channel_id, seq=seq, place=place
            )
            for place, file in enumerate(send.attachment_ids)
        )

    def _write(self) -> None:
        update_channels(self._connection, self._changed.values())
        insert_messages(self._connection, self._messages)
        send_attachments(
            self._connection, [file for message in self._messages for file in message.attachments]
        )


def tell_both(channel: Channel, kind: str, number: int, now: int) -> list[Entry]:
    """Return what the two of a channel are told, in their order."""
    return [Entry(person_id, kind, channel.channel_id, now, number) for person_id in channel.pair]
