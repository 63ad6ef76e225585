"""Reads and writes rows of channels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, tuple_, union_all

from chassis.database import RowsByKey, UpdateRows
from chassis.database.engine import insert_unless_there, locking
from services.messaging.domain import Channel, Pair, Reading
from services.messaging.schema import channels

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row, Select


_ID = channels.c.channel_id
_CHANNELS_BY_ID = RowsByKey(channels, _ID, lock_by=_ID)
_CHANNELS_BY_PAIR = RowsByKey(channels, channels.c.low_id, channels.c.high_id, lock_by=_ID)
_IDS_OF_PAIRS = RowsByKey(channels, channels.c.low_id, channels.c.high_id)
# To write a pair back, though it never changes, would cost a change of each index it is in.
_NEVER_CHANGE = 3
_UPDATE_CHANNELS = UpdateRows(channels, _ID, list(channels.c)[_NEVER_CHANGE:])


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


def find_channel(connection: Connection, channel_id: str) -> Channel | None:
    """Return a channel by its id, its row locked if this is a writing transaction."""
    row = connection.execute(
        locking(connection, select(channels).where(channels.c.channel_id == channel_id))
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


def make_channels(connection: Connection, ids: Mapping[Pair, str]) -> list[str]:
    """Make sure that pairs have a channel, closed and of no epoch if it is new; return their ids.

    Arguments:
        ids: the id of each pair's channel, should it have none.
    """
    keys = sorted((pair.low, pair.high) for pair in ids)
    found = {row[1:3]: row[0] for row in _IDS_OF_PAIRS.find(connection, keys)}
    missing = [
        Channel(ids[Pair(*key)], Pair(*key), open=False, epoch=0)
        for key in keys
        if key not in found
    ]
    if missing:
        names = channels.c.keys()
        rows = [dict(zip(names, _channel_row(channel), strict=True)) for channel in missing]
        connection.execute(insert_unless_there(connection, channels), rows)
        found = {row[1:3]: row[0] for row in _IDS_OF_PAIRS.find(connection, keys)}
    return list(found.values())


def insert_channel(connection: Connection, channel: Channel) -> None:
    """Add a channel."""
    values = zip(channels.c.keys(), _channel_row(channel), strict=True)
    connection.execute(insert(channels), dict(values))


def update_channels(connection: Connection, changed: Iterable[Channel]) -> None:
    """Write back channels whose rows are locked."""
    rows = map(_channel_row, changed)
    _UPDATE_CHANNELS.execute(connection, [(row[0], *row[_NEVER_CHANGE:]) for row in rows])


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
