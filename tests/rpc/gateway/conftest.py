"""One gateway for the tests of a module, as fresh as new for each: starting one takes its time."""

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from tests.support.gateway import GatewayUnderTest, a_gateway


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_gateway() -> AsyncGenerator[GatewayUnderTest]:
    async with a_gateway(rate_limit="off", max_streams="off") as running:
        yield running


@pytest.fixture
def gateway(shared_gateway: GatewayUnderTest) -> GatewayUnderTest:
    shared_gateway.does.reset()
    return shared_gateway
