"""One running system for all tests that can share it; each makes people of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import httpx
import pytest

from tests.support.system import SystemUnderTest, a_system


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemUnderTest]:
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
