"""Reads and writes rows of attachments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import and_, delete, func, insert, or_, select, update

from chassis.database import RowsByKey, UpdateRows
from services.messaging.domain import Attachment, AttachmentState
from services.messaging.schema import NOT_SENT, attachments

if TYPE_CHECKING:
    from sqlalchemy import Connection

_ID = attachments.c.attachment_id
_BY_ID = RowsByKey(attachments, _ID, lock_by=_ID)
_BY_MESSAGE = RowsByKey(attachments, attachments.c.channel_id, attachments.c.seq)
_SEND = UpdateRows(
    attachments,
    _ID,
    [attachments.c.state, attachments.c.channel_id, attachments.c.seq, attachments.c.place],
)


def insert_attachment(connection: Connection, attachment: Attachment) -> None:
    """Add an attachment."""
    connection.execute(insert(attachments), attachment._asdict())


def count_waiting(connection: Connection, uploader_id: str) -> int:
    """Count the attachments of a person that are stored or being stored, and not sent."""
    return connection.execute(
        select(func.count())
        .select_from(attachments)
        .where(
            attachments.c.uploader_id == uploader_id,
            NOT_SENT,
            attachments.c.state != AttachmentState.DOOMED.value,
        )
    ).scalar_one()


def become_unsent(connection: Connection, attachment_id: str) -> bool:
    """Let an attachment be sent, now that its files are stored; false if it was given up since."""
    return bool(
        connection.execute(
            update(attachments)
            .where(
                attachments.c.attachment_id == attachment_id,
                attachments.c.state == AttachmentState.STORING.value,
            )
            .values(state=AttachmentState.UNSENT.value)
        ).rowcount
    )


def find_attachments(
    connection: Connection, attachment_ids: Iterable[str]
) -> dict[str, Attachment]:
    """Return attachments by their ids, locked in the order of the ids if this transaction writes."""
    keys = [(attachment_id,) for attachment_id in set(attachment_ids)]
    found = map(Attachment._make, _BY_ID.find(connection, keys))
    return {attachment.attachment_id: attachment for attachment in found}


def attachments_of(
    connection: Connection, messages: Iterable[tuple[str, int]]
) -> dict[tuple[str, int], tuple[Attachment, ...]]:
    """Return the attachments of messages, named by channel and place, in their order."""
    found: defaultdict[tuple[str, int], list[Attachment]] = defaultdict(list)
    for row in _BY_MESSAGE.find(connection, set(messages)):
        found[row.channel_id, row.seq].append(Attachment._make(row))
    return {
        message: tuple(sorted(theirs, key=lambda attachment: attachment.place or 0))
        for message, theirs in found.items()
    }


def send_attachments(connection: Connection, sent: Iterable[Attachment]) -> None:
    """Write down with which messages attachments were sent. The messages must have been added."""
    rows = [
        (each.attachment_id, each.state, each.channel_id, each.seq, each.place) for each in sent
    ]
    _SEND.execute(connection, rows)


def doom_attachments_of(connection: Connection, channel_id: str, seq: int) -> None:
    """Take the attachments of a message from everybody's sight, for good."""
    connection.execute(
        update(attachments)
        .where(attachments.c.channel_id == channel_id, attachments.c.seq == seq)
        .values(**_DOOMED)
    )


def doom_given_up(connection: Connection, attachment_ids: Iterable[str]) -> None:
    """Doom attachments that were not sent."""
    connection.execute(
        update(attachments)
        .where(
            _ID.in_(attachment_ids),
            attachments.c.state.in_((AttachmentState.STORING.value, AttachmentState.UNSENT.value)),
        )
        .values(**_DOOMED)
    )


def doom_waiting(connection: Connection, *, stored_before: int, begun_before: int) -> None:
    """Doom what waits for too long: unsent, or still being stored.

    Arguments:
        stored_before: unsent attachments of before this time have waited too long.
        begun_before: whoever was storing an attachment since before this time is gone.
    """
    state, time = attachments.c.state, attachments.c.create_time
    connection.execute(
        update(attachments)
        .where(
            NOT_SENT,
            or_(
                and_(state == AttachmentState.UNSENT.value, time < stored_before),
                and_(state == AttachmentState.STORING.value, time < begun_before),
            ),
        )
        .values(**_DOOMED)
    )


def find_doomed(connection: Connection, but: Collection[str], limit: int) -> list[str]:
    """Return the ids of attachments whose files are to be removed, but for some."""
    rows = connection.execute(
        select(_ID)
        .where(NOT_SENT, attachments.c.state == AttachmentState.DOOMED.value, _ID.not_in(but))
        .limit(limit)
    )
    return [row[0] for row in rows]


def delete_doomed(connection: Connection, attachment_ids: Sequence[str]) -> None:
    """Forget attachments whose files are gone."""
    connection.execute(
        delete(attachments).where(
            _ID.in_(attachment_ids), attachments.c.state == AttachmentState.DOOMED.value
        )
    )


_DOOMED = {
    "state": AttachmentState.DOOMED.value,
    "file_name": "",
    "channel_id": None,
    "seq": None,
    "place": None,
}
