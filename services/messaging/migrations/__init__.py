"""The revisions of the messaging service's schema, and which is the newest."""

from pathlib import Path

from chassis.database.migrate import Revisions

MIGRATIONS = Revisions(Path(__file__).parent, head="0001", table="channels")
