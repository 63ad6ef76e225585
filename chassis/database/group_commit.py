"""Group commit: all that queued up during the last commit is decided and committed as one transaction."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import structlog

from chassis.database.engine import is_conflict, is_cut, is_operational, take_turn
from chassis.refusals import Expired, OutcomeUnknown, Refusal, StorageUnavailable

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

Piece = TypeVar("Piece")
Result = TypeVar("Result")
Decide = Callable[["Connection", Sequence[Piece]], Sequence[Any]]
"""Carries out pieces in one transaction; returns for each its result, or the `Refusal` of it."""

_ATTEMPTS = 5
"""How often a batch is carried out again whose locks got in another writer's way."""
_log = structlog.get_logger(__name__)


def apply_each(
    connection: Connection, pieces: Sequence[Callable[[Connection], Result]]
) -> list[Result | Refusal]:
    """Carry out functions one after the other in one transaction, each whole or not at all."""
    results: list[Result | Refusal] = []
    for piece in pieces:
        try:
            with connection.begin_nested():
                results.append(piece(connection))
        except Refusal as refusal:
            results.append(refusal)
    return results


def apply_in_turn(
    connection: Connection, pieces: Sequence[Callable[[Connection], Result]]
) -> list[Result | Refusal]:
    """Carry out functions as `apply_each`, while no other replica's writer is in a transaction.

    They may then lock rows in any order, and count what only writers change.
    """
    take_turn(connection)
    return apply_each(connection, pieces)


@dataclass(slots=True)
class _Entry(Generic[Piece]):
    piece: Piece
    deadline: float | None
    future: asyncio.Future[Any]


class GroupCommit(Generic[Piece]):
    """The one writer of a database, on a thread of its own.

    Arguments:
        engine: a writing engine.
        decide: carries out a batch of pieces in a transaction.
        announce: called on the event loop with each result once it is durable, also when nobody
            waits for it any more.
        max_batch: how many pieces a transaction holds at most.
    """

    def __init__(
        self,
        engine: Engine,
        decide: Decide[Piece],
        announce: Callable[[Any], None] | None = None,
        max_batch: int = 512,
    ) -> None:
        self._engine = engine
        self._decide = decide
        self._announce = announce
        self._max_batch = max_batch
        self._loop = asyncio.get_running_loop()
        self._gathered: list[_Entry[Piece]] = []
        self._queue: queue.SimpleQueue[list[_Entry[Piece]] | None] = queue.SimpleQueue()
        self._closing = False
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def submit(self, piece: Piece, deadline: float | None = None) -> asyncio.Future[Any]:
        """Queue a piece for the next transaction.

        A piece whose future is cancelled, or whose deadline passes, before its transaction begins
        is dropped.

        Arguments:
            piece: what to do.
            deadline: on the clock of `time.monotonic`, or None.

        Returns:
            A future of the result, resolved after the commit. It raises the piece's `Refusal`;
            `Expired`; `StorageUnavailable` when nothing was stored; `OutcomeUnknown` when that
            can't be known.
        """
        entry = _Entry(piece, deadline, self._loop.create_future())
        if self._closing:
            entry.future.set_exception(StorageUnavailable())
        else:
            if not self._gathered:
                # All that is submitted in one turn of the loop goes over as one, or the thread would
                # be away with the first piece when the second comes.
                self._loop.call_soon(self._hand_over)
            self._gathered.append(entry)
        return entry.future

    def _hand_over(self) -> None:
        if self._gathered:
            self._queue.put(self._gathered)
            self._gathered = []

    async def close(self) -> None:
        """Finish what is queued and end the thread."""
        self._closing = True
        self._hand_over()
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        closing = False
        while not closing:
            batch: list[_Entry[Piece]] = []
            entries = self._queue.get()
            while entries is not None:
                batch += entries
                if len(batch) >= self._max_batch:
                    break
                try:
                    entries = self._queue.get_nowait()
                except queue.Empty:
                    break
            closing = entries is None
            for start in range(0, len(batch), self._max_batch):
                part = batch[start : start + self._max_batch]
                outcomes = self._carry_out(part)
                self._loop.call_soon_threadsafe(self._resolve, part, outcomes)
        if self._connection is not None:
            self._connection.close()

    def _carry_out(self, batch: list[_Entry[Piece]]) -> list[Any]:
        now = time.monotonic()
        outcomes: list[Any] = [
            Expired() if entry.deadline is not None and entry.deadline <= now else None
            for entry in batch
        ]
        live = [
            index
            for index, entry in enumerate(batch)
            if outcomes[index] is None and not entry.future.cancelled()
        ]
        if live:
            results = self._commit([batch[index].piece for index in live])
            for index, result in zip(live, results, strict=True):
                outcomes[index] = result
        return outcomes

    def _commit(self, pieces: list[Piece], attempt: int = 1) -> Sequence[Any]:
        begun = decided = False
        # Kept from one transaction to the next: to check it out costs as much as ten statements.
        was_kept = self._connection is not None
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
            transaction = self._connection.begin()
            begun = True
            outcomes = self._decide(self._connection, pieces)
            decided = True
            transaction.commit()
        except Exception as error:  # noqa: BLE001 - it is the outcome of the pieces
            cut = is_cut(self._connection)
            self._discard_connection()
            if is_conflict(error) and attempt < _ATTEMPTS:
                # Of two writers that waited for each other, this one was undone.
                _log.warning("batch.repeated", pieces=len(pieces), error=type(error).__name__)
                return self._commit(pieces, attempt + 1)
            if decided:
                _log.error("commit.failed", pieces=len(pieces), error=type(error).__name__)
                return [OutcomeUnknown() for _ in pieces]
            if cut and was_kept:
                # Nothing is stored, and the server may be back since it was last spoken with.
                _log.warning("connection.renewed", error=type(error).__name__)
                return self._commit(pieces, attempt)
            # No piece is at fault for what the server could not do: one try, one wait.
            if is_operational(self._engine, error):
                _log.exception("write.unavailable", pieces=len(pieces))
                return [StorageUnavailable() for _ in pieces]
            if begun and len(pieces) > 1:
                # One of them may be at fault: the others must not suffer for it.
                _log.warning("batch.split", pieces=len(pieces), error=type(error).__name__)
                return [self._commit([piece])[0] for piece in pieces]
            return [error for _ in pieces]
        return outcomes

    def _discard_connection(self) -> None:
        # It may still be in the transaction, and would be in the way of the next one.
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None

    def _resolve(self, batch: list[_Entry[Piece]], outcomes: list[Any]) -> None:
        for entry, outcome in zip(batch, outcomes, strict=True):
            if entry.future.done():
                continue
            if isinstance(outcome, Exception):
                entry.future.set_exception(outcome)
            else:
                entry.future.set_result(outcome)
        if self._announce is None:
            return
        # Those who wait for an answer go on only when this is done.
        for outcome in outcomes:
            if outcome is None or isinstance(outcome, Exception):
                continue
            try:
                self._announce(outcome)
            except Exception:  # noqa: BLE001 - logged; the others are announced, and all is durable
                _log.exception("announce.failed")
