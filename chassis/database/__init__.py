"""One database per service: engines, one writer with group commit, a few readers, migrations."""

from chassis.database.database import Database
from chassis.database.group_commit import GroupCommit, apply_each
from chassis.database.sets import ManyRows, as_keys, select_by_keys

__all__ = ["Database", "GroupCommit", "ManyRows", "apply_each", "as_keys", "select_by_keys"]
