"""Brings a database to the schema of this version, with the service's own Alembic revisions."""

from __future__ import annotations

import sqlite3
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text
from sqlalchemy.exc import DatabaseError

from chassis.database.engine import migrate_alone, open_engine
from chassis.process import StartError

if TYPE_CHECKING:
    from pathlib import Path

    from alembic.config import Config
    from sqlalchemy import Connection, Engine, MetaData

_TROUBLES = (DatabaseError, sqlite3.DatabaseError)
"""What the operator can mend: a server that is away, a lock, a permission, a file that is no database."""


class SchemaMismatch(StartError):
    """The database's schema is not the one that this version works with."""


@dataclass(frozen=True, slots=True)
class Revisions:
    """A service's revisions.

    Attributes:
        scripts: the folder with its `env.py`.
        head: the newest one, which this version of the service works with.
        table: one that every revision has, and no other service: a database is known by it.
    """

    scripts: Path
    head: str
    table: str


def _config(scripts: Path) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    return config


def migrate(url: str, revisions: Revisions) -> None:
    """Apply all revisions that the database lacks, in one transaction.

    Arguments:
        url: the database.
        revisions: the service's.

    Raises:
        SchemaMismatch: what came of it is not what the service works with.
    """
    from alembic import command
    from alembic.util import CommandError

    engine = open_engine(url, read_only=False, pool_size=1)
    try:
        with engine.begin() as connection:
            migrate_alone(connection)
            _read_version(connection, revisions)
            config = _config(revisions.scripts)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except _TROUBLES as error:
        raise _unusable(engine, error) from error
    except CommandError:
        # Of a revision that this version does not know, of which the check says more.
        check_schema(url, revisions)
        raise
    finally:
        engine.dispose()
    check_schema(url, revisions)


def migrate_or_exit(url: str, revisions: Revisions) -> None:
    """Migrate, or end the process with the reason on standard error and status 2."""
    try:
        migrate(url, revisions)
    except StartError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None


def _unusable(engine: Engine, error: Exception) -> SchemaMismatch:
    name = engine.url.render_as_string()
    cause = getattr(error, "orig", None) or error
    # The whole of what PostgreSQL says can quote rows; its first sentence is enough.
    words = getattr(getattr(cause, "diag", None), "message_primary", None) or str(cause)
    return SchemaMismatch(f"the database {name} can't be used: {' '.join(words.split())}")


def _read_version(connection: Connection, revisions: Revisions) -> str | None:
    """Return the revision that a database has, if any.

    Raises:
        SchemaMismatch: it is another service's.
    """
    # Not through Alembic: to import it takes a good part of the time that a start takes.
    tables = set(inspect(connection).get_table_names())
    if "alembic_version" not in tables:
        return None
    if revisions.table not in tables:
        name = connection.engine.url.render_as_string()
        message = f"the database {name} is another service's: give each one of its own"
        raise SchemaMismatch(message)
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def run_migrations(metadata: MetaData) -> None:
    """Do the work of an `env.py`: run the revisions on the connection that `migrate` opened."""
    from alembic import context

    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        render_as_batch=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def check_schema(url: str, revisions: Revisions) -> None:
    """Make sure that the database has exactly the newest schema.

    Raises:
        SchemaMismatch: it has another, or can't be opened; the message says what to do.
    """
    engine = open_engine(url, read_only=False, pool_size=1)
    name = engine.url.render_as_string()
    try:
        with engine.connect() as connection:
            found = _read_version(connection, revisions)
    except _TROUBLES as error:
        raise _unusable(engine, error) from error
    finally:
        engine.dispose()
    if found == revisions.head:
        return
    message = (
        f"the database {name} has schema {found or 'none'}, this version needs {revisions.head}: "
        "migrate it first"
    )
    if found is not None and found not in _known(revisions):
        message = (
            f"the database {name} has schema {found}, of a newer version than this one, which "
            f"knows up to {revisions.head}: run that version"
        )
    raise SchemaMismatch(message)


def _known(revisions: Revisions) -> set[str]:
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_config(revisions.scripts))
    return {script.revision for script in scripts.walk_revisions()}
