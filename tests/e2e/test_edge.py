"""One TLS port in front of everything: each kind of client gets through it to what it came for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from tests.support.clients import STUBS, ConnectClient, GrpcClient, fresh_id, watching
from tests.support.edge import an_edge
from tests.support.system import SystemUnderTest


async def test_every_client_gets_through_one_port(system: SystemUnderTest, tmp_path: Path) -> None:
    ann_id, bob_id = fresh_id("ann"), fresh_id("bob")
    async with an_edge(system.grpc_port, system.http_port, tmp_path) as edge:
        credentials = grpc.ssl_channel_credentials(edge.certificate)
        async with (
            grpc.aio.secure_channel(f"localhost:{edge.port}", credentials) as channel,
            httpx.AsyncClient(base_url=edge.url, verify=edge.trust, trust_env=False) as http,
        ):
            ann = GrpcClient(channel, STUBS, system.token(ann_id))
            bob = ConnectClient(http, STUBS.paths, system.token(bob_id))
            await ann.call("CreatePerson", handle=ann_id, displayName="Ann")
            await bob.call("CreatePerson", handle=bob_id, displayName="Bob")
            async with watching(bob, "WatchFriendships") as told:
                await told.until_caught_up()
                asked = await ann.call("SendFriendRequest", personId=bob_id)
                received = (await told.next())["friendRequest"]
                assert received["requestId"] == asked["friendRequest"]["requestId"]
            await bob.call("AcceptFriendRequest", requestId=asked["friendRequest"]["requestId"])
            channel_id = (await ann.call("GetChannel", personId=bob_id))["channel"]["channelId"]
            async with watching(ann, "WatchMessages") as told:
                await told.until_caught_up()
                await bob.call("SendMessage", channelId=channel_id, text="through the edge")
                assert (await told.next())["message"]["text"] == "through the edge"

            # The page, a file of some size both ways, and gRPC-Web, which is not gRPC.
            assert "<title>Paperplane" in (await http.get("/")).text
            signed = {"authorization": f"Bearer {system.token(bob_id)}"}
            named = {**signed, "content-disposition": "attachment; filename=a.bin"}
            content = bytes(range(256)) * 20_000
            uploaded = await http.put("/attachments", content=content, headers=named)
            attachment_id = uploaded.json()["attachment"]["attachmentId"]
            part = {**signed, "range": "bytes=1000000-"}
            answer = await http.get(f"/attachments/{attachment_id}", headers=part)
            assert (answer.status_code, answer.content) == (206, content[1_000_000:])
            web = await http.post(
                STUBS.paths["ListFriends"],
                content=b"\0\0\0\0\0",
                headers={**signed, "content-type": "application/grpc-web+proto"},
            )
            assert web.headers["content-type"].startswith("application/grpc-web")
            assert web.headers["strict-transport-security"] == "max-age=31536000"


WATCHERS = 1_100
"""More than a proxy lets through at a time by itself, to all replicas together: 1,024."""
WAVE = 100
WATCH = "/paperplane.Any/Watch"


async def watch(request: bytes, context: Any) -> AsyncIterator[bytes]:
    """Say that the stream has begun, and never end it."""
    del request, context
    yield b"begun"
    await asyncio.Event().wait()


@asynccontextmanager
async def a_gateway_that_streams() -> AsyncGenerator[tuple[int, int]]:
    """Stand in for a gateway whose streams never end; gives its gRPC port and its HTTP port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while b"/healthz" in await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nbegun\r\n")
            await reader.read()
        except asyncio.IncompleteReadError:
            return
        finally:
            writer.close()

    server = grpc.aio.server()
    service, _, method = WATCH[1:].partition("/")
    handlers: dict[str, Any] = {method: grpc.unary_stream_rpc_method_handler(watch)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    status = health.aio.HealthServicer()
    await status.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(status, server)
    grpc_port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    http_server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield grpc_port, http_server.sockets[0].getsockname()[1]
    http_server.close()
    await server.stop(None)


@pytest.mark.slow
async def test_more_people_watch_than_a_proxy_lets_through_by_itself(tmp_path: Path) -> None:
    async with AsyncExitStack() as opened:
        ports = await opened.enter_async_context(a_gateway_that_streams())
        edge = await opened.enter_async_context(an_edge(*ports, tmp_path))
        credentials = grpc.ssl_channel_credentials(edge.certificate)

        async def watch_a_page() -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", edge.port, ssl=edge.trust)
            opened.callback(writer.close)
            writer.write(b"POST /watch HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n")
            return (await reader.readuntil(b"begun"))[-5:]

        async with asyncio.timeout(60):
            for _ in range(0, WATCHERS, WAVE):
                channel: Any = await opened.enter_async_context(
                    grpc.aio.secure_channel(
                        f"localhost:{edge.port}",
                        credentials,
                        [("grpc.use_local_subchannel_pool", 1)],
                    )
                )
                calls = [channel.unary_stream(WATCH)(b"") for _ in range(WAVE)]
                assert set(await asyncio.gather(*(call.read() for call in calls))) == {b"begun"}
                pages = await asyncio.gather(*(watch_a_page() for _ in range(WAVE)))
                assert set(pages) == {b"begun"}
