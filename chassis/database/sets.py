"""Statements over many rows at once: one parameter for any number of keys, one compilation for ever.

They are built with SQLAlchemy and carried out by the driver itself: on the way through a SQLAlchemy
connection each would cost more than a dozen of them do in SQLite.
"""

from __future__ import annotations

import json
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Insert,
    Table,
    Text,
    Update,
    and_,
    bindparam,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects import sqlite

if TYPE_CHECKING:
    from sqlalchemy import Column, Connection


_to_json = json.JSONEncoder(separators=(",", ":")).encode


def _driver_of(connection: Connection) -> Any:
    """Return the driver's own connection beneath one of SQLAlchemy's."""
    return connection.connection.driver_connection


class RowsByKey:
    """A query for the rows whose columns equal one of any number of keys, compiled once.

    The keys are one parameter, so that the query's text is always the same; an IN over several
    columns would scan the table on SQLite. Each key costs one look-up in an index that begins with
    these columns. Values come from the driver as they are.

    Arguments:
        table: where to look.
        columns: the columns of a key.
        lock_by: locks the rows until the transaction ends, in the order of this column: two
            transactions that lock in one order never wait for each other in a circle.
    """

    def __init__(
        self, table: Table, *columns: Column[Any], lock_by: Column[Any] | None = None
    ) -> None:
        given = func.json_each(bindparam("keys", type_=Text)).table_valued("value")
        # A key of one column is a bare value: nothing to take apart for each.
        self._bare = len(columns) == 1
        matches = (
            column
            == (
                given.c.value
                if self._bare
                else func.json_extract(given.c.value, literal_column(f"'$[{place}]'"))
            )
            for place, column in enumerate(columns)
        )
        query = select(table).select_from(given.join(table, and_(*matches)))
        if lock_by is not None:
            query = query.order_by(lock_by).with_for_update(of=table)
        self.query = query
        self._text: str | None = None
        row: Any = namedtuple(table.name, table.c.keys())  # type: ignore[misc] # from a schema
        self._row = row

    def find(self, connection: Connection, keys: Iterable[Sequence[str | int]]) -> list[Any]:
        """Return the rows for distinct keys, each with a value for each column, by name and place."""
        if self._text is None:
            self._text = str(self.query.compile(dialect=connection.dialect))
        given = _to_json([key[0] if self._bare else key for key in keys])
        found = _driver_of(connection).execute(self._text, (given,))
        return [self._row._make(values) for values in found.fetchall()]


class CountUp:
    """Adds to counters, one for each key, and makes those that are missing: one statement for all.

    Arguments:
        table: where the counters are.
        key: the column that tells them apart; the primary key.
        counter: the column that counts.
    """

    def __init__(self, table: Table, key: Column[Any], counter: Column[Any]) -> None:
        given = func.json_each(bindparam("counts", type_=Text)).table_valued("key", "value")
        # SQLite takes the ON of an upsert for that of a join, unless a WHERE stands in between.
        upsert = sqlite.insert(table).from_select(
            [key, counter], select(given.c.key, given.c.value).where(true())
        )
        self._statement = upsert.on_conflict_do_update(
            index_elements=[key], set_={counter: counter + upsert.excluded[counter.name]}
        ).returning(key, counter)
        self._text: str | None = None

    def execute(self, connection: Connection, counts: Mapping[str, int]) -> dict[str, int]:
        """Add to each counter, in the order of their keys; return what they are then.

        Their rows stay locked until the transaction ends. Since everybody locks them in the same
        order, two writers never wait for each other in a circle.
        """
        if self._text is None:
            self._text = str(self._statement.compile(dialect=connection.dialect))
        given = _to_json(dict(sorted(counts.items())))
        return dict(_driver_of(connection).execute(self._text, (given,)).fetchall())


class ManyRows:
    """An INSERT or UPDATE that runs for many rows, compiled once and without a cost per row.

    The rows' values reach the driver as they are: no column may have a type that SQLAlchemy would
    convert.

    Arguments:
        statement: with a bound parameter of its own for every value.
        parameters: the names of the values of a row, in their order.
    """

    def __init__(self, statement: Insert | Update, parameters: Sequence[str]) -> None:
        self._statement = statement
        self._parameters = list(parameters)
        self._compiled: tuple[str, Callable[[Sequence[Any]], Any]] | None = None

    def execute(self, connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
        """Carry the statement out for each row; nothing for none."""
        if not rows:
            return
        if self._compiled is None:
            keys = self._parameters if isinstance(self._statement, Insert) else None
            compiled = self._statement.compile(dialect=connection.dialect, column_keys=keys)
            places = [self._parameters.index(name) for name in compiled.positiontup or ()]
            self._compiled = str(compiled), itemgetter(*places)
        text, in_order = self._compiled
        _driver_of(connection).executemany(text, [in_order(row) for row in rows])
