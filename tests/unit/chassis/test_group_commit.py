"""Group commit: many pieces in one transaction, each with the outcome that is its own."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import IntegrityError, OperationalError

from chassis.database import GroupCommit, apply_each
from chassis.database.engine import open_engine
from chassis.refusals import Expired, OutcomeUnknown, Refusal, StorageUnavailable


class Refused(Refusal):
    """A refusal of these tests."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "numbers.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE numbers (number INTEGER PRIMARY KEY)")
        connection.execute("CREATE TABLE followers (number INTEGER REFERENCES numbers)")
    return path


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{path}", read_only=False, pool_size=1)
    yield engine
    engine.dispose()


def numbers(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as connection:
        return [n for (n,) in connection.execute("SELECT number FROM numbers ORDER BY rowid")]


Piece = int | Callable[[Connection], Any]


class Writer:
    """Decides pieces: a number is inserted; a function is called.

    Attributes:
        batches: the pieces of every attempt.
        announced: the results that were announced.
    """

    def __init__(self, engine: Engine, max_batch: int = 512) -> None:
        self.batches: list[list[Piece]] = []
        self.announced: list[Any] = []
        self.open = threading.Event()
        self.busy = threading.Event()
        self.open.set()
        self.group = GroupCommit[Piece](engine, self._decide, self.announced.append, max_batch)

    def _decide(self, connection: Connection, pieces: Sequence[Piece]) -> list[Any]:
        self.batches.append(list(pieces))
        self.busy.set()
        self.open.wait(10)
        return [self._carry_out(connection, piece) for piece in pieces]

    def _carry_out(self, connection: Connection, piece: Piece) -> Any:
        if isinstance(piece, int):
            connection.exec_driver_sql("INSERT INTO numbers VALUES (?)", (piece,))
            return piece
        return piece(connection)

    async def hold(self, piece: Piece = 0) -> asyncio.Future[Any]:
        """Keep the writer busy with one piece, so that what comes next queues up."""
        self.open.clear()
        self.busy.clear()
        first = self.group.submit(piece)
        await asyncio.to_thread(self.busy.wait, 10)
        return first


@pytest.fixture
async def writer(engine: Engine) -> Any:
    writer = Writer(engine)
    yield writer
    writer.open.set()
    await writer.group.close()


async def test_what_queues_up_during_a_commit_shares_the_next(writer: Writer, path: Path) -> None:
    first = await writer.hold()
    rest = [writer.group.submit(number) for number in range(1, 101)]
    assert not first.done()
    writer.open.set()

    assert await asyncio.gather(first, *rest) == list(range(101))
    assert writer.batches == [[0], list(range(1, 101))]
    assert numbers(path) == list(range(101))
    assert writer.announced == list(range(101))


async def test_batch_has_a_limit(engine: Engine) -> None:
    writer = Writer(engine, max_batch=10)
    first = await writer.hold()
    rest: list[asyncio.Future[Any]] = []
    for number in range(1, 26):
        rest.append(writer.group.submit(number))
        # What is submitted in one turn of the loop stays together.
        await asyncio.sleep(0)
    writer.open.set()
    await asyncio.gather(first, *rest)
    await writer.group.close()
    assert [len(batch) for batch in writer.batches] == [1, 10, 10, 5]


async def test_result_is_durable_before_it_is_told(writer: Writer, path: Path) -> None:
    seen: list[list[int]] = []
    future = writer.group.submit(5)
    future.add_done_callback(lambda _: seen.append(numbers(path)))
    await future
    assert seen == [[5]]


async def test_failing_piece_does_not_hurt_the_others(writer: Writer, path: Path) -> None:
    _ = await writer.hold()

    def explode(connection: Connection) -> None:
        connection.exec_driver_sql("INSERT INTO numbers VALUES (99)")
        raise ZeroDivisionError

    pieces = [writer.group.submit(piece) for piece in (1, explode, 0, 2)]
    writer.open.set()
    one, exploded, double, two = await asyncio.gather(*pieces, return_exceptions=True)

    assert (one, two) == (1, 2)
    assert isinstance(exploded, ZeroDivisionError)
    assert isinstance(double, IntegrityError)
    assert numbers(path) == [0, 1, 2]
    assert writer.announced == [0, 1, 2]


async def test_refusal_is_an_outcome_and_splits_no_batch(writer: Writer, path: Path) -> None:
    _ = await writer.hold()

    def refuse(_: Connection) -> Refused:
        return Refused()

    pieces = [writer.group.submit(piece) for piece in (1, refuse, 2)]
    writer.open.set()
    outcomes = await asyncio.gather(*pieces, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [int, Refused, int]
    assert len(writer.batches) == 2
    assert writer.announced == [0, 1, 2]
    assert numbers(path) == [0, 1, 2]


async def test_cancelled_and_expired_pieces_are_dropped(writer: Writer, path: Path) -> None:
    _ = await writer.hold()
    cancelled = writer.group.submit(1)
    expired = writer.group.submit(2, deadline=time.monotonic() - 0.001)
    in_time = writer.group.submit(3, deadline=time.monotonic() + 60)
    cancelled.cancel()
    writer.open.set()

    assert await in_time == 3
    with pytest.raises(Expired):
        await expired
    assert cancelled.cancelled()
    assert numbers(path) == [0, 3]
    assert writer.batches == [[0], [3]]


async def test_nothing_left_to_do_needs_no_transaction(writer: Writer) -> None:
    _ = await writer.hold()
    gone = writer.group.submit(1)
    gone.cancel()
    writer.open.set()
    assert await writer.group.submit(2) == 2
    assert [1] not in writer.batches


async def test_piece_cancelled_during_its_transaction_is_announced_all_the_same(
    writer: Writer, path: Path
) -> None:
    """It is durable: whoever listens must hear of it."""
    first = await writer.hold()
    first.cancel()
    writer.open.set()
    await writer.group.submit(1)
    assert writer.announced == [0, 1]
    assert numbers(path) == [0, 1]


def fail_at_commit(fault: Exception) -> Callable[[Connection], None]:
    def fail(_: Connection) -> None:
        raise fault

    return lambda connection: event.listen(connection, "commit", fail)


def leave_a_dangling_reference(connection: Connection) -> None:
    """SQLite itself then refuses the COMMIT, and stays in the transaction."""
    connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
    connection.exec_driver_sql("INSERT INTO followers VALUES (404)")


@pytest.mark.parametrize(
    "break_the_commit",
    [
        fail_at_commit(OperationalError("COMMIT", None, Exception("disk I/O error"))),
        fail_at_commit(RuntimeError("odd")),
        leave_a_dangling_reference,
    ],
    ids=["driver", "odd", "sqlite"],
)
async def test_commit_that_fails_leaves_every_outcome_unknown_and_is_not_repeated(
    writer: Writer, path: Path, break_the_commit: Callable[[Connection], None]
) -> None:
    _ = await writer.hold()
    pieces = [writer.group.submit(piece) for piece in (1, break_the_commit, 2)]
    writer.open.set()
    outcomes = await asyncio.gather(*pieces, return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [OutcomeUnknown] * 3
    assert len(writer.batches) == 2
    assert writer.announced == [0]
    # The next transaction finds nothing of it in its way.
    assert await writer.group.submit(1) == 1
    assert numbers(path) == [0, 1]


async def test_transaction_that_cannot_begin_is_tried_once_for_all_pieces(
    writer: Writer, engine: Engine, path: Path
) -> None:
    """Each try waits for a lock as long as SQLite may: not once for every piece of the batch."""
    locker = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    tries: list[object] = []

    def be_impatient(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA busy_timeout = 100")

    def lock(*_: object) -> None:
        if not tries:
            locker.execute("BEGIN IMMEDIATE")
        tries.append(object())

    def fail(_: Connection) -> None:
        raise LookupError

    event.listen(engine, "connect", be_impatient)
    # Whoever fails leaves no connection behind: the pieces after it begin with a new one.
    held = await writer.hold(fail)
    event.listen(engine, "checkout", lock)
    pieces = [writer.group.submit(number) for number in range(1, 51)]
    writer.open.set()
    outcomes = await asyncio.gather(*pieces, return_exceptions=True)
    assert isinstance(held.exception(), LookupError)
    locker.close()

    assert {type(outcome) for outcome in outcomes} == {StorageUnavailable}
    assert len(tries) == 1
    assert await writer.group.submit(1) == 1


async def test_closing_finishes_what_is_queued_and_takes_nothing_more(
    engine: Engine, path: Path
) -> None:
    writer = Writer(engine)
    first = await writer.hold()
    rest = [writer.group.submit(number) for number in (1, 2, 3)]
    closing_group = asyncio.create_task(writer.group.close())
    await asyncio.sleep(0)
    late = writer.group.submit(4)
    writer.open.set()
    await closing_group

    assert [future.result() for future in (first, *rest)] == [0, 1, 2, 3]
    with pytest.raises(StorageUnavailable):
        await late
    assert numbers(path) == [0, 1, 2, 3]


def test_functions_are_carried_out_whole_or_not_at_all(engine: Engine, path: Path) -> None:
    def insert(number: int) -> Callable[[Connection], int]:
        def piece(connection: Connection) -> int:
            connection.exec_driver_sql("INSERT INTO numbers VALUES (?)", (number,))
            if number < 0:
                raise Refused
            return number

        return piece

    with engine.begin() as connection:
        outcomes = apply_each(connection, [insert(1), insert(-1), insert(2)])
    assert [type(outcome) for outcome in outcomes] == [int, Refused, int]
    assert numbers(path) == [1, 2]


async def test_fault_in_an_announcement_keeps_back_no_answer_and_no_other(engine: Engine) -> None:
    announced: list[int] = []

    def decide(_: Connection, pieces: Sequence[int]) -> Sequence[int]:
        return pieces

    def announce(result: int) -> None:
        announced.append(result)
        raise LookupError

    group = GroupCommit[int](engine, decide, announce)
    answers: list[int] = [*await asyncio.gather(group.submit(1), group.submit(2))]
    assert answers == [1, 2]
    await group.close()
    assert announced == [1, 2]
