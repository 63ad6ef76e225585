"""Each service's revisions lead to its schema on every database, whoever migrates at the same time."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, make_url, text

from chassis.database.engine import migrate_alone, open_engine
from chassis.database.migrate import Revisions, SchemaMismatch, check_schema, migrate
from services.friendship import schema as friendship
from services.friendship.migrations import MIGRATIONS as FRIENDSHIP
from services.messaging import schema as messaging
from services.messaging.migrations import MIGRATIONS as MESSAGING
from tests.support.databases import change

SERVICES = pytest.mark.parametrize(
    ("revisions", "metadata"),
    [
        pytest.param(FRIENDSHIP, friendship.metadata, id="friendship"),
        pytest.param(MESSAGING, messaging.metadata, id="messaging"),
    ],
)


@SERVICES
def test_revisions_lead_to_the_schema(url: str, revisions: Revisions, metadata: MetaData) -> None:
    migrate(url, revisions)
    engine = open_engine(url, read_only=True, pool_size=1)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


@SERVICES
def test_of_many_who_migrate_at_once_one_does_and_the_others_find_it_done(
    postgresql: str, revisions: Revisions, metadata: MetaData
) -> None:
    del metadata
    with ThreadPoolExecutor(4) as pool:
        for migrated in [pool.submit(migrate, postgresql, revisions) for _ in range(4)]:
            migrated.result()
    check_schema(postgresql, revisions)


@SERVICES
def test_a_schema_of_a_newer_version_is_refused(
    url: str, revisions: Revisions, metadata: MetaData
) -> None:
    del metadata
    with pytest.raises(SchemaMismatch, match="none, this version needs"):
        check_schema(url, revisions)
    migrate(url, revisions)
    change(url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaMismatch, match="of a newer version"):
        check_schema(url, revisions)


def test_a_database_of_another_service_is_refused_and_left_alone(url: str) -> None:
    migrate(url, FRIENDSHIP)
    for act in (migrate, check_schema):
        with pytest.raises(SchemaMismatch, match="is another service's"):
            act(url, MESSAGING)
    check_schema(url, FRIENDSHIP)


def test_a_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "messaging.db"
    file.write_text("these are words, and no database of any kind" * 100)
    for act in (migrate, check_schema):
        with pytest.raises(SchemaMismatch, match=r"can't be used: file is not a database$"):
            act(f"sqlite:///{file}", MESSAGING)


def test_a_role_that_may_not_make_tables_is_one_line(postgresql: str) -> None:
    role = f"reader_{uuid.uuid4().hex}"
    change(postgresql, f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
    url = make_url(postgresql).set(username=role, password="secret")
    with pytest.raises(SchemaMismatch, match=r"can't be used: permission denied") as refused:
        migrate(url.render_as_string(hide_password=False), MESSAGING)
    assert "secret" not in str(refused.value)


def test_a_migration_does_not_keep_others_waiting_behind_a_lock(
    postgresql: str,
) -> None:
    """Who comes later waits behind a change of a table that waits itself."""
    migrate(postgresql, MESSAGING)
    engine = open_engine(postgresql, read_only=False, pool_size=1)
    with engine.begin() as connection:
        migrate_alone(connection)
        assert connection.scalar(text("SHOW lock_timeout")) == "10s"
    engine.dispose()


def test_a_password_shows_in_no_message() -> None:
    url = "postgresql://paperplane:hunter2@127.0.0.1:1/messaging"
    with pytest.raises(SchemaMismatch) as refused:
        check_schema(url, MESSAGING)
    assert "hunter2" not in str(refused.value)
