"""Reads and writes what pairs of people are to each other, and the outbox in their epochs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, select, union_all, update

from chassis.database import RowsByKey
from chassis.database.engine import insert_unless_there
from services.friendship.domain import Bond, Grant, Pair, PairRecord, PairState, Side
from services.friendship.schema import pairs, people

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Row

_BY_KEYS = RowsByKey(pairs, pairs.c.low_id, pairs.c.high_id)


def to_state(row: Row[Any]) -> PairState:
    """Read a pair's state from its row."""
    bond = Bond.NONE
    if row.requester is not None:
        bond = Bond.FRIENDS if row.friends else Bond.ASKED
    return PairState(
        bond=bond,
        requester=None if row.requester is None else Side(row.requester),
        ignores=_sides(row.low_ignores, row.high_ignores),
        blocks=_sides(row.low_blocks, row.high_blocks),
    )


def _sides(low: bool, high: bool) -> frozenset[Side]:
    return frozenset(side for side, flag in ((Side.LOW, low), (Side.HIGH, high)) if flag)


def to_record(row: Row[Any]) -> PairRecord:
    """Read a pair from its row."""
    return PairRecord(
        pair=Pair(row.low_id, row.high_id),
        state=to_state(row),
        request_id=row.request_id,
        epoch=row.epoch,
        delivered_epoch=row.delivered_epoch,
    )


def _columns(record: PairRecord) -> dict[str, Any]:
    state = record.state
    return {
        "friends": record.open,
        "requester": None if state.requester is None else state.requester.value,
        "request_id": record.request_id,
        "low_ignores": Side.LOW in state.ignores,
        "high_ignores": Side.HIGH in state.ignores,
        "low_blocks": Side.LOW in state.blocks,
        "high_blocks": Side.HIGH in state.blocks,
        "epoch": record.epoch,
        "delivered_epoch": record.delivered_epoch,
    }


def _is(pair: Pair) -> ColumnElement[bool]:
    return and_(pairs.c.low_id == pair.low, pairs.c.high_id == pair.high)


def make_pair(connection: Connection, pair: Pair) -> None:
    """Make sure that a pair has a row to lock, even if another writer makes one now."""
    values = {"low_id": pair.low, "high_id": pair.high, **_columns(PairRecord(pair))}
    connection.execute(insert_unless_there(connection, pairs).values(values))


def lock_pair(connection: Connection, pair: Pair) -> PairRecord:
    """Return what is kept of a pair and hold its row until the transaction ends."""
    row = connection.execute(select(pairs).where(_is(pair)).with_for_update()).first()
    return PairRecord(pair) if row is None else to_record(row)


def save_pair(connection: Connection, record: PairRecord) -> None:
    """Write a pair that is locked. The delivered epoch is not touched."""
    values = _columns(record)
    del values["delivered_epoch"]
    connection.execute(update(pairs).where(_is(record.pair)).values(**values))


def read_pairs(connection: Connection, wanted: Sequence[Pair]) -> dict[Pair, PairRecord]:
    """Return those of the pairs that have a row, in one query."""
    rows = _BY_KEYS.find(connection, {(pair.low, pair.high) for pair in wanted})
    return {record.pair: record for record in map(to_record, rows)}


def read_grants(
    connection: Connection, wanted: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], Grant]:
    """Return grants for those of the pairs that have a row, in one query.

    Every send waits for this, many at a time: it makes nothing that it does not need.

    Arguments:
        connection: to read on.
        wanted: distinct pairs of ids, the lower one first.
    """
    return {
        (row.low_id, row.high_id): Grant(bool(row.friends), row.epoch)
        for row in _BY_KEYS.find(connection, wanted)
    }


def read_outbox(connection: Connection, limit: int) -> list[PairRecord]:
    """Return pairs whose present state the messaging service has not been told."""
    rows = connection.execute(
        select(pairs)
        .where(pairs.c.delivered_epoch != pairs.c.epoch)
        .order_by(pairs.c.low_id, pairs.c.high_id)
        .limit(limit)
    )
    return [to_record(row) for row in rows]


def mark_delivered(connection: Connection, delivered: Sequence[PairRecord]) -> None:
    """Note what the messaging service knows. A delivered epoch only ever rises."""
    connection.execute(
        update(pairs)
        .where(
            pairs.c.low_id == bindparam("low"),
            pairs.c.high_id == bindparam("high"),
            pairs.c.delivered_epoch < bindparam("known"),
        )
        .values(delivered_epoch=bindparam("known")),
        [
            {"low": record.pair.low, "high": record.pair.high, "known": record.epoch}
            for record in delivered
        ],
    )


def list_friends(
    connection: Connection, person_id: str, after_handle: str, limit: int
) -> list[tuple[str, str]]:
    """Return handles and ids of a person's friends, by handle, from after a handle on."""
    return _list_others(
        connection, person_id, (pairs.c.friends, pairs.c.friends), after_handle, limit
    )


def list_blocked(
    connection: Connection, person_id: str, after_handle: str, limit: int
) -> list[tuple[str, str]]:
    """Return handles and ids of those whom a person blocks, by handle, from after a handle on."""
    flags = (pairs.c.low_blocks, pairs.c.high_blocks)
    return _list_others(connection, person_id, flags, after_handle, limit)


def _list_others(
    connection: Connection,
    person_id: str,
    flags: tuple[ColumnElement[bool], ColumnElement[bool]],
    after_handle: str,
    limit: int,
) -> list[tuple[str, str]]:
    """List the others of a person's pairs.

    Arguments:
        connection: to read on.
        person_id: whose pairs.
        flags: which pairs, where the person is the low one and where they are the high one.
        after_handle: where the page before ended.
        limit: how many to return at most.
    """
    others = union_all(
        select(pairs.c.high_id.label("person_id")).where(pairs.c.low_id == person_id, flags[0]),
        select(pairs.c.low_id.label("person_id")).where(pairs.c.high_id == person_id, flags[1]),
    ).subquery()
    rows = connection.execute(
        select(people.c.handle, people.c.person_id)
        .join(others, others.c.person_id == people.c.person_id)
        .where(people.c.handle > after_handle)
        .order_by(people.c.handle)
        .limit(limit)
    )
    return [(row.handle, row.person_id) for row in rows]
