"""Statements over many rows do on every database what one statement for each row would do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    insert,
    select,
)
from sqlalchemy.exc import IntegrityError

from chassis.database import CountUp, InsertRows, RowsByKey, UpdateRows
from chassis.database.engine import insert_unless_there, open_engine
from chassis.database.types import ordered_text

metadata = MetaData()
things = Table(
    "things",
    metadata,
    Column("owner", ordered_text(10), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("note", Text),
    Column("content", LargeBinary),
    Column("done", Boolean, nullable=False),
    Column("size", Integer, nullable=False),
)
counters = Table(
    "counters",
    metadata,
    Column("name", ordered_text(10), primary_key=True),
    Column("count", BigInteger, nullable=False),
)
BY_KEY = RowsByKey(things, things.c.owner, things.c.number, lock_by=things.c.number)
BY_OWNER = RowsByKey(things, things.c.owner)
INSERT = InsertRows(things)
FINISH = UpdateRows(things, things.c.number, [things.c.note, things.c.done])
COUNT = CountUp(counters, counters.c.name, counters.c.count)
ODD = "naïve 🛩 ' \" \\ % :x ?"
ROWS: list[tuple[Any, ...]] = [
    ("ann", 1, ODD, b"\x00\xff", True, 7),
    ("ann", 2, None, None, False, 0),
    ("Zoë", 2**62, "", b"", False, -1),
]


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    engine = open_engine(url, read_only=False, pool_size=1)
    with engine.begin() as connection:
        metadata.create_all(connection)
        INSERT.execute(connection, ROWS)
        yield connection
    engine.dispose()


def stored(connection: Connection) -> list[tuple[Any, ...]]:
    rows = connection.execute(select(things).order_by(things.c.owner, things.c.number))
    return [tuple(row) for row in rows]


def test_rows_are_kept_as_they_are(connection: Connection) -> None:
    assert stored(connection) == [ROWS[2], ROWS[0], ROWS[1]]
    INSERT.execute(connection, [])
    assert len(stored(connection)) == 3


def test_rows_are_found_by_their_whole_keys(connection: Connection) -> None:
    found = BY_KEY.find(connection, [("ann", 2), ("Zoë", 2**62), ("ann", 3), ("bob", 1)])
    assert [tuple(row) for row in found] == [ROWS[1], ROWS[2]]
    assert found[0].owner == "ann"
    assert BY_KEY.find(connection, []) == []


def test_rows_are_found_by_the_beginning_of_their_keys(connection: Connection) -> None:
    assert {row.number for row in BY_OWNER.find(connection, [("ann",), ("bob",)])} == {1, 2}
    assert BY_OWNER.find(connection, [("ann' OR '1'='1",)]) == []


def test_reading_locks_nothing(url: str) -> None:
    writing = open_engine(url, read_only=False, pool_size=1)
    reading = open_engine(url, read_only=True, pool_size=1)
    with writing.begin() as connection:
        metadata.create_all(connection)
        INSERT.execute(connection, ROWS)
    with writing.begin() as writer, reading.begin() as reader:
        assert len(BY_KEY.find(writer, [("ann", 1)])) == 1
        assert len(BY_KEY.find(reader, [("ann", 1)])) == 1
        with pytest.raises(Exception, match=r"read-?only"):
            reader.execute(insert(counters).values(name="a", count=1))
    writing.dispose()
    reading.dispose()


def test_each_row_gets_its_own_values(connection: Connection) -> None:
    FINISH.execute(connection, [(1, None, False), (2, ODD, True), (99, "nobody's", True)])
    assert [(row[2], row[4]) for row in stored(connection)] == [
        ("", False),
        (None, False),
        (ODD, True),
    ]


def test_counters_are_made_and_added_to(connection: Connection) -> None:
    assert COUNT.execute(connection, {"b": 2, "a": 1}) == {"a": 1, "b": 2}
    assert COUNT.execute(connection, {"c": 5, "a": 10}) == {"a": 11, "c": 5}
    rows = connection.execute(select(counters).order_by(counters.c.name))
    assert [tuple(row) for row in rows] == [("a", 11), ("b", 2), ("c", 5)]


def test_what_is_there_is_passed_over(connection: Connection) -> None:
    rows = [{"name": "a", "count": 1}, {"name": "b", "count": 2}]
    connection.execute(insert_unless_there(connection, counters), rows[:1])
    connection.execute(
        insert_unless_there(connection, counters), [{**rows[0], "count": 9}, rows[1]]
    )
    found = connection.execute(select(counters).order_by(counters.c.name))
    assert [tuple(row) for row in found] == [("a", 1), ("b", 2)]


def test_a_row_that_is_there_is_a_fault(connection: Connection) -> None:
    with pytest.raises(Exception, match=r"(?i)unique"), connection.begin_nested():
        INSERT.execute(connection, [ROWS[0]])
    with pytest.raises(IntegrityError), connection.begin_nested():
        connection.execute(insert(counters), [{"name": "x", "count": None}])
    assert len(stored(connection)) == 3


def test_texts_are_ordered_by_their_code_points(connection: Connection) -> None:
    names = ["a", "B", "é", "z", "_", "-", "Z", "ab", "a-b", "🛩"]
    COUNT.execute(connection, dict.fromkeys(names, 1))
    found = connection.scalars(select(counters.c.name).order_by(counters.c.name))
    assert list(found) == sorted(names)
    above = connection.scalars(select(counters.c.name).where(counters.c.name > "a"))
    assert set(above) == {name for name in names if name > "a"}
