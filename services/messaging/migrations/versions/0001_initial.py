"""The first schema: channels, messages, inboxes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "channels",
        sa.Column("channel_id", sa.String(length=64), nullable=False),
        sa.Column("low_id", sa.String(length=255), nullable=False),
        sa.Column("high_id", sa.String(length=255), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("low_read_seq", sa.BigInteger(), nullable=False),
        sa.Column("low_told_seq", sa.BigInteger(), nullable=False),
        sa.Column("low_unread", sa.Integer(), nullable=False),
        sa.Column("high_read_seq", sa.BigInteger(), nullable=False),
        sa.Column("high_told_seq", sa.BigInteger(), nullable=False),
        sa.Column("high_unread", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=True),
        sa.Column("active_time", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(create_time IS NULL) = (active_time IS NULL)",
            name=op.f("ck_channels_times_come_together"),
        ),
        sa.CheckConstraint(
            "NOT open OR create_time IS NOT NULL", name=op.f("ck_channels_open_has_times")
        ),
        sa.CheckConstraint(
            "create_time IS NOT NULL OR last_seq = 0",
            name=op.f("ck_channels_messages_need_an_opening"),
        ),
        sa.CheckConstraint("low_id < high_id", name=op.f("ck_channels_ordered_pair")),
        sa.CheckConstraint(
            "low_unread >= 0 AND high_unread >= 0", name=op.f("ck_channels_unread_not_negative")
        ),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("pk_channels")),
        sa.UniqueConstraint("low_id", "high_id", name=op.f("uq_channels_low_id_high_id")),
    )
    op.create_index(op.f("ix_channels_high_id"), "channels", ["high_id"], unique=False)
    op.create_table(
        "inbox_entries",
        sa.Column("person_id", sa.String(length=255), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("person_id", "position", name=op.f("pk_inbox_entries")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "inbox_heads",
        sa.Column("person_id", sa.String(length=255), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_inbox_heads")),
    )
    op.create_table(
        "secrets",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_secrets")),
    )
    op.create_table(
        "messages",
        sa.Column("channel_id", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sender_id", sa.String(length=255), nullable=False),
        sa.Column("client_message_id", sa.String(length=128), nullable=True),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("edit_time", sa.BigInteger(), nullable=True),
        sa.Column("delete_time", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "delete_time IS NULL OR (text = '' AND digest IS NULL)",
            name=op.f("ck_messages_deleted_is_erased"),
        ),
        sa.CheckConstraint("seq >= 1", name=op.f("ck_messages_seq_from_one")),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.channel_id"], name=op.f("fk_messages_channel_id")
        ),
        sa.PrimaryKeyConstraint("channel_id", "seq", name=op.f("pk_messages")),
        sa.UniqueConstraint(
            "channel_id",
            "sender_id",
            "client_message_id",
            name=op.f("uq_messages_channel_id_sender_id_client_message_id"),
        ),
    )
