"""What a database must remember about itself: the key of its tokens, and which life of it this is."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Column, LargeBinary, MetaData, String, Table, select

from chassis.database.engine import insert_unless_there

if TYPE_CHECKING:
    from sqlalchemy import Connection

_KEY = "token_key"
_GENERATION = "log_generation"


@dataclass(frozen=True, slots=True)
class LogSecrets:
    """The secrets of one database.

    Attributes:
        token_key: signs page tokens and cursors.
        generation: changes when the database is restored from a backup, so that cursors of the
            life it lost are known as such.
    """

    token_key: bytes
    generation: str


def secrets_table(metadata: MetaData) -> Table:
    """Declare the table that holds the secrets."""
    return Table(
        "secrets",
        metadata,
        Column("name", String(64), primary_key=True),
        Column("value", LargeBinary, nullable=False),
    )


def ensure_secrets(connection: Connection, table: Table) -> LogSecrets:
    """Return the database's secrets; make them if this is its first start."""
    fresh = {_KEY: secrets.token_bytes(32), _GENERATION: secrets.token_bytes(8)}
    query = select(table.c.name, table.c.value)
    found: dict[str, bytes] = {row.name: row.value for row in connection.execute(query)}
    missing = [{"name": name, "value": fresh[name]} for name in fresh if name not in found]
    if missing:
        # Of several replicas that start at once, one makes them for all.
        connection.execute(insert_unless_there(connection, table), missing)
        found = {row.name: row.value for row in connection.execute(query)}
    return LogSecrets(token_key=found[_KEY], generation=found[_GENERATION].hex())
