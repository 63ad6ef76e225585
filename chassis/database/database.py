"""What a service holds of its database: one writer, a few readers, and the secrets that live in it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from chassis.database.engine import is_cut, is_operational, open_engine
from chassis.database.group_commit import GroupCommit
from chassis.refusals import Refusal, StorageUnavailable

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from chassis.database.group_commit import Decide

Piece = TypeVar("Piece")
Result = TypeVar("Result")


class Database(Generic[Piece]):
    """One service's database. Open it inside a running event loop.

    Arguments:
        url: an SQLAlchemy URL.
        decide: carries out a batch of writes; see `GroupCommit`.
        announce: told of each result once it is durable; see `GroupCommit`.
        readers: how many reads run at once.
    """

    def __init__(
        self,
        url: str,
        decide: Decide[Piece],
        announce: Callable[[Any], None] | None = None,
        readers: int = 4,
    ) -> None:
        self._write_engine = open_engine(url, read_only=False, pool_size=1)
        self._read_engine = open_engine(url, read_only=True, pool_size=readers)
        self._pool = ThreadPoolExecutor(readers, thread_name_prefix="reader")
        self._of_thread = threading.local()
        self._read_connections: set[Connection] = set()
        self._writer = GroupCommit(self._write_engine, decide, announce)

    def write(self, piece: Piece, deadline: float | None = None) -> asyncio.Future[Any]:
        """Queue a write for the next transaction; see `GroupCommit.submit`."""
        return self._writer.submit(piece, deadline)

    async def read(self, query: Callable[[Connection], Result]) -> Result:
        """Run a query on a consistent snapshot, on a reader's thread.

        Raises:
            StorageUnavailable: the database can't be read now.
        """
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._read, query)

    def _read(self, query: Callable[[Connection], Result]) -> Result:
        was_kept = getattr(self._of_thread, "connection", None) is not None
        try:
            with self._read_connection().begin() as transaction:
                return query(transaction.connection)
        except Refusal:
            raise
        except Exception as error:
            cut = is_cut(getattr(self._of_thread, "connection", None))
            # Whatever it was: the next read begins with a connection that is not in question.
            self._discard_read_connection()
            if cut and was_kept:
                # The server may be back since it was last spoken with.
                return self._read(query)
            if is_operational(self._read_engine, error):
                raise StorageUnavailable from error
            raise

    def _read_connection(self) -> Connection:
        # Kept by each thread: to check one out costs more than most queries do.
        connection: Connection | None = getattr(self._of_thread, "connection", None)
        if connection is None:
            connection = self._of_thread.connection = self._read_engine.connect()
            self._read_connections.add(connection)
        return connection

    def _discard_read_connection(self) -> None:
        connection: Connection | None = getattr(self._of_thread, "connection", None)
        if connection is not None:
            self._of_thread.connection = None
            self._read_connections.discard(connection)
            connection.invalidate()
            connection.close()

    async def close(self) -> None:
        """Finish the writes that are queued and close all connections."""
        await self._writer.close()
        self._pool.shutdown()
        for connection in self._read_connections:
            connection.close()
        self._write_engine.dispose()
        self._read_engine.dispose()
