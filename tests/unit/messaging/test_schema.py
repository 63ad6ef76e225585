"""The tables: what the migrations build is what the code declares, and it refuses what must not be."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, insert, inspect, select
from sqlalchemy.exc import IntegrityError

from chassis.database.migrate import SchemaMismatch, check_schema, migrate
from chassis.inbox import Entry
from services.messaging import store
from services.messaging.domain import Attachment, Channel, Message, Pair
from services.messaging.migrations import MIGRATIONS
from services.messaging.schema import attachments, inbox, messages, metadata
from services.messaging.sending import Send
from services.messaging.writing import decide
from tests.support.statements import plans, recorded

PAIR = Pair("ann", "bob")
CHANNEL = Channel("ab", PAIR, True, 1, create_time=1, active_time=1)
FILE = Attachment("f1", "ann", "unsent", "plan.pdf", "application/pdf", 9, 0, 0, 0, "", 1)
MESSAGE = Message("ab", 1, "ann", "c", b"d" * 32, "text", 1)


def test_migrations_build_what_the_code_declares(connection: Connection) -> None:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    assert compare_metadata(context, metadata) == []


def test_migrations_build_every_check(connection: Connection) -> None:
    built = {
        (table, check["name"], " ".join(check["sqltext"].split()))
        for table in metadata.tables
        for check in inspect(connection).get_check_constraints(table)
    }
    declared = {
        (table.name, str(check.name), str(check.sqltext))
        for table in metadata.tables.values()
        for check in table.constraints
        if isinstance(check, CheckConstraint)
    }
    assert built == declared
    assert len(declared) >= 7


def test_migrations_build_tables_that_lie_in_the_order_of_their_keys(
    connection: Connection,
) -> None:
    built = {
        name
        for name, sql in connection.exec_driver_sql("SELECT name, sql FROM sqlite_master")
        if sql and "WITHOUT ROWID" in sql.upper()
    }
    assert built == {inbox.entries.name}


@pytest.mark.parametrize(
    "wrong",
    [
        CHANNEL._replace(pair=Pair("bob", "ann")),
        CHANNEL._replace(pair=Pair("ann", "ann")),
        CHANNEL._replace(create_time=None, active_time=None),
        CHANNEL._replace(active_time=None),
        CHANNEL._replace(open=False, create_time=None, active_time=None, last_seq=1),
        CHANNEL.with_reading("ann", CHANNEL.low._replace(unread=-1)),
        CHANNEL.with_reading("bob", CHANNEL.high._replace(unread=-1)),
    ],
    ids=str,
)
def test_channels_that_must_not_be_are_refused(connection: Connection, wrong: Channel) -> None:
    with pytest.raises(IntegrityError), connection.begin_nested():
        store.insert_channel(connection, wrong)
    store.insert_channel(connection, CHANNEL)


def test_pair_has_one_channel(connection: Connection) -> None:
    store.insert_channel(connection, CHANNEL)
    with pytest.raises(IntegrityError), connection.begin_nested():
        store.insert_channel(connection, CHANNEL._replace(channel_id="another"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"seq": 0},
        {"channel_id": "unknown", "seq": 2},
        {"client_message_id": "other"},
        {"seq": 2},
        {"seq": 2, "client_message_id": None, "delete_time": 3},
        {"seq": 2, "client_message_id": None, "delete_time": 3, "text": ""},
    ],
    ids=str,
)
def test_messages_that_must_not_be_are_refused(
    connection: Connection, wrong: dict[str, Any]
) -> None:
    store.insert_channel(connection, CHANNEL)
    store.insert_messages(connection, [MESSAGE])
    row = dict(connection.execute(select(messages)).mappings().one())
    with pytest.raises(IntegrityError), connection.begin_nested():
        connection.execute(insert(messages), {**row, **wrong})
    connection.execute(insert(messages), {**row, "seq": 2, "client_message_id": None})
    connection.execute(insert(messages), {**row, "seq": 3, "client_message_id": None})


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "lost"},
        {"state": "sent"},
        {"state": "sent", "channel_id": "ab", "seq": 1},
        {"state": "sent", "channel_id": "ab", "seq": 2, "place": 0},
        {"channel_id": "ab", "seq": 1, "place": 0},
        {"state": "doomed"},
    ],
    ids=str,
)
def test_attachments_that_must_not_be_are_refused(
    connection: Connection, wrong: dict[str, Any]
) -> None:
    store.insert_channel(connection, CHANNEL)
    store.insert_messages(connection, [MESSAGE])
    with pytest.raises(IntegrityError), connection.begin_nested():
        connection.execute(insert(attachments), {**FILE._asdict(), **wrong})
    store.insert_attachment(connection, FILE)
    with pytest.raises(IntegrityError), connection.begin_nested():
        store.insert_attachment(connection, FILE)


def test_rows_come_back_as_they_went(connection: Connection) -> None:
    channels = [
        CHANNEL,
        Channel("never", Pair("ann", "eve"), False, 2),
        CHANNEL.with_reading("bob", CHANNEL.high._replace(seq=3, told_seq=2, unread=1))
        ._replace(
            channel_id="cd",
            pair=Pair("cat", "dog"),
            open=False,
        )
        .with_reading("cat", CHANNEL.low._replace(seq=9)),
    ]
    for each in channels:
        store.insert_channel(connection, each)
        assert store.find_channel(connection, each.channel_id) == each
    assert store.find_channels(connection, ["ab", "cd", "ab", "none"]) == {
        "ab": channels[0],
        "cd": channels[2],
    }
    assert store.find_channels_of_pairs(connection, [PAIR, Pair("x", "y")]) == {PAIR: CHANNEL}
    found = store.find_channel(connection, "ab")
    assert found is not None
    assert isinstance(found.open, bool)
    store.insert_messages(connection, [MESSAGE])
    assert store.find_messages(connection, [("ab", 1), ("ab", 2)]) == {("ab", 1): MESSAGE}
    assert store.known_messages(connection, [("ab", "ann", "c"), ("ab", "bob", "c")]) == {
        ("ab", "ann", "c"): MESSAGE
    }


def test_keys_are_compared_as_they_are(connection: Connection) -> None:
    """Keys travel as JSON: what looks like a number or holds quotes must stay what it is."""
    odd = ["1", "1.0", "null", '"', "\\", "a'b", "é", "🙂", "[0]", "true", " 1"]
    for name in odd:
        channel_id, pair = f"c{name}", Pair.of("0", name)
        store.insert_channel(connection, CHANNEL._replace(channel_id=channel_id, pair=pair))
        assert set(store.find_channels(connection, [channel_id])) == {channel_id}
        assert set(store.find_channels_of_pairs(connection, [pair])) == {pair}
    assert store.find_channels(connection, ["c1.00", "C1"]) == {}


def test_no_statement_scans_a_table(connection: Connection) -> None:
    """Each look-up begins in an index where its answer does."""
    with recorded(connection) as statements:
        store.insert_channel(connection, CHANNEL)
        store.update_channels(connection, [CHANNEL])
        store.find_channel(connection, "ab")
        store.find_channels(connection, ["ab", "cd"])
        store.find_channels_of_pairs(connection, [PAIR])
        store.list_channels(connection, "ann", None, 10)
        store.list_channels(connection, "ann", (5, "ab"), 10)
        store.find_messages(connection, [("ab", 1)])
        store.known_messages(connection, [("ab", "ann", "c")])
        for forward in (True, False):
            store.list_messages(connection, "ab", 3, 10, forward=forward)
        store.update_message(connection, MESSAGE)
        store.count_unread(connection, "ab", "ann", 3)
        store.insert_attachment(connection, FILE)
        store.count_waiting(connection, "ann")
        store.become_unsent(connection, "f1")
        store.find_attachments(connection, ["f1", "f2"])
        store.attachments_of(connection, [("ab", 1)])
        store.doom_attachments_of(connection, "ab", 1)
        store.doom_given_up(connection, ["f1"])
        decide(connection, [Send("ab", "ann", "c", "text", None, 1, ("f1",))])
        inbox.append(connection, [Entry("ann", "read", "ab", 1)])
        inbox.head(connection, "ann")
        inbox.read(connection, "ann", 3, 10)

    assert {
        name for name in vars(store) if name.startswith(("find", "list", "count", "known"))
    } <= {
        "find_channel",
        "find_channels",
        "find_channels_of_pairs",
        "find_messages",
        "list_channels",
        "list_messages",
        "count_unread",
        "count_waiting",
        "find_attachments",
        "find_doomed",
        "known_messages",
    }, "a new query needs a line above"
    steps = {step for each in plans(connection, statements) for step in each}
    # What is scanned are the keys that were given, and the rows that a page of channels is made from.
    assert {plan for plan in steps if plan.startswith("SCAN")} == {
        "SCAN anon_1 VIRTUAL TABLE INDEX 1:",
        "SCAN anon_2",
        "SCAN anon_3",
    }
    tables = {plan.split()[1] for plan in steps if plan.startswith("SEARCH")}
    assert tables == {"attachments", "channels", "messages", "inbox_heads", "inbox_entries"}
    sorts = {plan for plan in steps if "TEMP B-TREE" in plan}
    # A person's channels are sorted when they are listed: as many as one person has friends.
    assert sorts <= {
        "USE TEMP B-TREE FOR ORDER BY",
        "USE TEMP B-TREE FOR RIGHT PART OF ORDER BY",
    }


def test_sweeping_looks_at_what_waits_and_not_at_what_was_sent(connection: Connection) -> None:
    with recorded(connection) as statements:
        store.doom_waiting(connection, stored_before=1, begun_before=1)
        store.find_doomed(connection, {"f9"}, 10)
        store.delete_doomed(connection, ["f1"])

    steps = {step for each in plans(connection, statements) for step in each}
    assert steps == {
        "SCAN attachments USING INDEX ix_attachments_waiting",
        "SEARCH attachments USING INDEX sqlite_autoindex_attachments_1 (attachment_id=?)",
    }


def test_migrating_again_changes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/messaging.db"
    migrate(url, MIGRATIONS)
    with closing(sqlite3.connect(tmp_path / "messaging.db")) as connection, connection:
        connection.execute("INSERT INTO secrets VALUES ('kept', x'00')")
    migrate(url, MIGRATIONS)
    check_schema(url, MIGRATIONS)
    with closing(sqlite3.connect(tmp_path / "messaging.db")) as connection:
        assert connection.execute("SELECT name FROM secrets").fetchall() == [("kept",)]


def test_empty_database_is_refused_with_a_sentence(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/messaging.db"
    with pytest.raises(SchemaMismatch, match=r"has schema none, this version needs .* migrate it"):
        check_schema(url, MIGRATIONS)


def test_database_of_a_later_version_is_refused_with_a_sentence(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/messaging.db"
    migrate(url, MIGRATIONS)
    with closing(sqlite3.connect(tmp_path / "messaging.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaMismatch, match="has schema 9999") as refused:
        check_schema(url, MIGRATIONS)
    # Migrating is no way out of a schema that this version has never heard of.
    assert "migrate it" not in str(refused.value)
    assert "newer version" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_database_that_cannot_be_opened_is_refused_with_a_sentence(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/missing/messaging.db"
    with pytest.raises(SchemaMismatch, match="can't be used") as refused:
        check_schema(url, MIGRATIONS)
    assert "\n" not in str(refused.value)
