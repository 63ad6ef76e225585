"""The first schema: channels, messages, inboxes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

PersonId = sa.String(255).with_variant(sa.String(255, collation="C"), "postgresql")
ChannelId = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
AttachmentId = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "channels",
        sa.Column("channel_id", ChannelId, nullable=False),
        sa.Column("low_id", PersonId, nullable=False),
        sa.Column("high_id", PersonId, nullable=False),
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
        sa.Column("person_id", PersonId, nullable=False),
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
        sa.Column("person_id", PersonId, nullable=False),
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
        sa.Column("channel_id", ChannelId, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sender_id", PersonId, nullable=False),
        sa.Column("client_message_id", sa.String(length=128), nullable=True),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("edit_time", sa.BigInteger(), nullable=True),
        sa.Column("delete_time", sa.BigInteger(), nullable=True),
        sa.Column("attachment_count", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "delete_time IS NULL OR (text = '' AND digest IS NULL AND attachment_count = 0)",
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
    op.create_table(
        "attachments",
        sa.Column("attachment_id", AttachmentId, nullable=False),
        sa.Column("uploader_id", PersonId, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("content_type", sa.String(length=127), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("preview_bytes", sa.BigInteger(), nullable=False),
        sa.Column("preview_type", sa.String(length=127), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("channel_id", ChannelId, nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("place", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "state IN ('storing', 'unsent', 'sent', 'doomed')",
            name=op.f("ck_attachments_state_known"),
        ),
        sa.CheckConstraint(
            "(state = 'sent') = (channel_id IS NOT NULL AND seq IS NOT NULL AND place IS NOT NULL)",
            name=op.f("ck_attachments_sent_has_its_message"),
        ),
        sa.CheckConstraint(
            "state <> 'doomed' OR file_name = ''", name=op.f("ck_attachments_doomed_is_erased")
        ),
        sa.ForeignKeyConstraint(
            ["channel_id", "seq"],
            ["messages.channel_id", "messages.seq"],
            name=op.f("fk_attachments_channel_id"),
        ),
        sa.PrimaryKeyConstraint("attachment_id", name=op.f("pk_attachments")),
        sa.UniqueConstraint(
            "channel_id", "seq", "place", name=op.f("uq_attachments_channel_id_seq_place")
        ),
    )
    op.create_index(
        op.f("ix_attachments_waiting"),
        "attachments",
        ["uploader_id"],
        unique=False,
        sqlite_where=sa.text("state <> 'sent'"),
        postgresql_where=sa.text("state <> 'sent'"),
    )
