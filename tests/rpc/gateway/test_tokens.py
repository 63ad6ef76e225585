"""Tokens of an outside issuer: its keys come from a file or a URL, and change while the gateway runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from chassis.process import StartError
from tests.support.gateway import (
    GET_PERSON,
    GatewayUnderTest,
    Issuer,
    a_gateway,
    http_reason,
    reason_of,
    until_let_in,
)

OLD, NEW = Issuer(), Issuer()


def settings(jwks: str | Path, **options: str) -> dict[str, str]:
    # These tests ask again and again until something has changed.
    return {
        "jwks": str(jwks),
        "issuer": OLD.issuer,
        "audience": OLD.audience,
        "rate_limit": "off",
        **options,
    }


def key_set(*keys: tuple[Issuer, str]) -> bytes:
    return json.dumps({"keys": [issuer.entry("EdDSA", kid) for issuer, kid in keys]}).encode()


async def reason(gateway: GatewayUnderTest, authorization: str) -> str:
    """Call over both ports; they must agree on why it is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await gateway.get_person(authorization=authorization)
    response = await gateway.post(GET_PERSON, {}, authorization=authorization)

    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert response.status_code == 401
    assert http_reason(response) == reason_of(caught.value)
    assert gateway.does.received == []
    return reason_of(caught.value)


async def test_both_ports_agree_on_tokens(tmp_path: Path) -> None:
    (tmp_path / "jwks").write_bytes(OLD.key_set())
    async with a_gateway(**settings(tmp_path / "jwks")) as gateway:
        assert await reason(gateway, "Basic YTpi") == "TOKEN_MISSING"
        assert await reason(gateway, "Bearer x") == "TOKEN_INVALID"
        assert await reason(gateway, f"Bearer {OLD.token(aud='other')}") == "TOKEN_INVALID"
        assert await reason(gateway, f"Bearer {OLD.token(exp=1)}") == "TOKEN_EXPIRED"
        assert await reason(gateway, gateway.authorization()) == "TOKEN_INVALID"

        for algorithm in ("ES256", "EdDSA"):
            await gateway.get_person(authorization=f"Bearer {OLD.token(algorithm)}")
        response = await gateway.post(
            GET_PERSON, {}, authorization=f"Bearer {OLD.token(sub='bob')}"
        )

        assert response.status_code == 200
        people = [call.metadata["x-paperplane-person"] for call in gateway.does.received]
        assert people == ["alice", "alice", "bob"]


async def test_a_huge_token_is_refused(tmp_path: Path) -> None:
    (tmp_path / "jwks").write_bytes(OLD.key_set())
    async with a_gateway(**settings(tmp_path / "jwks")) as gateway:
        long, longer = (f"Bearer {OLD.token(extra='x' * size)}" for size in (9_000, 100_000))

        response = await gateway.post(GET_PERSON, {}, authorization=long)
        # grpc core itself refuses metadata of this size.
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await gateway.get_person(authorization=longer)

        assert http_reason(response) == "TOKEN_INVALID"
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert gateway.does.received == []


async def test_outside_development_nobody_makes_tokens(tmp_path: Path) -> None:
    (tmp_path / "jwks").write_bytes(OLD.key_set())
    async with a_gateway(**settings(tmp_path / "jwks")) as gateway:
        response = await gateway.post("/dev/token", {"personId": "alice"})

        assert response.status_code == 404


async def test_keys_of_a_file_change_while_the_gateway_runs(tmp_path: Path) -> None:
    path = tmp_path / "jwks"
    path.write_bytes(key_set((OLD, "old")))
    async with a_gateway(**settings(path, jwks_refresh="0.05")) as gateway:
        old, new = f"Bearer {OLD.token(kid='old')}", f"Bearer {NEW.token(kid='new')}"
        await gateway.get_person(authorization=old)

        path.write_bytes(key_set((NEW, "new")))

        await until_let_in(lambda: gateway.get_person(authorization=new), "TOKEN_INVALID")
        gateway.does.reset()
        assert await reason(gateway, old) == "TOKEN_INVALID"


@dataclass
class KeyServer:
    """An HTTP server that serves a key set."""

    content: bytes
    status: str = "200 OK"
    asked: list[bytes] = field(default_factory=list[bytes])
    url: str = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        self.asked.append(await reader.readuntil(b"\r\n\r\n"))
        head = f"HTTP/1.1 {self.status}\r\ncontent-length: {len(self.content)}\r\n"
        writer.write(f"{head}connection: close\r\n\r\n".encode() + self.content)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def a_key_server(content: bytes) -> AsyncGenerator[KeyServer]:
    keys = KeyServer(content)
    async with await asyncio.start_server(keys.answer, "127.0.0.1", 0) as server:
        keys.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks"
        yield keys


async def test_keys_of_a_url_change_while_the_gateway_runs() -> None:
    async with (
        a_key_server(key_set((OLD, "old"))) as keys,
        a_gateway(**settings(keys.url, jwks_refresh="0.05")) as gateway,
    ):
        old, new = f"Bearer {OLD.token(kid='old')}", f"Bearer {NEW.token(kid='new')}"
        await gateway.get_person(authorization=old)

        # Failures leave things as they are.
        keys.status = "500 Internal Server Error"
        failures_from = len(keys.asked)
        async with asyncio.timeout(10):
            while len(keys.asked) < failures_from + 3:
                await gateway.get_person(authorization=old)

        keys.status, keys.content = "200 OK", key_set((OLD, "old"), (NEW, "new"))
        await until_let_in(lambda: gateway.get_person(authorization=new), "TOKEN_INVALID")
        await gateway.get_person(authorization=old)


@pytest.mark.parametrize("status", ["404 Not Found", "302 Found"])
async def test_a_url_without_keys_keeps_the_gateway_from_starting(status: str) -> None:
    async with a_key_server(key_set((OLD, "old"))) as keys:
        keys.status = status

        with pytest.raises(StartError, match="PAPERPLANE_JWKS: http"):
            await _start(settings(keys.url))


@pytest.mark.parametrize("location", ["http://127.0.0.1:1/jwks", "/no/such/file", "http://["])
async def test_keys_that_cannot_be_had_keep_the_gateway_from_starting(location: str) -> None:
    with pytest.raises(StartError, match="PAPERPLANE_JWKS") as caught:
        await _start(settings(location))

    assert len(str(caught.value).splitlines()) == 1


async def _start(options: dict[str, Any]) -> None:
    async with a_gateway(**options):
        pass
