"""Reads and writes rows of messages. Whoever reads a message gets its attachments with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, select, update

from chassis.database import InsertRows, RowsByKey
from services.messaging.domain import Message
from services.messaging.schema import messages
from services.messaging.store.attachments import attachments_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

_BY_PLACE = RowsByKey(messages, messages.c.channel_id, messages.c.seq)
_BY_CLIENT_ID = RowsByKey(
    messages, messages.c.channel_id, messages.c.sender_id, messages.c.client_message_id
)
_INSERT = InsertRows(messages)
_ATTACHMENT_COUNT = messages.c.keys().index("attachment_count")


def _to_messages(connection: Connection, rows: Sequence[Any]) -> list[Message]:
    """Read messages from their rows, whose columns are in the order of a message's attributes."""
    with_attachments = [(row[0], row[1]) for row in rows if row[_ATTACHMENT_COUNT]]
    found = attachments_of(connection, with_attachments) if with_attachments else {}
    return [
        Message._make((*row[:_ATTACHMENT_COUNT], found.get((row[0], row[1]), ()))) for row in rows
    ]


def find_messages(
    connection: Connection, places: Iterable[tuple[str, int]]
) -> dict[tuple[str, int], Message]:
    """Return messages by channel and place."""
    found = _to_messages(connection, _BY_PLACE.find(connection, set(places)))
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
    return _to_messages(connection, connection.execute(query.limit(limit)).all())


def insert_messages(connection: Connection, added: Iterable[Message]) -> None:
    """Add messages."""
    _INSERT.execute(
        connection, [(*message[:_ATTACHMENT_COUNT], len(message.attachments)) for message in added]
    )


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
            attachment_count=len(message.attachments),
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
    found = _to_messages(connection, _BY_CLIENT_ID.find(connection, keys))
    return {(m.channel_id, m.sender_id, m.client_message_id or ""): m for m in found}
