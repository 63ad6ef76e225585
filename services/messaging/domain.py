"""What a channel and a message are, and the fence that keeps a closed channel closed.

Knows neither transport nor storage: time, ids and rows are passed in. What is made for every message
is a named tuple: a frozen dataclass costs several times as much to make.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from chassis.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class ChannelNotFound(Refusal):
    """There is no such channel, or it is not the caller's."""


class ChannelClosed(Refusal):
    """The two are not friends now."""


class MessageNotFound(Refusal):
    """The channel has no message at this place."""


class MessageDeleted(Refusal):
    """The message has been deleted."""


class NotTheSender(Refusal):
    """Only the one who sent a message may change it."""


class ClientMessageIdReused(Refusal):
    """The sender used this client message id for another message."""


class AttachmentNotFound(Refusal):
    """There is no such attachment, or not for this person, or not for this use."""


class TooManyUploads(Refusal):
    """The person has too many uploads under way or not yet sent."""


class RangeNotSatisfiable(Refusal):
    """What is asked for begins behind the end of the file."""


class FriendshipUnavailable(Refusal):
    """Whether the two are friends can't be known now."""


class StaleGrant(FriendshipUnavailable):
    """The channel has moved on since friendship was asked: ask again."""


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """Two people, in the order of their ids."""

    low: str
    high: str

    @classmethod
    def of(cls, one: str, other: str) -> Pair:
        """Return the pair of two people, given in any order."""
        return cls(one, other) if one < other else cls(other, one)

    def __contains__(self, person_id: str) -> bool:
        return person_id in (self.low, self.high)

    def other(self, person_id: str) -> str:
        """Return the one of the two that is not this person."""
        return self.high if person_id == self.low else self.low

    def __iter__(self) -> Iterator[str]:
        return iter((self.low, self.high))


@dataclass(frozen=True, slots=True)
class Grant:
    """What friendship said of a pair: friends or not, and in which epoch."""

    open: bool
    epoch: int


class Reading(NamedTuple):
    """How far one of the two has read.

    Attributes:
        seq: up to which message they have read.
        told_seq: up to which message the other knows that they have.
        unread: how many messages of the other's they have not read.
    """

    seq: int = 0
    told_seq: int = 0
    unread: int = 0


class Channel(NamedTuple):
    """The one channel of two people. Times are in microseconds since 1970.

    Attributes:
        open: whether messages pass.
        epoch: the epoch of the friendship that this state is of.
        last_seq: the place of the latest message.
        low: how far the first of the pair has read.
        high: how far the second has.
        create_time: when it first opened; None if it never did.
        active_time: when something was last sent or, before that, it opened.
    """

    channel_id: str
    pair: Pair
    open: bool
    epoch: int
    last_seq: int = 0
    low: Reading = Reading()
    high: Reading = Reading()
    create_time: int | None = None
    active_time: int | None = None

    def reading(self, person_id: str) -> Reading:
        """Return how far one of the two has read."""
        return self.low if person_id == self.pair.low else self.high

    def with_reading(self, person_id: str, reading: Reading) -> Channel:
        """Return the channel with another state of reading of one of the two."""
        if person_id == self.pair.low:
            return self._replace(low=reading)
        return self._replace(high=reading)

    def at_epoch(self, grant: Grant, now: int) -> Channel:
        """Return the channel in the state that a newer grant tells of."""
        if not grant.open:
            return self._replace(open=False, epoch=grant.epoch)
        return self._replace(
            open=True,
            epoch=grant.epoch,
            create_time=self.create_time or now,
            active_time=self.active_time or now,
        )

    def with_message(self, sender_id: str, now: int) -> Channel:
        """Return the channel after its next message."""
        low, high = self.low, self.high
        if sender_id == self.pair.low:
            high = Reading(high.seq, high.told_seq, high.unread + 1)
        else:
            low = Reading(low.seq, low.told_seq, low.unread + 1)
        # Written out, since `_replace` costs several times as much, on the hottest path there is.
        return Channel(
            self.channel_id,
            self.pair,
            self.open,
            self.epoch,
            self.last_seq + 1,
            low,
            high,
            self.create_time,
            now,
        )


def fence(channel: Channel, grant: Grant, now: int) -> Channel:
    """Let a write into a channel pass, or not. The channel's row must be locked.

    A check of the friendship before the write is not enough: it can end in between. What is
    compared here, under the lock, is the epoch that the check saw with the epoch of the row. A flag
    would not do: it can't tell a friendship from the next one between the same two.

    Returns:
        The channel to write to, opened if the grant is newer than the row.

    Raises:
        StaleGrant: the row is newer than the grant.
        ChannelClosed: the two are not friends.
    """
    if grant.epoch < channel.epoch:
        raise StaleGrant
    if not grant.open:
        raise ChannelClosed
    if grant.epoch > channel.epoch:
        return channel.at_epoch(grant, now)
    if not channel.open:
        raise ChannelClosed
    return channel


class AttachmentState(StrEnum):
    """Where an attachment stands in its life. Without its row, there is no file either."""

    STORING = "storing"
    """Its files are being written, or were when the process ended."""
    UNSENT = "unsent"
    """Its uploader can send it, and only they can see it."""
    SENT = "sent"
    """It belongs to a message."""
    DOOMED = "doomed"
    """Nobody can see it any more; its files are about to be removed."""


class Attachment(NamedTuple):
    """A file that goes with a message, or waits to be sent with one.

    Attributes:
        content_type: its media type.
        width: of a picture, in pixels; 0 for all else.
        height: of a picture, in pixels; 0 for all else.
        preview_bytes: the size of its preview; 0 if it has none.
        preview_type: the media type of its preview; empty if it has none.
        create_time: when its upload was complete, in microseconds since 1970.
        channel_id: where it was sent; None before.
        seq: with which message.
        place: at which place of that message, from 0.
    """

    attachment_id: str
    uploader_id: str
    state: str
    file_name: str
    content_type: str
    size_bytes: int
    width: int
    height: int
    preview_bytes: int
    preview_type: str
    create_time: int
    channel_id: str | None = None
    seq: int | None = None
    place: int | None = None


class Message(NamedTuple):
    """One message. Times are in microseconds since 1970.

    Attributes:
        client_message_id: the id that the sender's client gave it, or None.
        digest: of what was first asked to be sent; None once deleted.
        attachments: the files that go with it, in their order.
    """

    channel_id: str
    seq: int
    sender_id: str
    client_message_id: str | None
    digest: bytes | None
    text: str
    create_time: int
    edit_time: int | None = None
    delete_time: int | None = None
    attachments: tuple[Attachment, ...] = ()


def digest(text: str, attachment_ids: Sequence[str] = ()) -> bytes:
    """Return what two requests to send have in common exactly if they ask for the same."""
    # No text and no id holds a NUL.
    return hashlib.sha256("\0".join((text, *attachment_ids)).encode()).digest()
