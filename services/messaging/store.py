"""Reads and writes rows of channels and messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, func, insert, select, tuple_, union_all, update

from chassis.database import ManyRows, RowsByKey
from services.messaging.domain import Channel, Message, Pair, Reading
from services.messaging.schema import channels, messages

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row, Select


_ID = channels.c.channel_id
_CHANNELS_BY_ID = RowsByKey(channels, _ID, lock_by=_ID)
_CHANNELS_BY_PAIR = RowsByKey(channels, channels.c.low_id, channels.c.high_id, lock_by=_ID)
_MESSAGES_BY_PLACE = RowsByKey(messages, messages.c.channel_id, messages.c.seq)
_MESSAGES_BY_CLIENT_ID = RowsByKey(
    messages, messages.c.channel_id, messages.c.sender_id, messages.c.client_message_id
)
_INSERT_MESSAGES = ManyRows(insert(messages), messages.c.keys())
# To write a pair back, though it never changes, would cost a change of each index it is in.
_NEVER_CHANGE = {"channel_id", "low_id", "high_id"}
_UPDATE_CHANNELS = ManyRows(
    update(channels)
    .where(channels.c.channel_id == bindparam("channel_id"))
    .values({c.name: bindparam(c.name) for c in channels.c if c.name not in _NEVER_CHANGE}),
    channels.c.keys(),
)


def to_channel(row: Row[Any]) -> Channel:
    """Read a channel from its row."""
    # By place, in the order of the schema: by name costs several times as much.
    values: Any = row
    return Channel(
        values[0],
        Pair(values[1], values[2]),
        bool(values[3]),
        values[4],
        values[5],
        Reading(*values[6:9]),
        Reading(*values[9:12]),
        values[12],
        values[13],
    )


def _channel_row(channel: Channel) -> tuple[Any, ...]:
    """Return the row of a channel, its values in the order of the columns."""
    pair, low, high = channel.pair, channel.low, channel.high
    return (
        channel.channel_id,
        pair.low,
        pair.high,
        channel.open,
        channel.epoch,
        channel.last_seq,
        low.seq,
        low.told_seq,
        low.unread,
        high.seq,
        high.told_seq,
        high.unread,
        channel.create_time,
        channel.active_time,
    )


def to_message(row: Row[Any]) -> Message:
    """Read a message from its row, whose columns are in the order of its attributes."""
    return Message._make(row)


def find_channel(connection: Connection, channel_id: str) -> Channel | None:
    """Return a channel by its id, its row locked if this is a writing transaction."""
    row = connection.execute(
        select(channels).where(channels.c.channel_id == channel_id).with_for_update()
    ).one_or_none()
    return to_channel(row) if row else None


def find_channels(connection: Connection, channel_ids: Iterable[str]) -> dict[str, Channel]:
    """Return channels by their ids, locked in the order of the ids if this transaction writes."""
    keys = [(channel_id,) for channel_id in set(channel_ids)]
    found = map(to_channel, _CHANNELS_BY_ID.find(connection, keys))
    return {channel.channel_id: channel for channel in found}


def find_channels_of_pairs(connection: Connection, pairs: Iterable[Pair]) -> dict[Pair, Channel]:
    """Return the channels of pairs, locked in the order of their ids if this transaction writes."""
    keys = {(pair.low, pair.high) for pair in pairs}
    found = map(to_channel, _CHANNELS_BY_PAIR.find(connection, keys))
    return {channel.pair: channel for channel in found}


def insert_channel(connection: Connection, channel: Channel) -> None:
    """Add a channel."""
    values = zip(channels.c.keys(), _channel_row(channel), strict=True)
    connection.execute(insert(channels), dict(values))


def update_channels(connection: Connection, changed: Iterable[Channel]) -> None:
    """Write back channels whose rows are locked."""
    _UPDATE_CHANNELS.execute(connection, [_channel_row(channel) for channel in changed])


def list_channels(
    connection: Connection, person_id: str, before: tuple[int, str] | None, limit: int
) -> list[Channel]:
    """Return a person's channels that were ever open, the latest activity first.

    Arguments:
        before: activity time and id of the channel that ended the page before.
    """

    def side(column: str) -> Select[Any]:
        query = select(channels).where(
            channels.c[column] == person_id, channels.c.active_time.is_not(None)
        )
        if before is not None:
            query = query.where(tuple_(channels.c.active_time, channels.c.channel_id) < before)
        query = query.order_by(channels.c.active_time.desc(), channels.c.channel_id.desc())
        # A limit inside a UNION needs a query around it.
        return select(query.limit(limit).subquery())

    both = union_all(side("low_id"), side("high_id")).subquery()
    rows = connection.execute(
        select(both).order_by(both.c.active_time.desc(), both.c.channel_id.desc()).limit(limit)
    )
    return [to_channel(row) for row in rows]


def find_messages(
    connection: Connection, places: Iterable[tuple[str, int]]
) -> dict[tuple[str, int], Message]:
    """Return messages by channel and place."""
    found = map(to_message, _MESSAGES_BY_PLACE.find(connection, set(places)))
    return {(message.channel_id, message.seq): message for message in found}


def list_messages(
    connection: Connection, channel_id: str, start: int, limit: int, *, forward: bool
) -> list[Message]:
    """Return messages after a place, the oldest first, or before it, the newest first."""
    seq = messages.c.seq
    query = select(messages).where(messages.c.channel_id == channel_id)
    if forward:
        query = query.where(seq > start).order_by(seq)
    else:
        query = query.where(seq < start).order_by(seq.desc())
    return [to_message(row) for row in connection.execute(query.limit(limit))]


def insert_messages(connection: Connection, added: Iterable[Message]) -> None:
    """Add messages."""
    _INSERT_MESSAGES.execute(connection, list(added))


def update_message(connection: Connection, message: Message) -> None:
    """Write back what may change of a message."""
    connection.execute(
        update(messages)
        .where(and_(messages.c.channel_id == message.channel_id, messages.c.seq == message.seq))
        .values(
            text=message.text,
            digest=message.digest,
            edit_time=message.edit_time,
            delete_time=message.delete_time,
        )
    )


def count_unread(connection: Connection, channel_id: str, person_id: str, read_seq: int) -> int:
    """Count the messages that a person has not read: the other's, after a place, not deleted."""
    return connection.execute(
        select(func.count())
        .select_from(messages)
        .where(
            messages.c.channel_id == channel_id,
            messages.c.seq > read_seq,
            messages.c.sender_id != person_id,
            messages.c.delete_time.is_(None),
        )
    ).scalar_one()


def known_messages(
    connection: Connection, keys: Iterable[tuple[str, str, str]]
) -> dict[tuple[str, str, str], Message]:
    """Return messages by channel, sender and client message id."""
    found = map(to_message, _MESSAGES_BY_CLIENT_ID.find(connection, keys))
    return {(m.channel_id, m.sender_id, m.client_message_id or ""): m for m in found}
