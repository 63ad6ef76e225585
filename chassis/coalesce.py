"""Batching without waiting: what arrives while a batch is in flight leaves in the next one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

Item = TypeVar("Item")
Result = TypeVar("Result")


class Coalescer(Generic[Item, Result]):
    """Turns single calls into batched ones, one batch in flight at a time.

    A call that finds nothing in flight leaves at once, so that a lone caller waits for nobody. A
    batch only holds what had arrived when it left, which makes its answer as fresh as a call of
    one's own.

    Arguments:
        call_many: answers a batch, in the order of its items; what it raises, every caller of the
            batch gets.
        max_batch: how many items a batch holds at most.
    """

    def __init__(
        self,
        call_many: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        max_batch: int = 256,
    ) -> None:
        self._call_many = call_many
        self._max_batch = max_batch
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._sender: asyncio.Task[None] | None = None

    async def call(self, item: Item) -> Result:
        """Answer one item as part of a batch. One that is cancelled before it left does not leave."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_all())
        return await future

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                batch = [pair for pair in self._waiting[: self._max_batch] if not pair[1].done()]
                del self._waiting[: self._max_batch]
                if batch:
                    await self._send(batch)
        finally:
            self._sender = None
            # Only one that was cancelled leaves callers behind.
            for _, future in self._waiting:
                future.cancel()
            self._waiting.clear()

    async def _send(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._call_many([item for item, _ in batch])
            answers = list(zip(batch, results, strict=True))
        except Exception as error:  # noqa: BLE001 - it is handed to the callers, who asked
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        except BaseException:
            # Cancelled: nobody else will ever answer these callers.
            for _, future in batch:
                future.cancel()
            raise
        for (_, future), result in answers:
            if not future.done():
                future.set_result(result)

    async def close(self) -> None:
        """Cancel what is in flight and what waits. Callers get CancelledError."""
        waiting, self._waiting = self._waiting, []
        for _, future in waiting:
            future.cancel()
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)
