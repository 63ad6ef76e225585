"""The guide through the TLS port of a running compose file, by gRPC and by plain HTTP: `make containers`."""

from __future__ import annotations

import ssl

import httpx
import pytest

from tests.support.clients import STUBS, ConnectClient, GrpcClient
from tests.support.compose import CERTIFICATE, TARGET, open_channel, token_of
from tests.support.guide import follow_the_guide

pytestmark = pytest.mark.containers


async def test_the_guide_over_grpc() -> None:
    async with open_channel() as channel:
        await follow_the_guide(lambda name: GrpcClient(channel, STUBS, token_of(name)))


async def test_the_guide_over_connect() -> None:
    trust = ssl.create_default_context(cafile=CERTIFICATE)
    url = f"https://{TARGET}"
    async with httpx.AsyncClient(base_url=url, verify=trust, trust_env=False) as http:
        await follow_the_guide(lambda name: ConnectClient(http, STUBS.paths, token_of(name)))
