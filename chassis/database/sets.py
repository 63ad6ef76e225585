"""Statements over many rows at once: one statement for any number of them, one compilation for ever.

They are built with SQLAlchemy and carried out by the driver itself: on the way through a SQLAlchemy
connection each would cost more than a dozen of them do in SQLite. What is given to them is one JSON
document on SQLite, and on PostgreSQL an array for each column.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ARRAY,
    String,
    Table,
    Text,
    and_,
    bindparam,
    collate,
    func,
    insert,
    literal_column,
    select,
    true,
    update,
)

from chassis.database.engine import may_write

if TYPE_CHECKING:
    from sqlalchemy import Column, Connection, Insert, Select, TableValuedAlias, Update


_to_json = json.JSONEncoder(separators=(",", ":")).encode


def _driver_of(connection: Connection) -> Any:
    """Return the driver's own connection beneath one of SQLAlchemy's."""
    return connection.connection.driver_connection


def _is_postgresql(connection: Connection) -> bool:
    return bool(connection.dialect.name == "postgresql")


def _unnested(columns: Sequence[Column[Any]]) -> TableValuedAlias:
    """Return what arrays for some columns, each named as its column, are as rows."""
    arrays = [
        bindparam(
            column.name, type_=ARRAY(Text if isinstance(column.type, String) else column.type)
        )
        for column in columns
    ]
    names = [column.name for column in columns]
    return func.unnest(*arrays).table_valued(*names).render_derived()


def _arrays(columns: Sequence[Column[Any]], rows: Iterable[Sequence[Any]]) -> dict[str, list[Any]]:
    return {
        column.name: list(values)
        for column, values in zip(columns, zip(*rows, strict=True), strict=True)
    }


class RowsByKey:
    """A query for the rows whose columns equal one of any number of keys, compiled once.

    Each key costs one look-up in an index that begins with these columns; an IN over several columns
    would scan the table on SQLite. Values come from the driver as they are.

    Arguments:
        table: where to look.
        columns: the columns of a key.
        lock_by: in a transaction that writes, locks the rows until it ends, in the order of this
            column: two transactions that lock in one order never wait for each other in a circle.
    """

    def __init__(
        self, table: Table, *columns: Column[Any], lock_by: Column[Any] | None = None
    ) -> None:
        self._table = table
        self._columns = columns
        self._lock_by = lock_by
        self._texts: dict[tuple[bool, bool], str] = {}
        row: Any = namedtuple(table.name, table.c.keys())  # type: ignore[misc] # from a schema
        self._row = row

    def find(self, connection: Connection, keys: Iterable[Sequence[str | int]]) -> list[Any]:
        """Return the rows for distinct keys, each with a value for each column, by name and place."""
        postgresql, locks = _is_postgresql(connection), may_write(connection)
        text = self._texts.get((postgresql, locks))
        if text is None:
            text = str(self._query(postgresql, locks).compile(dialect=connection.dialect))
            self._texts[postgresql, locks] = text
        given: Any
        if postgresql:
            rows = list(keys)
            if not rows:
                return []
            given = _arrays(self._columns, rows)
        else:
            # A key of one column is a bare value: nothing to take apart for each.
            bare = len(self._columns) == 1
            given = (_to_json([key[0] if bare else key for key in keys]),)
        found = _driver_of(connection).execute(text, given)
        return [self._row._make(values) for values in found.fetchall()]

    def _query(self, postgresql: bool, locks: bool) -> Select[Any]:
        given: TableValuedAlias
        if postgresql:
            given = _unnested(self._columns)
            values: list[Any] = [given.c[column.name] for column in self._columns]
        else:
            given = func.json_each(bindparam("keys", type_=Text)).table_valued("value")
            value = given.c.value
            values = [
                func.json_extract(value, literal_column(f"'$[{place}]'"))
                for place in range(len(self._columns))
            ]
            if len(values) == 1:
                values = [value]
        matches = and_(*(c == value for c, value in zip(self._columns, values, strict=True)))
        query = select(self._table).select_from(given.join(self._table, matches))
        if self._lock_by is None or not locks:
            return query
        return query.order_by(self._lock_by).with_for_update(of=self._table)


class CountUp:
    """Adds to counters, one for each key, and makes those that are missing: one statement for all.

    Arguments:
        table: where the counters are.
        key: the column that tells them apart; the primary key.
        counter: the column that counts.
    """

    def __init__(self, table: Table, key: Column[Any], counter: Column[Any]) -> None:
        self._table = table
        self._key = key
        self._counter = counter
        self._texts: dict[bool, str] = {}

    def execute(self, connection: Connection, counts: Mapping[str, int]) -> dict[str, int]:
        """Add to each counter, in the order of their keys; return what they are then.

        Their rows stay locked until the transaction ends. Since everybody locks them in the same
        order, two writers never wait for each other in a circle.
        """
        postgresql = _is_postgresql(connection)
        if postgresql not in self._texts:
            statement = self._for_postgresql() if postgresql else self._for_sqlite()
            self._texts[postgresql] = str(statement.compile(dialect=connection.dialect))
        in_order = sorted(counts.items())
        given: Any
        if postgresql:
            given = _arrays((self._key, self._counter), in_order)
        else:
            given = (_to_json(dict(in_order)),)
        found = _driver_of(connection).execute(self._texts[postgresql], given)
        return dict(found.fetchall())

    def _for_sqlite(self) -> Any:
        from sqlalchemy.dialects import sqlite

        given = func.json_each(bindparam("counts", type_=Text)).table_valued("key", "value")
        # SQLite takes the ON of an upsert for that of a join, unless a WHERE stands in between.
        source = select(given.c.key, given.c.value).where(true())
        return self._upsert(sqlite.insert(self._table), source)

    def _for_postgresql(self) -> Any:
        from sqlalchemy.dialects import postgresql

        given = _unnested((self._key, self._counter))
        key, counter = given.c[self._key.name], given.c[self._counter.name]
        source = select(key, counter).order_by(collate(key, "C"))
        return self._upsert(postgresql.insert(self._table), source)

    def _upsert(self, into: Any, source: Any) -> Any:
        upsert = into.from_select([self._key, self._counter], source)
        more = upsert.excluded[self._counter.name]
        return upsert.on_conflict_do_update(
            index_elements=[self._key], set_={self._counter: self._counter + more}
        ).returning(self._key, self._counter)


class _ManyRows(ABC):
    """A statement that runs for many rows, compiled once and without a cost per row.

    The rows' values reach the driver as they are: no column may have a type that SQLAlchemy would
    convert.
    """

    def __init__(self, columns: Sequence[Column[Any]]) -> None:
        self._columns = columns
        self._for_each: tuple[str, Callable[[Sequence[Any]], Any]] | None = None
        self._for_all: str | None = None

    def execute(self, connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
        """Carry the statement out for each row; nothing for none."""
        if not rows:
            return
        if _is_postgresql(connection):
            if self._for_all is None:
                statement = self._of_rows(_unnested(self._columns))
                self._for_all = str(statement.compile(dialect=connection.dialect))
            _driver_of(connection).execute(self._for_all, _arrays(self._columns, rows))
            return
        if self._for_each is None:
            names = [column.name for column in self._columns]
            compiled = self._of_one().compile(dialect=connection.dialect)
            places = [names.index(name) for name in compiled.positiontup or ()]
            self._for_each = str(compiled), itemgetter(*places)
        text, in_order = self._for_each
        _driver_of(connection).executemany(text, [in_order(row) for row in rows])

    @abstractmethod
    def _of_one(self) -> Insert | Update:
        """Return the statement for one row, of a parameter for each column, named like it."""

    @abstractmethod
    def _of_rows(self, given: TableValuedAlias) -> Insert | Update:
        """Return the statement for all rows, which have a value for each column."""


class InsertRows(_ManyRows):
    """An INSERT of many rows, each with a value for every column of the table, in their order.

    Arguments:
        table: where to put them.
    """

    def __init__(self, table: Table) -> None:
        super().__init__(list(table.c))
        self._table = table

    def _of_one(self) -> Insert:
        return insert(self._table).values({c: bindparam(c.name) for c in self._columns})

    def _of_rows(self, given: TableValuedAlias) -> Insert:
        names = [column.name for column in self._columns]
        return insert(self._table).from_select(names, select(*(given.c[name] for name in names)))


class UpdateRows(_ManyRows):
    """An UPDATE of many rows, each given as its key and the new values, in the order of the columns.

    Arguments:
        table: where the rows are.
        key: the column that tells them apart.
        values: the columns that change.
    """

    def __init__(self, table: Table, key: Column[Any], values: Sequence[Column[Any]]) -> None:
        super().__init__([key, *values])
        self._table = table

    def _of_one(self) -> Update:
        key, *values = self._columns
        return (
            update(self._table)
            .where(key == bindparam(key.name))
            .values({column: bindparam(column.name) for column in values})
        )

    def _of_rows(self, given: TableValuedAlias) -> Update:
        key, *values = self._columns
        return (
            update(self._table)
            .where(key == given.c[key.name])
            .values({column: given.c[column.name] for column in values})
        )
