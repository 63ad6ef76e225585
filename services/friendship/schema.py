"""The tables of the friendship service. What must always hold is a constraint here."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    MetaData,
    SmallInteger,
    String,
    Table,
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
RequestId = ordered_text(64)
PhotoId = ordered_text(64)
Handle = ordered_text(30)
Term = ordered_text()

people = Table(
    "people",
    metadata,
    Column("person_id", PersonId, primary_key=True),
    Column("handle", Handle, nullable=False),
    Column("display_name", String(80), nullable=False),
    Column("headline", String(120), nullable=False),
    Column("create_time", BigInteger, nullable=False),
    UniqueConstraint("handle"),
    CheckConstraint("length(person_id) BETWEEN 1 AND 255", "id_length"),
    CheckConstraint("length(handle) BETWEEN 3 AND 30", "handle_length"),
    CheckConstraint("length(display_name) BETWEEN 1 AND 80", "display_name_length"),
    CheckConstraint("length(headline) <= 120", "headline_length"),
)

photos = Table(
    "photos",
    metadata,
    Column("photo_id", PhotoId, primary_key=True),
    Column("person_id", PersonId, ForeignKey("people.person_id"), nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("create_time", BigInteger, nullable=False),
    CheckConstraint("length(photo_id) BETWEEN 1 AND 64", "id_length"),
    CheckConstraint("state IN (0, 1, 2)", "known_state"),
    # The photo that a person has: one, or none.
    Index(
        "ix_photos_kept",
        "person_id",
        unique=True,
        sqlite_where=text("state = 1"),
        postgresql_where=text("state = 1"),
    ),
    # What is to be removed, now or if it does not get on.
    Index(
        "ix_photos_to_sweep",
        "state",
        "create_time",
        sqlite_where=text("state <> 1"),
        postgresql_where=text("state <> 1"),
    ),
)

TERM_OF_HANDLE = 0
TERM_OF_NAME = 1

people_terms = Table(
    "people_terms",
    metadata,
    # In this order a search reads its results off the primary key.
    Column("kind", SmallInteger, primary_key=True, autoincrement=False),
    Column("term", Term, primary_key=True),
    Column("person_id", PersonId, ForeignKey("people.person_id"), primary_key=True),
    CheckConstraint("kind IN (0, 1)", "known_kind"),
    CheckConstraint("term <> ''", "term_not_empty"),
    # For the further words of a query: does this person have such a word too?
    Index(None, "person_id", "term", "kind"),
    sqlite_with_rowid=False,
)

friend_requests = Table(
    "friend_requests",
    metadata,
    Column("request_id", RequestId, primary_key=True),
    Column("requester_id", PersonId, ForeignKey("people.person_id"), nullable=False),
    Column("addressee_id", PersonId, ForeignKey("people.person_id"), nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("note", String(300), nullable=False),
    Column("create_time", BigInteger, nullable=False),
    CheckConstraint("requester_id <> addressee_id", "two_people"),
    CheckConstraint("state IN (0, 1, 2)", "known_state"),
    CheckConstraint("length(note) <= 300", "note_length"),
    CheckConstraint("state <> 2 OR note = ''", "cancelled_is_erased"),
    # How many has this person made in the last hour?
    Index(None, "requester_id", "create_time"),
    # The boxes, and how many are pending.
    Index(
        "ix_friend_requests_sent",
        "requester_id",
        "create_time",
        "request_id",
        sqlite_where=text("state = 0"),
        postgresql_where=text("state = 0"),
    ),
    Index(
        "ix_friend_requests_received",
        "addressee_id",
        "create_time",
        "request_id",
        sqlite_where=text("state = 0"),
        postgresql_where=text("state = 0"),
    ),
)

pairs = Table(
    "pairs",
    metadata,
    Column("low_id", PersonId, ForeignKey("people.person_id"), primary_key=True),
    Column("high_id", PersonId, ForeignKey("people.person_id"), primary_key=True),
    Column("friends", Boolean, nullable=False),
    # 0: the low one, 1: the high one.
    Column("requester", SmallInteger),
    Column("request_id", RequestId, ForeignKey("friend_requests.request_id")),
    Column("low_ignores", Boolean, nullable=False),
    Column("high_ignores", Boolean, nullable=False),
    Column("low_blocks", Boolean, nullable=False),
    Column("high_blocks", Boolean, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("delivered_epoch", BigInteger, nullable=False),
    UniqueConstraint("request_id"),
    CheckConstraint("low_id < high_id", "ordered_pair"),
    CheckConstraint("requester IN (0, 1)", "known_requester"),
    CheckConstraint("(requester IS NULL) = (request_id IS NULL)", "requester_of_a_request"),
    CheckConstraint("NOT friends OR requester IS NOT NULL", "friends_by_a_request"),
    CheckConstraint(
        "NOT friends OR NOT (low_ignores OR high_ignores OR low_blocks OR high_blocks)",
        "friends_without_flags",
    ),
    CheckConstraint("requester <> 0 OR NOT low_blocks", "low_asks_nobody_they_block"),
    CheckConstraint("requester <> 1 OR NOT high_blocks", "high_asks_nobody_they_block"),
    CheckConstraint("requester <> 0 OR NOT high_blocks OR high_ignores", "high_hides_the_blocked"),
    CheckConstraint("requester <> 1 OR NOT low_blocks OR low_ignores", "low_hides_the_blocked"),
    # The epoch starts at 0 and rises with each turn, so that friends have an odd one.
    CheckConstraint("friends = (epoch % 2 = 1)", "epoch_counts_turns"),
    CheckConstraint("0 <= delivered_epoch AND delivered_epoch <= epoch", "delivered_what_was"),
    Index(None, "high_id"),
    # The outbox: what the messaging service has not been told yet.
    Index(
        "ix_pairs_outbox",
        "low_id",
        "high_id",
        sqlite_where=text("delivered_epoch <> epoch"),
        postgresql_where=text("delivered_epoch <> epoch"),
    ),
    sqlite_with_rowid=False,
)

inbox = InboxTables(metadata)
secrets = secrets_table(metadata)
