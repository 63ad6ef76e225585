"""Tells Alembic which tables these revisions build."""

from chassis.database.migrate import run_migrations
from services.friendship.schema import metadata

run_migrations(metadata)
