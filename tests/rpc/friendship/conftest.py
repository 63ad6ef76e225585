"""One friendship service for each test."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from tests.support.friendship import World, friendship_world


@pytest.fixture
async def world() -> AsyncGenerator[World]:
    async with friendship_world() as world:
        yield world
