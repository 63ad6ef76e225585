"""One messaging service for each test."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.support.messaging import MessagingUnderTest, Person, messaging_service


@pytest.fixture
async def service(tmp_path: Path) -> AsyncGenerator[MessagingUnderTest]:
    async with messaging_service(tmp_path) as service:
        yield service


@pytest.fixture
async def friends(service: MessagingUnderTest) -> tuple[Person, Person, str]:
    """Ann, Bob and the id of their open channel."""
    return await service.friends("ann", "bob")
