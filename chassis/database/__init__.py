"""One database per service: engines, one writer with group commit, a few readers, migrations."""

from chassis.database.database import Database
from chassis.database.group_commit import GroupCommit, apply_each
from chassis.database.sets import CountUp, InsertRows, RowsByKey, UpdateRows

__all__ = [
    "CountUp",
    "Database",
    "GroupCommit",
    "InsertRows",
    "RowsByKey",
    "UpdateRows",
    "apply_each",
]
