"""A line to the system that can be cut, as Playwright's own offline mode does not reach shared workers."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

_REQUEST = re.compile(rb"[A-Z]+ /(?:\S+/)?(\S*) HTTP/1\.1\r\n")
_CHUNK = 1 << 16


@dataclass(eq=False, slots=True)
class _Connection:
    """One connection that is carried: its ends, and the last part of the path of its latest request."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    request: str = ""

    def abort(self) -> None:
        self.near.transport.abort()
        self.far.transport.abort()


class Line:
    """Carries connections to a port of this machine, until it is cut.

    Arguments:
        port: where it leads to.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self.url = ""
        """Where it begins, as a browser has it."""
        self.loses_answers_to = ""
        """Breaks a connection off as soon as the answer to a request comes whose path ends so."""
        self.requests = Counter[str]()
        """How often each last part of a path has been asked for."""

    async def join(self) -> None:
        """Join the line; if it was cut, where it began before."""
        port = int(self.url.rpartition(":")[2] or 0)
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", port)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def cut(self) -> None:
        """Cut the line: what is under way breaks off, and nobody gets through."""
        assert self._server is not None
        self._server.close()
        for connection in self._connections:
            connection.abort()
        await self._server.wait_closed()

    def under_way(self, method: str) -> int:
        """Return how many connections carry a call of a streaming method."""
        return sum(connection.request == method for connection in self._connections)

    async def _carry(self, reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        try:
            far_reader, far = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            near.transport.abort()
            return
        connection = _Connection(near, far)

        def note(chunk: bytes) -> bool:
            if found := _REQUEST.match(chunk):
                connection.request = found[1].decode()
                self.requests[connection.request] += 1
            return True

        def is_let_through(_: bytes) -> bool:
            return not self.loses_answers_to or connection.request != self.loses_answers_to

        self._connections.add(connection)
        await asyncio.gather(
            _pass_on(reader, connection, far, note),
            _pass_on(far_reader, connection, near, is_let_through),
        )
        self._connections.discard(connection)


async def _pass_on(
    reader: asyncio.StreamReader,
    connection: _Connection,
    writer: asyncio.StreamWriter,
    is_let_through: Callable[[bytes], bool],
) -> None:
    """Pass bytes on in one direction; whatever ends it ends the other, too."""
    with suppress(ConnectionError):
        while (chunk := await reader.read(_CHUNK)) and is_let_through(chunk):
            writer.write(chunk)
            await writer.drain()
    connection.abort()


@asynccontextmanager
async def a_line(port: int) -> AsyncGenerator[Line]:
    """Lay a line to a port, for as long as the context lasts."""
    line = Line(port)
    await line.join()
    try:
        yield line
    finally:
        await line.cut()
