"""Databases for tests: SQLite in a folder, or PostgreSQL on a real server of the tests' own."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal

import psycopg
from sqlalchemy import URL, make_url, text

from bench.postgresql import start_server
from chassis.database.engine import open_engine
from chassis.database.migrate import Revisions, migrate

Backend = Literal["sqlite", "postgresql"]

_OPTION = "PAPERPLANE_TEST_POSTGRES"
"""The URL of a server to use, by a role that may make databases. Without it, one is started."""


_PATIENCE_SECONDS = 20.0


class _Chosen:
    """Which backend the test that runs now uses."""

    backend: Backend = "sqlite"


def choose(backend: Backend) -> None:
    """Let the databases of the following tests be of a kind."""
    _Chosen.backend = backend


def chosen() -> Backend:
    """Return the kind of database that this test uses."""
    return _Chosen.backend


def a_database(folder: Path, name: str, revisions: Revisions) -> str:
    """Make a database with a service's schema; return its URL.

    Arguments:
        folder: where it is, if it is a file.
        name: what it is called there.
        revisions: the service's.
    """
    template = _template(_Chosen.backend, revisions)
    if _Chosen.backend == "sqlite":
        shutil.copy(template, folder / f"{name}.db")
        return f"sqlite:///{folder / name}.db"
    database = f"test_{uuid.uuid4().hex}"
    # It goes with its server: to drop it would take as long as to make it.
    _command(f"CREATE DATABASE {database} TEMPLATE {template} {_strategy()}")
    return _url(database)


def new_database() -> str:
    """Make an empty database on PostgreSQL, which is there as long as its server; return its URL."""
    database = f"test_{uuid.uuid4().hex}"
    _command(f"CREATE DATABASE {database}")
    return _url(database)


def rows(url: str, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """Query a database as it is stored; parameters are written `:name`."""
    engine = open_engine(url, read_only=True, pool_size=1)
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query), parameters)]
    finally:
        engine.dispose()


def change(url: str, statement: str, **parameters: Any) -> None:
    """Change a database behind its service's back."""
    engine = open_engine(url, read_only=False, pool_size=1)
    try:
        with engine.begin() as connection:
            connection.execute(text(statement), parameters)
    finally:
        engine.dispose()


def backup(url: str) -> Callable[[], None]:
    """Keep what a database holds; what is returned puts it back. Nobody may use it meanwhile."""
    parsed = make_url(url)
    name = str(parsed.database)
    if parsed.get_backend_name() == "sqlite":
        kept = f"{name}.backup"
        shutil.copy(name, kept)
        return lambda: _copy(kept, name)
    kept = f"backup_{uuid.uuid4().hex}"
    _command(f"CREATE DATABASE {kept} TEMPLATE {name}")

    def restore() -> None:
        _command(f"DROP DATABASE {name} WITH (FORCE)")
        _command(f"CREATE DATABASE {name} TEMPLATE {kept}")

    return restore


def _copy(one: str, other: str) -> None:
    shutil.copy(one, other)


class MortalServer:
    """A PostgreSQL server that can fall and rise again, with all that it had committed."""

    def __init__(self) -> None:
        self._server = start_server()
        self.url = make_url(self._server.get_uri()).set(database="postgres")

    def crash(self) -> None:
        """Break off all that is under way, and be gone: the "immediate shutdown" of PostgreSQL."""
        process = self._server.get_postmaster_info().process
        process.send_signal(signal.SIGQUIT)
        process.wait(_PATIENCE_SECONDS)

    def start(self) -> None:
        """Be there again, under the same address."""
        self._server.ensure_postgres_running()

    def start_as_standby(self) -> None:
        """Be there again as one that only follows another, and takes no writes."""
        (Path(self._server.pgdata) / "standby.signal").touch()
        self.start()

    def a_database(self, name: str, revisions: Revisions) -> str:
        """Make a database with a service's schema; return its URL."""
        _command(f"CREATE DATABASE {name}", self.url)
        url = self.url.set(database=name).render_as_string(hide_password=False)
        migrate(url, revisions)
        return url

    def close(self) -> None:
        """End it for good, and forget what it held."""
        self._server.cleanup()


@cache
def postgres_server() -> URL:
    """Return the server that this process uses; the first call starts it, the end of it stops it."""
    if given := os.environ.get(_OPTION):
        return make_url(given)
    url = make_url(start_server().get_uri())
    # What a power cut would take is of no interest here, and everything else is much faster so.
    for option in ("fsync = off", "full_page_writes = off"):
        _command(f"ALTER SYSTEM SET {option}", url)
    _command("SELECT pg_reload_conf()", url)
    return url


def _strategy() -> str:
    """Return how a database is copied fastest: by its files, where nothing waits for the disk."""
    return "" if os.environ.get(_OPTION) else "STRATEGY FILE_COPY"


@cache
def _template(backend: Backend, revisions: Revisions) -> str:
    """Return the file, or the name of the database, that has a service's schema and no rows."""
    if backend == "sqlite":
        folder = tempfile.TemporaryDirectory(prefix="pp-template")
        atexit.register(folder.cleanup)
        file = f"{folder.name}/template.db"
        migrate(f"sqlite:///{file}", revisions)
        return file
    name = f"template_{uuid.uuid4().hex}"
    _command(f"CREATE DATABASE {name}")
    migrate(_url(name), revisions)
    return name


def _url(database: str) -> str:
    return postgres_server().set(database=database).render_as_string(hide_password=False)


def _command(statement: str, server: URL | None = None) -> None:
    url = (server or postgres_server()).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute(statement.encode())
