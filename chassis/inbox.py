"""Inboxes: for each person a log, without gaps, of references to what happened; streams read it.

An entry is written in the transaction of what it tells of; what it refers to is rendered when it is
read. A stream replays the log from a cursor, says that it has caught up, and follows it live.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from sqlalchemy import BigInteger, Column, MetaData, String, Table, select

from chassis.database.sets import CountUp, InsertRows
from chassis.database.types import ordered_text
from chassis.refusals import CursorExpired, CursorInvalid, ServerStopping, StreamTooSlow

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator

    from sqlalchemy import Connection

    from chassis.database import Database
    from chassis.doorbell import Doorbell
    from chassis.paging import TokenSigner

Rendered = TypeVar("Rendered")

_PAGE = 200


class Entry(NamedTuple):
    """One line of a person's log.

    Attributes:
        person_id: whose log it is in.
        kind: what happened, a word of the service's own.
        subject: the id of what it happened to.
        number: a number that goes with it, for example a message's place in its channel.
        actor: who did it, where that is not clear from the subject.
        time: when, in microseconds since 1970.
        position: its place in the log, from 1; 0 until it has one.
    """

    person_id: str
    kind: str
    subject: str
    time: int
    number: int = 0
    actor: str = ""
    position: int = 0


class InboxTables:
    """The two tables of all inboxes of one database.

    Arguments:
        metadata: where they are declared.
    """

    def __init__(self, metadata: MetaData) -> None:
        self.heads = Table(
            "inbox_heads",
            metadata,
            Column("person_id", ordered_text(255), primary_key=True),
            Column("position", BigInteger, nullable=False),
        )
        self.entries = Table(
            "inbox_entries",
            metadata,
            Column("person_id", ordered_text(255), primary_key=True),
            Column("position", BigInteger, primary_key=True, autoincrement=False),
            Column("kind", String(32), nullable=False),
            Column("subject", String(255), nullable=False),
            Column("number", BigInteger, nullable=False),
            Column("actor", String(255), nullable=False),
            Column("time", BigInteger, nullable=False),
            sqlite_with_rowid=False,
        )
        self._move_heads = CountUp(self.heads, self.heads.c.person_id, self.heads.c.position)
        self._insert_entries = InsertRows(self.entries)

    def append(self, connection: Connection, entries: Sequence[Entry]) -> dict[str, int]:
        """Write entries, in their order, at the ends of their inboxes.

        Costs two statements whatever the number of entries.

        Returns:
            The new last position of each inbox, to ring with after the commit.
        """
        if not entries:
            return {}
        heads = self._move_heads.execute(connection, Counter(entry.person_id for entry in entries))
        positions = dict(heads)
        rows: list[tuple[Any, ...]] = []
        # From the last to the first: the head that was counted up is the place of the last.
        for entry in reversed(entries):
            person_id = entry.person_id
            position = positions[person_id]
            positions[person_id] = position - 1
            rows.append(
                (
                    person_id,
                    position,
                    entry.kind,
                    entry.subject,
                    entry.number,
                    entry.actor,
                    entry.time,
                )
            )
        self._insert_entries.execute(connection, rows)
        return heads

    def head(self, connection: Connection, person_id: str) -> int:
        """Return the last position of a person's inbox, 0 if it is empty."""
        return (
            connection.scalar(
                select(self.heads.c.position).where(self.heads.c.person_id == person_id)
            )
            or 0
        )

    def read(self, connection: Connection, person_id: str, after: int, limit: int) -> list[Entry]:
        """Return the entries that follow a position, the oldest first."""
        log = self.entries
        rows = connection.execute(
            select(log)
            .where(log.c.person_id == person_id, log.c.position > after)
            .order_by(log.c.position)
            .limit(limit)
        )
        return [
            Entry(
                person_id=row.person_id,
                kind=row.kind,
                subject=row.subject,
                number=row.number,
                actor=row.actor,
                time=row.time,
                position=row.position,
            )
            for row in rows
        ]


