"""The tables of the messaging service. What must always hold is a constraint here."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from chassis.database.secrets import secrets_table
from chassis.database.types import ordered_text
from chassis.inbox import InboxTables

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

PersonId = ordered_text(255)
ChannelId = ordered_text(64)
AttachmentId = ordered_text(64)

channels = Table(
    "channels",
    metadata,
    Column("channel_id", ChannelId, primary_key=True),
    Column("low_id", PersonId, nullable=False),
    Column("high_id", PersonId, nullable=False),
    Column("open", Boolean, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("low_read_seq", BigInteger, nullable=False),
    Column("low_told_seq", BigInteger, nullable=False),
    Column("low_unread", Integer, nullable=False),
    Column("high_read_seq", BigInteger, nullable=False),
    Column("high_told_seq", BigInteger, nullable=False),
    Column("high_unread", Integer, nullable=False),
    Column("create_time", BigInteger),
    Column("active_time", BigInteger),
    UniqueConstraint("low_id", "high_id"),
    CheckConstraint("low_id < high_id", "ordered_pair"),
    CheckConstraint("NOT open OR create_time IS NOT NULL", "open_has_times"),
    CheckConstraint("(create_time IS NULL) = (active_time IS NULL)", "times_come_together"),
    CheckConstraint("create_time IS NOT NULL OR last_seq = 0", "messages_need_an_opening"),
    CheckConstraint("low_unread >= 0 AND high_unread >= 0", "unread_not_negative"),
    # For each person's list of channels; the constraint above has an index for the other side. The
    # list is sorted when it is read: an index by activity would cost every send two more pages.
    Index(None, "high_id"),
)

messages = Table(
    "messages",
    metadata,
    Column("channel_id", ChannelId, ForeignKey("channels.channel_id"), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("sender_id", PersonId, nullable=False),
    Column("client_message_id", String(128)),
    Column("digest", LargeBinary(32)),
    Column("text", Text, nullable=False),
    Column("create_time", BigInteger, nullable=False),
    Column("edit_time", BigInteger),
    Column("delete_time", BigInteger),
    # So that what has no attachments, as hardly any message has, is never looked up among them.
    Column("attachment_count", Integer, nullable=False),
    # NULLs differ from each other: a message without a client id never collides.
    UniqueConstraint("channel_id", "sender_id", "client_message_id"),
    CheckConstraint("seq >= 1", "seq_from_one"),
    CheckConstraint(
        "delete_time IS NULL OR (text = '' AND digest IS NULL AND attachment_count = 0)",
        "deleted_is_erased",
    ),
)

NOT_SENT = text("state <> 'sent'")
"""What the index of the attachments that wait is over; a query must say it in the same words."""

attachments = Table(
    "attachments",
    metadata,
    Column("attachment_id", AttachmentId, primary_key=True),
    Column("uploader_id", PersonId, nullable=False),
    Column("state", String(16), nullable=False),
    Column("file_name", Text, nullable=False),
    Column("content_type", String(127), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("preview_bytes", BigInteger, nullable=False),
    Column("preview_type", String(127), nullable=False),
    Column("create_time", BigInteger, nullable=False),
    Column("channel_id", ChannelId),
    Column("seq", BigInteger),
    Column("place", Integer),
    ForeignKeyConstraint(["channel_id", "seq"], ["messages.channel_id", "messages.seq"]),
    UniqueConstraint("channel_id", "seq", "place"),
    CheckConstraint("state IN ('storing', 'unsent', 'sent', 'doomed')", "state_known"),
    CheckConstraint(
        "(state = 'sent') = (channel_id IS NOT NULL AND seq IS NOT NULL AND place IS NOT NULL)",
        "sent_has_its_message",
    ),
    CheckConstraint("state <> 'doomed' OR file_name = ''", "doomed_is_erased"),
    Index(
        "ix_attachments_waiting", "uploader_id", sqlite_where=NOT_SENT, postgresql_where=NOT_SENT
    ),
)

inbox = InboxTables(metadata)
secrets = secrets_table(metadata)
