"""Keeps processes running: a healthy one that dies is started again at once, and the others go on."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from dataclasses import dataclass
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis.client import open_channel
from chassis.process import StartError

_log = structlog.get_logger(__name__)

_START_SECONDS = 30.0
_LOOK_SECONDS = 0.05
_RETRY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Program:
    """How to run one process.

    Attributes:
        name: what it is called in messages.
        module: what `python -m` runs.
        environment: its whole environment.
        address: where it serves gRPC with health.
        inherited: file descriptors that it is given.
    """

    name: str
    module: str
    environment: dict[str, str]
    address: str
    inherited: tuple[int, ...] = ()


class KeptProcess:
    """One process, kept running.

    Arguments:
        program: how to run it.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the process, wait until it is healthy, and keep it running from then on.

        Raises:
            StartError: it ended before it was healthy; it has said why itself.
        """
        await self._launch()
        if not await self._healthy():
            await self._kill()
            raise StartError
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self, seconds: float) -> None:
        """Ask the process to stop; kill it if it has not after so many seconds."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(seconds):
                await process.wait()
        except TimeoutError:
            _log.warning("process.killed", name=self._program.name, after_seconds=seconds)
            await self._kill()

    async def _keep(self) -> None:
        while True:
            assert self._process is not None
            status = await self._process.wait()
            died = time.monotonic()
            _log.warning("process.died", name=self._program.name, status=status)
            await self._launch()
            while not await self._healthy():
                # It can't start now: its own words say why. The others go on meanwhile.
                await self._kill()
                await asyncio.sleep(_RETRY_SECONDS)
                await self._launch()
            took = round(time.monotonic() - died, 3)
            _log.warning("process.back", name=self._program.name, seconds=took)

    async def _launch(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self._program.module,
            env=self._program.environment,
            pass_fds=self._program.inherited,
            stdin=asyncio.subprocess.DEVNULL,
            # Ctrl-C in a terminal is for the supervisor, which stops the others in their order.
            process_group=0,
        )

    async def _healthy(self) -> bool:
        """Wait until the process serves; False if it ends or takes too long."""
        assert self._process is not None
        deadline = time.monotonic() + _START_SECONDS
        async with open_channel(self._program.address) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            while self._process.returncode is None and time.monotonic() < deadline:
                try:
                    answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=1)
                except grpc.aio.AioRpcError:
                    # Not there yet.
                    await asyncio.sleep(_LOOK_SECONDS)
                    continue
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return True
                await asyncio.sleep(_LOOK_SECONDS)
        return False

    async def _kill(self) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
