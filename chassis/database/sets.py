"""Statements over many rows at once: one parameter for any number of keys, one compilation for ever."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import Insert, Select, Table, Text, Update, and_, bindparam, func, select

if TYPE_CHECKING:
    from sqlalchemy import Column, Connection


def select_by_keys(table: Table, *columns: Column[Any]) -> Select[Any]:
    """Return a query for the rows whose columns equal one of the `keys`, given as `as_keys` makes them.

    Its text is the same for any number of keys, so that it is built, compiled and planned once; an
    IN over several columns would scan the table on SQLite. Each key costs one look-up in an index
    that begins with these columns.

    Arguments:
        table: where to look.
        columns: the columns of a key.
    """
    given = func.json_each(bindparam("keys", type_=Text)).table_valued("value")
    matches = (
        column == func.json_extract(given.c.value, f"$[{place}]")
        for place, column in enumerate(columns)
    )
    return select(table).select_from(given.join(table, and_(*matches)))


def as_keys(keys: Iterable[Sequence[str | int]]) -> dict[str, str]:
    """Return the parameter of `select_by_keys` for distinct keys, a value for each column."""
    return {"keys": json.dumps([list(key) for key in keys])}


class ManyRows:
    """An INSERT or UPDATE that runs for many rows, compiled once and without a cost per row.

    The rows' values reach the driver as they are: no column may have a type that SQLAlchemy would
    convert.

    Arguments:
        statement: with a bound parameter of its own for every value.
        parameters: the names that each row has.
    """

    def __init__(self, statement: Insert | Update, parameters: Sequence[str]) -> None:
        self._statement = statement
        self._parameters = list(parameters)
        self._compiled: tuple[str, list[str]] | None = None

    def execute(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Carry the statement out for each row; nothing for none."""
        if not rows:
            return
        if self._compiled is None:
            keys = self._parameters if isinstance(self._statement, Insert) else None
            compiled = self._statement.compile(dialect=connection.dialect, column_keys=keys)
            self._compiled = str(compiled), list(compiled.positiontup or ())
        text, order = self._compiled
        pick = itemgetter(*order)
        connection.exec_driver_sql(text, [pick(row) for row in rows])
