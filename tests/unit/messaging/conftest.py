"""A database with the service's schema, in a writing transaction."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from chassis.database.engine import open_engine
from chassis.database.migrate import migrate
from services.messaging.migrations import MIGRATIONS


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The content of an empty database with the newest schema."""
    path = tmp_path_factory.mktemp("migrated") / "messaging.db"
    migrate(f"sqlite:///{path}", MIGRATIONS)
    return path.read_bytes()


@pytest.fixture
def engine(migrated: bytes, tmp_path: Path) -> Iterator[Engine]:
    path = tmp_path / "messaging.db"
    path.write_bytes(migrated)
    engine = open_engine(f"sqlite:///{path}", read_only=False, pool_size=1)
    yield engine
    engine.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection, connection.begin():
        yield connection
