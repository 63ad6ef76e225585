"""Services run on every kind of database that they can be run on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support import databases

if TYPE_CHECKING:
    from tests.support.databases import Backend

_LONG_ROUNDS = 500
_WITHOUT_A_DATABASE = ("/gateway/", "/cli/")
_LONG = (
    "test_attachments",
    "test_many_watchers",
    "test_photos",
    "test_privacy",
    "test_races",
    "test_search_at_scale",
)
"""Modules that would keep `make test` waiting: `make prove` runs them on PostgreSQL."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test of a service once on each database."""
    if not any(part in str(metafunc.definition.path) for part in _WITHOUT_A_DATABASE):
        kinds: list[Any] = ["sqlite"]
        if metafunc.definition.get_closest_marker("postgresql"):
            kinds = ["postgresql"]
        elif not metafunc.definition.get_closest_marker("sqlite"):
            is_long = metafunc.definition.path.stem in _LONG
            kinds.append(pytest.param("postgresql", marks=(pytest.mark.prove,) * is_long))
        metafunc.parametrize("backend", kinds, indirect=True, scope="session")


# By itself, so that it comes before whatever makes a database.
@pytest.fixture(scope="session", autouse=True)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Let the services of this test have databases of a kind."""
    kind: Backend = getattr(request, "param", "sqlite")
    databases.choose(kind)
    return kind


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the longest rounds on PostgreSQL to whoever asks for them: a build has no hour for them."""
    for item in items:
        params: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
        if params.get("backend") == "postgresql" and params.get("rounds", 0) >= _LONG_ROUNDS:
            item.add_marker(pytest.mark.by_hand)
