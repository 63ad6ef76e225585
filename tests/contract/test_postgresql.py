"""What only a database on another machine does: it goes away, and others write to it at the same time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
from sqlalchemy import Connection, make_url, text

from bench.system import free_port
from chassis.database import Database, apply_each
from chassis.database.engine import open_engine
from chassis.database.group_commit import apply_in_turn
from chassis.refusals import StorageUnavailable
from tests.support.databases import MortalServer, change

Piece = Callable[[Connection], Any]


@pytest.fixture
async def writers(postgresql: str) -> AsyncIterator[list[Database[Piece]]]:
    """Two replicas of one service on one database, which holds the numbers 1 and 2."""
    change(
        postgresql, "CREATE TABLE numbers (number INTEGER PRIMARY KEY, changes INTEGER NOT NULL)"
    )
    change(postgresql, "INSERT INTO numbers VALUES (1, 0), (2, 0)")
    async with AsyncExitStack() as opened:
        both: list[Database[Piece]] = [Database(postgresql, apply_each) for _ in range(2)]
        for database in both:
            opened.push_async_callback(database.close)
        yield both


def changing(*numbers: int, after_first: Callable[[], Any] = lambda: None) -> Piece:
    def change_each(connection: Connection) -> int:
        for place, number in enumerate(numbers):
            connection.execute(
                text("UPDATE numbers SET changes = changes + 1 WHERE number = :n"), {"n": number}
            )
            if place == 0:
                after_first()
        return len(numbers)

    return change_each


def changes(connection: Connection) -> list[int]:
    return list(connection.scalars(text("SELECT changes FROM numbers ORDER BY number")))


def own_pid(connection: Connection) -> int:
    pid: int = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    return pid


def cut_off(postgresql: str, *pids: int) -> None:
    for pid in pids:
        change(postgresql, "SELECT pg_terminate_backend(:pid, 10000)", pid=pid)


async def test_of_writers_that_wait_for_each_other_both_get_through(
    writers: list[Database[Piece]],
) -> None:
    meeting = threading.Barrier(2)

    def meet() -> None:
        # Only the first time: who is undone by the database begins again alone.
        if not meeting.broken:
            meeting.wait(10)
            meeting.abort()

    one: asyncio.Future[Any] = writers[0].write(changing(1, 2, after_first=lambda: _quietly(meet)))
    other = writers[1].write(changing(2, 1, after_first=lambda: _quietly(meet)))

    assert list(await asyncio.gather(one, other)) == [2, 2]
    assert await writers[0].read(changes) == [2, 2]


def _quietly(meet: Callable[[], None]) -> None:
    try:
        meet()
    except threading.BrokenBarrierError:
        return


async def test_a_connection_that_was_cut_between_calls_is_noticed_by_nobody(
    writers: list[Database[Piece]], postgresql: str
) -> None:
    database = writers[0]
    pids = await database.write(own_pid), await database.read(own_pid)
    cut_off(postgresql, *pids)

    assert await database.write(changing(1)) == 1
    assert await database.read(changes) == [1, 0]


async def test_a_connection_that_is_cut_in_a_transaction_leaves_nothing_half_done(
    writers: list[Database[Piece]], postgresql: str
) -> None:
    database = writers[0]
    await database.write(own_pid)
    attempts: list[int] = []

    def cut_once(connection: Connection) -> int:
        changing(1)(connection)
        attempts.append(own_pid(connection))
        if len(attempts) == 1:
            cut_off(postgresql, attempts[0])
        changing(2)(connection)
        return 1

    both = await asyncio.gather(database.write(cut_once), database.write(changing(1)))
    assert list(both) == [1, 1]
    assert len(attempts) == 2
    assert await database.read(changes) == [2, 1]


async def test_who_is_cut_off_again_and_again_is_told_that_nothing_was_stored(
    writers: list[Database[Piece]],
) -> None:
    def cut(connection: Connection) -> None:
        changing(1)(connection)
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(StorageUnavailable):
        await writers[0].write(cut)
    assert await writers[0].read(changes) == [0, 0]


async def test_where_no_server_is_everyone_is_told_at_once() -> None:
    database: Database[Piece] = Database(
        f"postgresql://nobody@127.0.0.1:{free_port()}/x", apply_each
    )
    began = time.monotonic()
    outcomes = await asyncio.gather(
        *(database.write(changing(1)) for _ in range(100)),
        *(database.read(changes) for _ in range(10)),
        return_exceptions=True,
    )
    assert {type(outcome) for outcome in outcomes} == {StorageUnavailable}
    assert time.monotonic() - began < 5
    await database.close()


async def test_what_the_server_cannot_do_is_no_fault_of_a_piece(
    writers: list[Database[Piece]], postgresql: str
) -> None:
    """And it is tried once: to try it piece by piece would keep all that come after waiting."""
    seen: list[int] = []

    def change_in_vain(connection: Connection) -> None:
        seen.append(own_pid(connection))
        changing(1)(connection)

    holding, held = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        holding.wait(10)

    holder = writers[0].write(changing(1, after_first=hold))
    await asyncio.to_thread(held.wait, 10)
    # What the operator asks for in the URL holds, too.
    url = make_url(postgresql).update_query_dict({"options": "-c lock_timeout=100ms"})
    impatient: Database[Piece] = Database(url.render_as_string(hide_password=False), apply_each)
    try:
        outcomes = await asyncio.gather(
            *(impatient.write(change_in_vain) for _ in range(10)), return_exceptions=True
        )
        assert {type(outcome) for outcome in outcomes} == {StorageUnavailable}
        assert len(seen) == 1
    finally:
        holding.set()
        await holder
        await impatient.close()
    assert await writers[0].read(changes) == [1, 0]


@pytest.mark.slow
async def test_a_standby_is_not_taken_for_the_primary(mortal_server: MortalServer) -> None:
    url = mortal_server.url.render_as_string(hide_password=False)
    database: Database[Piece] = Database(url, apply_each)
    assert await database.read(own_pid)
    await database.write(own_pid)
    await asyncio.to_thread(mortal_server.crash)
    await asyncio.to_thread(mortal_server.start_as_standby)

    outcomes = await asyncio.gather(
        database.write(own_pid), database.read(own_pid), return_exceptions=True
    )
    await database.close()
    assert {type(outcome) for outcome in outcomes} == {StorageUnavailable}


async def test_writers_in_turn_never_meet(postgresql: str) -> None:
    inside = 0
    most = 0

    def visit(connection: Connection) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        connection.execute(text("SELECT pg_sleep(0.002)"))
        inside -= 1

    def decide(connection: Connection, pieces: Sequence[Piece]) -> list[Any]:
        return apply_in_turn(connection, pieces)

    both: list[Database[Piece]] = [Database(postgresql, decide) for _ in range(2)]
    for _ in range(5):
        await asyncio.gather(*(database.write(visit) for database in both for _ in range(3)))
    for database in both:
        await database.close()
    assert most == 1


async def test_a_read_sees_one_state_of_the_database(
    writers: list[Database[Piece]], postgresql: str
) -> None:
    def twice(connection: Connection) -> tuple[list[int], list[int]]:
        before = changes(connection)
        change(postgresql, "UPDATE numbers SET changes = 7")
        return before, changes(connection)

    assert await writers[0].read(twice) == ([0, 0], [0, 0])
    assert await writers[0].read(changes) == [7, 7]


def test_errors_show_nothing_of_what_was_written(postgresql: str) -> None:
    engine = open_engine(postgresql, read_only=False, pool_size=1)
    with engine.begin() as connection, pytest.raises(Exception) as caught:  # noqa: PT011
        connection.execute(text("SELECT :x / 0"), {"x": 4711})
    engine.dispose()
    assert "4711" not in str(caught.value)
