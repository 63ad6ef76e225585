"""Bodies of requests and answers that are too large to be held: they pass through, piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from gateway.asgi import Disconnected

if TYPE_CHECKING:
    from gateway.asgi import Message, Receive, Send

_DRAIN_SECONDS = 5.0


class Body:
    """The body of a request, as it comes.

    Arguments:
        receive: the server's, for this request.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = False

    async def pieces(self) -> AsyncGenerator[bytes]:
        """Yield the body piece by piece.

        Raises:
            Disconnected: the client left before the end.
        """
        while not self._ended:
            event = await self._receive()
            if event["type"] == "http.disconnect":
                raise Disconnected
            self._ended = not event.get("more_body", False)
            yield event.get("body", b"")

    def draining(self, send: Send) -> Send:
        """Return what sends an answer, and then lets the rest of the body come, for a while.

        A client that is still sending when the connection closes often never sees the answer.
        """

        async def send_and_drain(message: Message) -> None:
            if message["type"] != "http.response.body":
                await send(message)
                return
            # With this the client has all of the answer; the server takes it for unfinished.
            await send({**message, "more_body": True})
            await self._drain()
            await send({"type": "http.response.body"})

        return send_and_drain

    @asynccontextmanager
    async def watched(self) -> AsyncGenerator[asyncio.Task[None]]:
        """Give a task that is done as soon as the client has left, for as long as the context lasts."""
        watching = asyncio.create_task(self._until_gone())
        try:
            yield watching
        finally:
            watching.cancel()

    async def _until_gone(self) -> None:
        try:
            async for _ in self.pieces():
                pass
        except Disconnected:
            return
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                async for _ in self.pieces():
                    pass
        except (TimeoutError, Disconnected):
            return


class Answer:
    """The answer to a request, of which it is known whether it has begun.

    Arguments:
        send: the server's, for this request.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False

    async def send(self, message: Message) -> None:
        """Send a part of it."""
        self.begun = True
        await self._send(message)
