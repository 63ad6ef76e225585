"""The tables of the messaging service. What must always hold is a constraint here."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from chassis.database.secrets import secrets_table
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

channels = Table(
    "channels",
    metadata,
    Column("channel_id", String(64), primary_key=True),
    Column("low_id", String(255), nullable=False),
    Column("high_id", String(255), nullable=False),
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
    Column("channel_id", String(64), ForeignKey("channels.channel_id"), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("sender_id", String(255), nullable=False),
    Column("client_message_id", String(128)),
    Column("digest", LargeBinary(32)),
    Column("text", Text, nullable=False),
    Column("create_time", BigInteger, nullable=False),
    Column("edit_time", BigInteger),
    Column("delete_time", BigInteger),
    # NULLs differ from each other: a message without a client id never collides.
    UniqueConstraint("channel_id", "sender_id", "client_message_id"),
    CheckConstraint("seq >= 1", "seq_from_one"),
    CheckConstraint("delete_time IS NULL OR (text = '' AND digest IS NULL)", "deleted_is_erased"),
)

inbox = InboxTables(metadata)
secrets = secrets_table(metadata)