class Cursors:
    """Cursors of one log: opaque strings of a person, the log's generation and a position.

    Arguments:
        signer: seals them.
        log: names the log, so that no other's cursors fit.
        generation: the life of the database; see `LogSecrets`.
    """

    def __init__(self, signer: TokenSigner, log: str, generation: str) -> None:
        self._signer = signer
        self._log = log
        self._generation = generation

    def at(self, person_id: str, position: int) -> str:
        """Return the cursor that stands behind a position."""
        return self._signer.seal([self._generation, position], "cursor", self._log, person_id)

    def position(self, person_id: str, cursor: str) -> int:
        """Return the position that a cursor stands behind; 0 for an empty one.

        Raises:
            CursorInvalid: it was not given to this person by this log.
            CursorExpired: it is of another life of the log.
        """
        if not cursor:
            return 0
        try:
            generation, position = self._signer.open(cursor, "cursor", self._log, person_id)
        except ValueError as error:
            raise CursorInvalid from error
        if generation != self._generation:
            raise CursorExpired
        return int(position)


@dataclass(frozen=True, slots=True)
class Logged(Generic[Rendered]):
    """An entry of the log, rendered, and its position."""

    position: int
    item: Rendered


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """All that was in the log when the watch began has been sent."""

    position: int


@dataclass(frozen=True, slots=True)
class Whispered:
    """Something fleeting that is in no log."""

    position: int
    whisper: bytes


class InboxReader:
    """Follows inboxes live.

    Arguments:
        database: where the inboxes are.
        tables: their tables.
        doorbell: tells when one has grown.
        stopping: set when the server stops.
        max_lag: how many entries behind the end of the log a live stream may fall.
        poll_seconds: how often the log is looked at without a ring.
    """

    def __init__(
        self,
        database: Database[Any],
        tables: InboxTables,
        doorbell: Doorbell,
        stopping: asyncio.Event,
        *,
        max_lag: int,
        poll_seconds: float,
    ) -> None:
        self._database = database
        self._tables = tables
        self._doorbell = doorbell
        self._stopping = stopping
        self._max_lag = max_lag
        self._poll_seconds = poll_seconds

    async def follow(
        self,
        person_id: str,
        after: int,
        render: Callable[[Connection, Sequence[Entry]], Sequence[Rendered]],
    ) -> AsyncIterator[Logged[Rendered] | CaughtUp | Whispered]:
        """Yield what follows a position, then `CaughtUp`, then what happens, without end.

        Nothing is buffered: what a slow reader has not taken yet is still in the log.

        Arguments:
            person_id: whose inbox.
            after: the position to begin behind.
            render: turns entries into what the caller is sent, one for each, on the snapshot that
                they were read from.

        Raises:
            CursorExpired: the log ends before this position.
            StreamTooSlow: the reader fell more than `max_lag` entries behind.
            ServerStopping: the server stops.
        """

        def page(connection: Connection) -> tuple[int, Sequence[Entry], Sequence[Rendered]]:
            head = self._tables.head(connection, person_id)
            entries = self._tables.read(connection, person_id, position, _PAGE)
            return head, entries, render(connection, entries) if entries else ()

        position = after
        goal: int | None = None
        caught_up = False
        with self._doorbell.listen(person_id) as listener:
            while True:
                if self._stopping.is_set():
                    raise ServerStopping
                whispers = listener.take_whispers()
                head, entries, rendered = await self._database.read(page)
                if goal is None:
                    goal = head
                    if after > head:
                        raise CursorExpired
                if caught_up and head - position > self._max_lag:
                    raise StreamTooSlow
                for entry, item in zip(entries, rendered, strict=True):
                    position = entry.position
                    yield Logged(position, item)
                if not caught_up and position >= goal:
                    caught_up = True
                    yield CaughtUp(position)
                for whisper in whispers:
                    yield Whispered(position, whisper)
                if len(entries) < _PAGE:
                    await listener.wait(self._poll_seconds)
