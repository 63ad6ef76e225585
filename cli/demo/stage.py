"""Tells the play as it goes on, and stops it at the first thing that is not as it should be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

from rich.text import Text

from cli.errors import CliError
from cli.output import console

EVENT_SECONDS = 10.0
"""How long something that must happen may take to be told."""


class Differs(Exception):
    """An answer is not what it should be; the message says which and how."""


class Stage:
    """Tells what happens, and checks that it is what should."""

    def __init__(self) -> None:
        self.checked = 0
        self._scene = ""

    def scene(self, title: str) -> None:
        """Begin the next part."""
        self._scene = title
        console().print(Text(f"\n{title}", "bold"))

    def expect(self, claim: str, actual: object, wanted: object = True) -> None:
        """Check one thing and tell it.

        Arguments:
            claim: what should be so.
            actual: what is.
            wanted: what should be.

        Raises:
            Differs: it is not so.
        """
        if actual != wanted:
            raise Differs(
                f"{self._scene}: {claim}\n  should be: {wanted!r}\n  but is:    {actual!r}"
            )
        self.checked += 1
        console().print(Text.assemble(("  ✓ ", "green"), claim))

    async def expect_refusal(self, claim: str, call: Awaitable[object], reason: str) -> None:
        """Check that a call is refused for a reason, and tell it."""
        try:
            await call
        except CliError as error:
            self.expect(f"{claim} ({reason})", error.reason, reason)
        else:
            raise Differs(f"{self._scene}: {claim}\n  should be refused: {reason}\n  but is done")


class Told(Protocol):
    """A watch's response, of either service."""

    @property
    def event(self) -> Any:
        """What happened."""


class Log:
    """All that one watch has told so far."""

    def __init__(self, whose: str) -> None:
        self._whose = whose
        self._events: list[Any] = []
        self._news = asyncio.Condition()

    async def follow(self, watch: AsyncIterator[Told]) -> None:
        """Take in what a watch tells, until cancelled."""
        async for response in watch:
            async with self._news:
                self._events.append(response.event)
                self._news.notify_all()

    async def find(self, kind: str, matches: Callable[[Any], bool] = lambda _: True) -> Any:
        """Return the first event of a kind that matches, as soon as it is told.

        Raises:
            Differs: it is not told in time.
        """
        try:
            async with asyncio.timeout(EVENT_SECONDS), self._news:
                await self._news.wait_for(lambda: self.count(kind, matches) > 0)
        except TimeoutError:
            raise Differs(f"{self._whose} should be told of {kind}, but is not") from None
        return self._found(kind, matches)[0]

    def count(self, kind: str, matches: Callable[[Any], bool]) -> int:
        """Return how many events of a kind match."""
        return len(self._found(kind, matches))

    def _found(self, kind: str, matches: Callable[[Any], bool]) -> list[Any]:
        of_kind = [
            getattr(event, kind) for event in self._events if event.WhichOneof("kind") == kind
        ]
        return [each for each in of_kind if matches(each)]
