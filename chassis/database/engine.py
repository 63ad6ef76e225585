"""Engines set up for durability: what a commit has acknowledged survives a power cut."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError

BUSY_TIMEOUT_MS = 5000
"""How long SQLite waits for a lock that another process holds, for example a migration or a backup."""


def open_engine(url: str, *, read_only: bool, pool_size: int) -> Engine:
    """Open an engine on a database.

    Parameters never show in its errors or logs: they hold what people wrote.

    Arguments:
        url: an SQLAlchemy URL, for example `sqlite:////var/lib/paperplane/messaging.db`.
        read_only: whether its connections may only read.
        pool_size: how many connections it keeps at most.
    """
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_size=pool_size,
        max_overflow=0,
        connect_args={"check_same_thread": False} if url.startswith("sqlite") else {},
    )
    if engine.dialect.name == "sqlite":
        _set_up_sqlite(engine, read_only=read_only)
    return engine


def _set_up_sqlite(engine: Engine, *, read_only: bool) -> None:
    def on_connect(dbapi_connection: Any, _record: object) -> None:
        # The driver must not open transactions of its own: `on_begin` does.
        dbapi_connection.isolation_level = None
        cursor = dbapi_connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        # FULL syncs the log at every commit. NORMAL loses acknowledged commits in a power cut.
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        # What is deleted is overwritten on disk, too; how SQLite was built would decide otherwise.
        cursor.execute("PRAGMA secure_delete = ON")
        # Pages that change often are written back once for many commits: at 64 MB of log, not at 4.
        cursor.execute("PRAGMA wal_autocheckpoint = 16384")
        cursor.execute("PRAGMA cache_size = -65536")
        if read_only:
            cursor.execute("PRAGMA query_only = ON")
        cursor.close()

    def on_begin(connection: Connection) -> None:
        # A transaction that reads and then writes fails at once if another wrote in between, unless
        # it takes the write lock when it begins.
        driver: Any = connection.connection.driver_connection
        driver.execute("BEGIN" if read_only else "BEGIN IMMEDIATE")

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)


def is_operational(engine: Engine, error: BaseException) -> bool:
    """Tell whether the database failed, and not what it was asked to do."""
    return isinstance(error, OperationalError | engine.dialect.loaded_dbapi.OperationalError)
