"""One running system for all tests that can share it; each makes people of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import httpx
import pytest
import pytest_asyncio

from tests.support import databases
from tests.support.databases import Backend
from tests.support.line import Line, a_line
from tests.support.page import Chromium, Stage, a_stage, a_watched_chromium
from tests.support.system import SystemUnderTest, a_system


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what is about databases on each of them: what a page looks like is not."""
    kinds = [pytest.param("sqlite", id=pytest.HIDDEN_PARAM)]
    if metafunc.definition.get_closest_marker("both_databases"):
        always = metafunc.definition.path.stem == "test_guide"
        kinds.append(pytest.param("postgresql", marks=() if always else (pytest.mark.prove,)))
    metafunc.parametrize("backend", kinds, indirect=True, scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of the page together, where tests are handed out one by one: they share a browser."""
    for item in items:
        if "stage" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("page"))


# By itself, so that it comes before whatever starts a system.
@pytest.fixture(scope="session", autouse=True)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Let the systems of the tests that follow have databases of a kind."""
    kind: Backend = request.param
    databases.choose(kind)
    return kind


@pytest.fixture(scope="session")
def system(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemUnderTest]:
    assert backend == databases.chosen()
    with a_system(tmp_path_factory.mktemp("system") / "data", rate_limit="off") as running:
        yield running


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder that does not exist yet, for a system of the test's own."""
    return tmp_path / "data"


@pytest.fixture
async def channel(system: SystemUnderTest) -> AsyncIterator[grpc.aio.Channel]:
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(system.target, options) as channel:
        yield channel


@pytest.fixture
async def http(system: SystemUnderTest) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=system.http, trust_env=False, timeout=30) as client:
        yield client


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Chromium]:
    """One browser for all tests of the page; without any on this machine they are skipped."""
    async with a_watched_chromium() as chromium:
        yield chromium


@pytest_asyncio.fixture(loop_scope="session")
async def line(system: SystemUnderTest) -> AsyncIterator[Line]:
    """A line to the system for those of the test whose line is cut."""
    async with a_line(system.http_port) as line:
        yield line


@pytest_asyncio.fixture(loop_scope="session")
async def stage(chromium: Chromium, system: SystemUnderTest, line: Line) -> AsyncIterator[Stage]:
    """Tests of the page run on the loop of the session, on which the browser is.

    The stage closes while the line still holds.
    """
    assert line.url
    async with a_stage(chromium, system.http, system.token) as stage:
        yield stage
