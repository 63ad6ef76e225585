"""A NATS server for tests: a real one, which can be killed and come back where it was."""

from __future__ import annotations

import asyncio
import atexit
import shutil
import signal
import subprocess
import sys
import tempfile
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
        self._folder = tempfile.TemporaryDirectory(prefix="pp-bus")
        self._configuration = Path(self._folder.name) / "nats.conf"
        self.url = f"nats://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Start it, or start it again; return once it takes connections."""
        self._configure("")
        self._process = await asyncio.create_subprocess_exec(
            _program(), "-c", str(self._configuration), stderr=asyncio.subprocess.DEVNULL
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

    def _configure(self, more: str) -> None:
        self._configuration.write_text(f'listen: "127.0.0.1:{self._port}"\n{more}\n')

    def reconfigure(self, more: str) -> None:
        """Let it read another configuration while it runs, as an operator may."""
        self._configure(more)
        self.send_signal(signal.SIGHUP)

    async def until_greeting(self, part: bytes) -> None:
        """Wait until what it greets everybody with has a part."""
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            greeting = await reader.readline()
            writer.close()
            await writer.wait_closed()
            if part in greeting:
                return

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to its process."""
        assert self._process is not None
        self._process.send_signal(number)

    async def kill(self) -> None:
        """End it without a word."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None

    async def close(self) -> None:
        """End it, and forget how it was configured."""
        await self.kill()
        self._folder.cleanup()


@asynccontextmanager
async def a_bus() -> AsyncGenerator[Bus]:
    """Run a NATS server for as long as the context lasts."""
    bus = Bus()
    await bus.start()
    try:
        yield bus
    finally:
        await bus.close()


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
