"""The reading side of a database: connections are kept, but none that is in question."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from chassis.database import Database
from chassis.refusals import Refusal


class Refused(Refusal):
    """A refusal of these tests."""


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database[Any]]:
    def decide(connection: Connection, pieces: Any) -> list[Any]:
        for piece in pieces:
            connection.execute(text(piece))
        return [None] * len(pieces)

    opened = Database[Any](f"sqlite:///{tmp_path / 'numbers.db'}", decide, readers=1)
    await opened.write("CREATE TABLE numbers (number INTEGER PRIMARY KEY)")
    yield opened
    await opened.close()


def driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def count(connection: Connection) -> int:
    number: int = connection.execute(text("SELECT count(*) FROM numbers")).scalar_one()
    return number


async def test_reads_share_a_connection_and_each_sees_what_is_committed(
    database: Database[Any],
) -> None:
    first = await database.read(driver)
    assert await database.read(count) == 0
    await database.write("INSERT INTO numbers VALUES (1)")
    assert await database.read(count) == 1
    assert await database.read(driver) is first


async def test_refusal_of_a_query_keeps_the_connection(database: Database[Any]) -> None:
    def refuse(_: Connection) -> None:
        raise Refused

    first = await database.read(driver)
    with pytest.raises(Refused):
        await database.read(refuse)
    assert await database.read(driver) is first


async def test_connection_that_was_lost_fails_one_read_and_no_more(
    database: Database[Any],
) -> None:
    first = await database.read(driver)
    first.close()
    with pytest.raises(Exception, match="closed"):
        await database.read(count)
    assert await database.read(count) == 0
