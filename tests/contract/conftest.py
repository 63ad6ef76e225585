"""The databases that the chassis works with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.databases import new_database


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    return new_database() if request.param == "postgresql" else f"sqlite:///{tmp_path}/test.db"


@pytest.fixture
def postgresql() -> str:
    """An empty database on PostgreSQL."""
    return new_database()
