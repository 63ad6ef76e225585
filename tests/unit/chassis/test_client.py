"""Our clients get through to a server that takes a while to answer, and away from one that never will."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from chassis.client import open_channel
from cli.client import open_channel as open_public_channel

ROUND_TRIP_SECONDS = 0.3
"""As from one continent to another, or to a busy machine; many times the first pause after a failure."""


class Late(asyncio.Protocol):
    """One end of a line on which whatever comes back comes late."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._asked: list[bytes] = []
        self._far: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._dialling = asyncio.create_task(self._dial(transport))

    async def _dial(self, near: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()

        class Far(asyncio.Protocol):
            def data_received(self, data: bytes) -> None:
                loop.call_later(ROUND_TRIP_SECONDS, near.write, data)

            def connection_lost(self, exc: Exception | None) -> None:
                del exc
                near.close()

        self._far, _ = await loop.create_connection(Far, "127.0.0.1", self._port)
        self._far.writelines(self._asked)

    def data_received(self, data: bytes) -> None:
        if self._far is None:
            self._asked.append(data)
        else:
            self._far.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._far is not None:
            self._far.close()


@pytest.fixture
async def server_far_away() -> AsyncGenerator[str]:
    """Run a server that is reached by such a line alone; return its address."""
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: Late(port), "127.0.0.1", 0) as line:
        yield f"127.0.0.1:{line.sockets[0].getsockname()[1]}"
    await server.stop(None)


@pytest.mark.parametrize("open_any", [open_channel, open_public_channel])
async def test_a_call_waits_for_a_connection_that_takes_its_time(
    server_far_away: str, open_any: Callable[[str], grpc.aio.Channel]
) -> None:
    async with open_any(server_far_away) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=10)

    assert answer.status == health_pb2.HealthCheckResponse.SERVING


A_SERVER = """
import asyncio
from chassis.server import GrpcServer
from chassis.telemetry import configure_logging

async def serve():
    server = GrpcServer("127.0.0.1:0", [], lambda: None)
    await server.start()
    print(server.port, flush=True)
    await asyncio.Event().wait()

configure_logging("test", "ERROR")
asyncio.run(serve())
"""
IDLE_SECONDS = 25.0
"""Longer than it takes to ask twice whether the other side is still there."""
NOTICED_SECONDS = 30.0
"""What keepalive promises is 13; without its second half it took more than 60."""


@pytest.mark.prove
@pytest.mark.timeout(180)
@pytest.mark.parametrize("idle", [0.0, IDLE_SECONDS], ids=["at once", "after a while"])
async def test_a_server_that_hangs_is_noticed(idle: float) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", A_SERVER, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    try:
        async with open_channel(f"127.0.0.1:{port}") as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            watch = stub.Watch(health_pb2.HealthCheckRequest())
            await watch.read()
            more = asyncio.ensure_future(watch.read())
            await asyncio.wait([more], timeout=idle)
            assert not more.done()
            process.send_signal(signal.SIGSTOP)
            began = time.monotonic()
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                await more
            assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
            assert time.monotonic() - began < NOTICED_SECONDS
    finally:
        process.kill()
        await process.wait()
