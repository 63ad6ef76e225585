"""What a piece of code asks of SQLite: the statements themselves, whichever way they go there."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection


@contextmanager
def recorded(connection: Connection) -> Generator[list[str]]:
    """Record statements, their values filled in; one that runs for many rows in a row counts once."""
    statements: list[str] = []
    heads: list[str] = []

    def take_note(statement: str) -> None:
        head = re.split(r"\bVALUES\b|\bSET\b", statement)[0]
        repeated = head != statement and heads[-1:] == [head]
        heads.append(head)
        if not repeated:
            statements.append(statement)

    driver: Any = connection.connection.dbapi_connection
    driver.set_trace_callback(take_note)
    try:
        yield statements
    finally:
        driver.set_trace_callback(None)


def plans(connection: Connection, statements: list[str]) -> list[list[str]]:
    """Return the steps of each statement's query plan."""
    return [
        [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}")]
        for statement in statements
    ]
