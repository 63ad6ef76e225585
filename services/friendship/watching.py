"""The live stream: a person's inbox, replayed from a cursor and followed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from chassis.inbox import CaughtUp, Logged
from services.friendship.commands import ABOUT_PEOPLE, SeenEvent, see_requests
from services.friendship.domain import EventKind
from services.friendship.store import requests as request_store

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from chassis.clock import Clock
    from chassis.inbox import Cursors, Entry, InboxReader


class Watching:
    """Follows inboxes on behalf of people.

    Arguments:
        reader: follows inboxes.
        cursors: makes and reads cursors.
        clock: tells the time of what is in no log.
    """

    def __init__(self, reader: InboxReader, cursors: Cursors, clock: Clock) -> None:
        self._reader = reader
        self._cursors = cursors
        self._clock = clock

    async def watch(self, person_id: str, cursor: str) -> AsyncIterator[tuple[SeenEvent, str]]:
        """Yield what happened after a cursor, that this is all, and what happens, with cursors.

        Raises:
            CursorInvalid, CursorExpired: the cursor is refused.
            StreamTooSlow, ServerStopping: the watch must begin again from its last cursor.
        """
        after = self._cursors.position(person_id, cursor)
        async for step in self._reader.follow(person_id, after, _see):
            here = self._cursors.at(person_id, step.position)
            if isinstance(step, Logged):
                yield step.item, here
            elif isinstance(step, CaughtUp):
                yield SeenEvent(self._clock()), here


def _see(connection: Connection, entries: Sequence[Entry]) -> list[SeenEvent]:
    """Return entries of one inbox as their person sees them, on the entries' own snapshot."""
    viewer_id = entries[0].person_id
    kinds = [EventKind(entry.kind) for entry in entries]
    of_requests = [
        entry.subject
        for entry, kind in zip(entries, kinds, strict=True)
        if kind not in ABOUT_PEOPLE
    ]
    requests = list(request_store.find_requests(connection, set(of_requests)).values())
    seen = {s.request.request_id: s for s in see_requests(connection, viewer_id, requests)}
    return [
        SeenEvent(entry.time, kind, person_id=entry.subject)
        if kind in ABOUT_PEOPLE
        else SeenEvent(entry.time, kind, request=seen[entry.subject])
        for entry, kind in zip(entries, kinds, strict=True)
    ]
