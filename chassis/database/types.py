"""Types of columns that mean the same in every database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import String, Text

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine


def ordered_text(length: int | None = None) -> TypeEngine[str]:
    """Return the type of texts that are ordered by their code points, as in Python and in SQLite.

    By itself PostgreSQL orders as the language of its database has it.
    """
    if length is None:
        return Text().with_variant(Text(collation="C"), "postgresql")
    return String(length).with_variant(String(length, collation="C"), "postgresql")
