"""One database per service: engines, one writer with group commit, a few readers, migrations."""

from chassis.database.database import Database
from chassis.database.group_commit import GroupCommit, apply_each
from chassis.database.sets import CountUp, ManyRows, RowsByKey

__all__ = ["CountUp", "Database", "GroupCommit", "ManyRows", "RowsByKey", "apply_each"]
