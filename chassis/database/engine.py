"""Engines set up for durability: what a commit has acknowledged survives a power cut."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select, text
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from sqlalchemy import Select, Table

BUSY_TIMEOUT_MS = 5000
"""How long SQLite waits for a lock that another process holds, for example a migration or a backup."""
_IDLE_TIMEOUT_MS = 5000
"""How long PostgreSQL keeps a transaction of ours open that asks for nothing: of a process that was
stopped in the middle of one, and whose locks others wait for."""
_WRITING, _MIGRATING = 7_303_014, 7_303_015
"""Advisory locks that are held in turn; any numbers that nobody else uses in this database."""
_CONFLICTS = frozenset({"40001", "40P01"})
"""PostgreSQL's words for transactions that were in each other's way: serialization_failure and
deadlock_detected. Whoever hears them has stored nothing and may try again."""
_OPERATIONAL_CLASSES = ("08", "53", "57", "58", "40")
"""PostgreSQL's classes of errors that are the server's: connections, resources, operators, its own."""
_OPERATIONAL = frozenset({"25006", "25P03", "55P03"})
"""And three more: of a server that has become a standby, of a transaction that was idle too long, and
of a lock that was waited for too long."""


def open_engine(url: str, *, read_only: bool, pool_size: int) -> Engine:
    """Open an engine on a database.

    Parameters never show in its errors or logs: they hold what people wrote.

    Arguments:
        url: an SQLAlchemy URL, for example `sqlite:////var/lib/paperplane/messaging.db` or
            `postgresql://user@host/messaging`.
        read_only: whether its connections may only read. Their transactions are snapshots.
        pool_size: how many connections it keeps at most.
    """
    parsed = make_url(url)
    common: dict[str, Any] = {"hide_parameters": True, "pool_size": pool_size, "max_overflow": 0}
    if parsed.get_backend_name() == "postgresql":
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            isolation_level="REPEATABLE READ" if read_only else "READ COMMITTED",
            execution_options={"postgresql_readonly": read_only},
            connect_args=_connect_args(parsed),
            **common,
        )
    engine = create_engine(parsed, connect_args={"check_same_thread": False}, **common)
    _set_up_sqlite(engine, read_only=read_only)
    return engine


_POSTGRESQL = {
    # A server that has gone without a word is noticed in about ten seconds.
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    # What decides anything is read from the primary, and a URL may name it and its standbys.
    "target_session_attrs": "read-write",
    "application_name": "paperplane",
}
_SESSION = f"-c synchronous_commit=on -c idle_in_transaction_session_timeout={_IDLE_TIMEOUT_MS}"


def _connect_args(url: URL) -> dict[str, Any]:
    """Return how to connect, as far as the operator's URL does not say it."""
    given = url.query
    options = given.get("options", "")
    ours = {name: value for name, value in _POSTGRESQL.items() if name not in given}
    # Of two that set the same the last one counts, and that a commit is durable is promised.
    return {
        **ours,
        "options": f"{options if isinstance(options, str) else ' '.join(options)} {_SESSION}",
    }


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


# ---- what statements need to know of their database -----------------------------------------------


def may_write(connection: Connection) -> bool:
    """Tell whether a connection may write, and therefore lock rows."""
    return not connection.get_execution_options().get("postgresql_readonly", False)


def locking(connection: Connection, query: Select[Any]) -> Select[Any]:
    """Return a query that locks the rows it finds until the transaction ends, if this one writes."""
    return query.with_for_update() if may_write(connection) else query


def insert_unless_there(connection: Connection, table: Table) -> Any:
    """Return an INSERT that passes over rows whose keys are there, also if another writer adds them now."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table).on_conflict_do_nothing()
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table).on_conflict_do_nothing()


def take_turn(connection: Connection) -> None:
    """Wait until no other writer of this database that takes turns is in a transaction.

    SQLite's writers always take turns. On PostgreSQL the next one goes on when this transaction ends.
    """
    _hold(connection, _WRITING)


def migrate_alone(connection: Connection) -> None:
    """Wait until nobody else migrates this database, and keep others from it until the transaction ends."""
    _hold(connection, _MIGRATING)
    if connection.dialect.name == "postgresql":
        # Whoever comes later waits behind a migration that itself waits, for example for a backup.
        connection.execute(text("SET LOCAL lock_timeout = '10s'"))


def _hold(connection: Connection, turn: int) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(turn)))


# ---- what errors mean -----------------------------------------------------------------------------


def is_operational(engine: Engine, error: BaseException) -> bool:
    """Tell whether the database failed, and not what it was asked to do."""
    driver = engine.dialect.loaded_dbapi
    cause = _cause(error)
    state = _state(cause)
    if state is not None:
        return state in _OPERATIONAL or state.startswith(_OPERATIONAL_CLASSES)
    return isinstance(cause, driver.OperationalError | driver.InterfaceError)


def is_conflict(error: BaseException) -> bool:
    """Tell whether transactions were in each other's way, of which this one was undone."""
    return _state(_cause(error)) in _CONFLICTS


def is_cut(connection: Connection | None) -> bool:
    """Tell whether a connection was lost, so that nothing more comes of its transaction."""
    if connection is None:
        return False
    if connection.invalidated:
        # SQLAlchemy has noticed it first.
        return True
    driver: Any = connection.connection.driver_connection
    return bool(getattr(driver, "closed", False))


def _cause(error: BaseException) -> BaseException:
    return error.orig if isinstance(error, DBAPIError) and error.orig is not None else error


def _state(error: BaseException) -> str | None:
    """Return PostgreSQL's own word for an error (SQLSTATE), if it said one."""
    state: str | None = getattr(error, "sqlstate", None)
    return state
