"""Someone who watches one stream while others act, and what it has told them of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable
from typing import Any

Told = tuple[str, str, int]
"""The kind of an event, what it is about, and its number; 0 where there is none."""


class Watcher:
    """Someone's stream, and what it has told of.

    Arguments:
        responses: the stream, from the beginning.
        told: says what an event that is not `caught_up` tells of.
    """

    def __init__(self, responses: AsyncIterable[Any], told: Callable[[Any], Told]) -> None:
        self._responses = responses
        self._told = told
        self._news = asyncio.Condition()
        self._is_live = False
        self.seen: list[Told] = []

    async def watch(self) -> None:
        """Watch until cancelled."""
        async for response in self._responses:
            async with self._news:
                if response.event.HasField("caught_up"):
                    self._is_live = True
                else:
                    self.seen.append(self._told(response.event))
                self._news.notify_all()

    async def live(self) -> None:
        """Wait until it has caught up."""
        async with self._news:
            await self._news.wait_for(lambda: self._is_live)

    async def told_of(self, count: int) -> None:
        """Wait until it has told of so many events."""
        async with self._news:
            await self._news.wait_for(lambda: len(self.seen) >= count)
