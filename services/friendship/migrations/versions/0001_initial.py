"""The first schema: people, their photos, pairs, friend requests, inboxes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

PersonId = sa.String(255).with_variant(sa.String(255, collation="C"), "postgresql")
RequestId = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
PhotoId = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
Handle = sa.String(30).with_variant(sa.String(30, collation="C"), "postgresql")
Term = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Apply the revision."""
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
        "people",
        sa.Column("person_id", PersonId, nullable=False),
        sa.Column("handle", Handle, nullable=False),
        sa.Column("display_name", sa.String(length=80), nullable=False),
        sa.Column("headline", sa.String(length=120), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "length(display_name) BETWEEN 1 AND 80", name=op.f("ck_people_display_name_length")
        ),
        sa.CheckConstraint("length(handle) BETWEEN 3 AND 30", name=op.f("ck_people_handle_length")),
        sa.CheckConstraint("length(headline) <= 120", name=op.f("ck_people_headline_length")),
        sa.CheckConstraint("length(person_id) BETWEEN 1 AND 255", name=op.f("ck_people_id_length")),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_people")),
        sa.UniqueConstraint("handle", name=op.f("uq_people_handle")),
    )
    op.create_table(
        "secrets",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_secrets")),
    )
    op.create_table(
        "friend_requests",
        sa.Column("request_id", RequestId, nullable=False),
        sa.Column("requester_id", PersonId, nullable=False),
        sa.Column("addressee_id", PersonId, nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("note", sa.String(length=300), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state <> 2 OR note = ''", name=op.f("ck_friend_requests_cancelled_is_erased")
        ),
        sa.CheckConstraint("length(note) <= 300", name=op.f("ck_friend_requests_note_length")),
        sa.CheckConstraint(
            "requester_id <> addressee_id", name=op.f("ck_friend_requests_two_people")
        ),
        sa.CheckConstraint("state IN (0, 1, 2)", name=op.f("ck_friend_requests_known_state")),
        sa.ForeignKeyConstraint(
            ["addressee_id"], ["people.person_id"], name=op.f("fk_friend_requests_addressee_id")
        ),
        sa.ForeignKeyConstraint(
            ["requester_id"], ["people.person_id"], name=op.f("fk_friend_requests_requester_id")
        ),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_friend_requests")),
    )
    op.create_index(
        "ix_friend_requests_received",
        "friend_requests",
        ["addressee_id", "create_time", "request_id"],
        unique=False,
        sqlite_where=sa.text("state = 0"),
        postgresql_where=sa.text("state = 0"),
    )
    op.create_index(
        op.f("ix_friend_requests_requester_id_create_time"),
        "friend_requests",
        ["requester_id", "create_time"],
        unique=False,
    )
    op.create_index(
        "ix_friend_requests_sent",
        "friend_requests",
        ["requester_id", "create_time", "request_id"],
        unique=False,
        sqlite_where=sa.text("state = 0"),
        postgresql_where=sa.text("state = 0"),
    )
    op.create_table(
        "photos",
        sa.Column("photo_id", PhotoId, nullable=False),
        sa.Column("person_id", PersonId, nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("length(photo_id) BETWEEN 1 AND 64", name=op.f("ck_photos_id_length")),
        sa.CheckConstraint("state IN (0, 1, 2)", name=op.f("ck_photos_known_state")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.person_id"], name=op.f("fk_photos_person_id")
        ),
        sa.PrimaryKeyConstraint("photo_id", name=op.f("pk_photos")),
    )
    op.create_index(
        "ix_photos_kept",
        "photos",
        ["person_id"],
        unique=True,
        sqlite_where=sa.text("state = 1"),
        postgresql_where=sa.text("state = 1"),
    )
    op.create_index(
        "ix_photos_to_sweep",
        "photos",
        ["state", "create_time"],
        unique=False,
        sqlite_where=sa.text("state <> 1"),
        postgresql_where=sa.text("state <> 1"),
    )
    op.create_table(
        "people_terms",
        sa.Column("kind", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("term", Term, nullable=False),
        sa.Column("person_id", PersonId, nullable=False),
        sa.CheckConstraint("term <> ''", name=op.f("ck_people_terms_term_not_empty")),
        sa.CheckConstraint("kind IN (0, 1)", name=op.f("ck_people_terms_known_kind")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.person_id"], name=op.f("fk_people_terms_person_id")
        ),
        sa.PrimaryKeyConstraint("kind", "term", "person_id", name=op.f("pk_people_terms")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_people_terms_person_id_term_kind"),
        "people_terms",
        ["person_id", "term", "kind"],
        unique=False,
    )
    op.create_table(
        "pairs",
        sa.Column("low_id", PersonId, nullable=False),
        sa.Column("high_id", PersonId, nullable=False),
        sa.Column("friends", sa.Boolean(), nullable=False),
        sa.Column("requester", sa.SmallInteger(), nullable=True),
        sa.Column("request_id", RequestId, nullable=True),
        sa.Column("low_ignores", sa.Boolean(), nullable=False),
        sa.Column("high_ignores", sa.Boolean(), nullable=False),
        sa.Column("low_blocks", sa.Boolean(), nullable=False),
        sa.Column("high_blocks", sa.Boolean(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("delivered_epoch", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(requester IS NULL) = (request_id IS NULL)",
            name=op.f("ck_pairs_requester_of_a_request"),
        ),
        sa.CheckConstraint(
            "0 <= delivered_epoch AND delivered_epoch <= epoch",
            name=op.f("ck_pairs_delivered_what_was"),
        ),
        sa.CheckConstraint(
            "NOT friends OR NOT (low_ignores OR high_ignores OR low_blocks OR high_blocks)",
            name=op.f("ck_pairs_friends_without_flags"),
        ),
        sa.CheckConstraint(
            "NOT friends OR requester IS NOT NULL", name=op.f("ck_pairs_friends_by_a_request")
        ),
        sa.CheckConstraint("friends = (epoch % 2 = 1)", name=op.f("ck_pairs_epoch_counts_turns")),
        sa.CheckConstraint("low_id < high_id", name=op.f("ck_pairs_ordered_pair")),
        sa.CheckConstraint(
            "requester <> 0 OR NOT high_blocks OR high_ignores",
            name=op.f("ck_pairs_high_hides_the_blocked"),
        ),
        sa.CheckConstraint(
            "requester <> 0 OR NOT low_blocks", name=op.f("ck_pairs_low_asks_nobody_they_block")
        ),
        sa.CheckConstraint(
            "requester <> 1 OR NOT high_blocks", name=op.f("ck_pairs_high_asks_nobody_they_block")
        ),
        sa.CheckConstraint(
            "requester <> 1 OR NOT low_blocks OR low_ignores",
            name=op.f("ck_pairs_low_hides_the_blocked"),
        ),
        sa.CheckConstraint("requester IN (0, 1)", name=op.f("ck_pairs_known_requester")),
        sa.ForeignKeyConstraint(["high_id"], ["people.person_id"], name=op.f("fk_pairs_high_id")),
        sa.ForeignKeyConstraint(["low_id"], ["people.person_id"], name=op.f("fk_pairs_low_id")),
        sa.ForeignKeyConstraint(
            ["request_id"], ["friend_requests.request_id"], name=op.f("fk_pairs_request_id")
        ),
        sa.PrimaryKeyConstraint("low_id", "high_id", name=op.f("pk_pairs")),
        sa.UniqueConstraint("request_id", name=op.f("uq_pairs_request_id")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_pairs_high_id"), "pairs", ["high_id"], unique=False)
    op.create_index(
        "ix_pairs_outbox",
        "pairs",
        ["low_id", "high_id"],
        unique=False,
        sqlite_where=sa.text("delivered_epoch <> epoch"),
        postgresql_where=sa.text("delivered_epoch <> epoch"),
    )
