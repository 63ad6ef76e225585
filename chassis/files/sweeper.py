"""Sweeps up what nobody can reach any more: at start, now and then, and soon when there is reason to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

_log = structlog.get_logger(__name__)


class Sweeper:
    """Runs a sweep again and again.

    Arguments:
        seconds: how long to wait from one sweep to the next, if nothing calls for it sooner.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self, sweep: Callable[[], Awaitable[object]]) -> None:
        """Sweep at once, and from now on.

        Arguments:
            sweep: removes what is due. What it raises is logged, and it is called again.
        """
        self._task = asyncio.create_task(self._run(sweep))

    def nudge(self) -> None:
        """Sweep soon: there is something to remove."""
        self._due.set()

    async def close(self) -> None:
        """Stop. What is due then is swept after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, sweep: Callable[[], Awaitable[object]]) -> None:
        while True:
            self._due.clear()
            try:
                await sweep()
            except Exception:  # noqa: BLE001 - whatever it was, the next sweep may do it
                _log.exception("sweep.failed")
            try:
                async with asyncio.timeout(self._seconds):
                    await self._due.wait()
            except TimeoutError:
                continue
