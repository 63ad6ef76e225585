"""Brings a database to the schema of this version, with the service's own Alembic revisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import OperationalError

from chassis.database.engine import open_engine
from chassis.process import StartError

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import MetaData


class SchemaMismatch(StartError):
    """The database's schema is not the one that this version works with."""


def _config(scripts: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    return config


def migrate(url: str, scripts: Path) -> None:
    """Apply all revisions that the database lacks, in one transaction.

    Arguments:
        url: the database.
        scripts: the service's folder of revisions, with its `env.py`.
    """
    engine = open_engine(url, read_only=False, pool_size=1)
    try:
        with engine.begin() as connection:
            config = _config(scripts)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()


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


def check_schema(url: str, scripts: Path) -> None:
    """Make sure that the database has exactly the newest schema.

    Raises:
        SchemaMismatch: it has another, or can't be opened; the message says what to do.
    """
    revisions = ScriptDirectory.from_config(_config(scripts))
    head = revisions.get_current_head()
    engine = open_engine(url, read_only=False, pool_size=1)
    name = engine.url.render_as_string()
    try:
        with engine.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
    except OperationalError as error:
        message = f"the database {name} can't be opened: {error.orig}"
        raise SchemaMismatch(message) from error
    finally:
        engine.dispose()
    if found == head:
        return
    message = (
        f"the database {name} has schema {found or 'none'}, this version needs {head}: "
        "migrate it first"
    )
    if found not in {None, *(script.revision for script in revisions.walk_revisions())}:
        message = (
            f"the database {name} has schema {found}, of a newer version than this one, which "
            f"knows up to {head}: run that version"
        )
    raise SchemaMismatch(message)
