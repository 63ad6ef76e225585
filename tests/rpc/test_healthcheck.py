"""The health check that container engines run tells a process that serves from one that does not."""

import asyncio
import sys
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from chassis.server import GrpcServer


async def check(address: str) -> int:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "chassis.healthcheck", address
    )
    return await process.wait()


async def test_process_that_serves_is_healthy() -> None:
    server = GrpcServer("127.0.0.1:0", [], end_streams=lambda: None)
    await server.start()
    try:
        assert await check(f"127.0.0.1:{server.port}") == 0
    finally:
        await server.stop(0)


async def test_process_that_stops_is_not() -> None:
    server = grpc.aio.server()
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await servicer.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    await server.start()
    try:
        assert await check(f"127.0.0.1:{port}") == 1
    finally:
        await server.stop(0)


async def test_address_where_nobody_listens_is_not(tmp_path: Path) -> None:
    assert await check(f"unix:{tmp_path / 'nobody'}") == 1
