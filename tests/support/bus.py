"""A NATS server for tests: a real one, which can be killed and come back where it was."""

from __future__ import annotations

import asyncio
import atexit
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

from bench.system import free_port

_PATIENCE_SECONDS = 20.0


class Bus:
    """A NATS server on a port of its own."""

    def __init__(self) -> None:
        self._port = free_port()
        self._process: asyncio.subprocess.Process | None = None
        self.url = f"nats://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Start it, or start it again; return once it takes connections."""
        self._process = await asyncio.create_subprocess_exec(
            _program(), "-a", "127.0.0.1", "-p", str(self._port), stderr=asyncio.subprocess.DEVNULL
        )
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self._port)
                except ConnectionError:
                    await asyncio.sleep(0)
                else:
                    writer.close()
                    return

    async def kill(self) -> None:
        """End it without a word."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None


@asynccontextmanager
async def a_bus() -> AsyncGenerator[Bus]:
    """Run a NATS server for as long as the context lasts."""
    bus = Bus()
    await bus.start()
    try:
        yield bus
    finally:
        await bus.kill()


@cache
def shared_bus() -> str:
    """Return the URL of a NATS server that runs until this process ends."""
    port = free_port()
    process = subprocess.Popen(
        [_program(), "-a", "127.0.0.1", "-p", str(port)], stderr=subprocess.DEVNULL
    )
    atexit.register(process.kill)
    return f"nats://127.0.0.1:{port}"


def _program() -> str:
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    assert found, "nats-server comes with the development dependencies: make .venv"
    return found
