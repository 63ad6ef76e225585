"""Asking, answering, removing, blocking: commands upon pairs of people, and their lists."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from services.friendship import commands
from services.friendship.commands import Change, Limits, SeenRequest, see_requests
from services.friendship.domain import (
    Action,
    Box,
    FriendRequest,
    Grant,
    RequestState,
    SeenPerson,
)
from services.friendship.refusals import RevocationPending
from services.friendship.schema import inbox
from services.friendship.store import pairs as pair_store
from services.friendship.store import people as people_store
from services.friendship.store import requests as request_store

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from chassis.clock import Clock, NewId
    from chassis.database import Database
    from services.friendship.delivery import Delivery
    from services.friendship.store import Write

_NO_GRANT = Grant()
_OPENING_PATIENCE = 1.0
_REPLY_SECONDS = 0.1
"""How much of the caller's time is left for the answer to travel back."""


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """A page of people.

    Attributes:
        people: who is on it.
        end: the handle of the last one, if more follow.
        head: the end of the caller's log on the same snapshot.
    """

    people: list[SeenPerson]
    end: str | None
    head: int


@dataclass(frozen=True, slots=True)
class RequestPage:
    """A page of requests.

    Attributes:
        requests: what is on it.
        end: the time and id of the last one, if more follow.
        head: the end of the caller's log on the same snapshot.
    """

    requests: list[SeenRequest]
    end: tuple[int, str] | None
    head: int


class Friendships:
    """What people do with each other.

    Arguments:
        database: the service's database.
        delivery: tells the messaging service.
        clock: tells the time.
        new_id: makes the ids of requests.
        limits: how much one person may ask.
        revocation_timeout: for how many seconds an ending waits until the channel is closed.
    """

    def __init__(
        self,
        database: Database[Write],
        delivery: Delivery,
        clock: Clock,
        new_id: NewId,
        limits: Limits,
        revocation_timeout: float,
    ) -> None:
        self._database = database
        self._delivery = delivery
        self._clock = clock
        self._new_id = new_id
        self._limits = limits
        self._revocation_timeout = revocation_timeout

    async def send(
        self, caller_id: str, person_id: str, note: str, deadline: float | None
    ) -> SeenRequest:
        """Ask a person to be friends; if they have asked the caller, become friends.

        Returns:
            The request that is pending, or that made the two friends.

        Raises:
            NotWithYourself, ProfileRequired, PersonNotFound: there are no two people to be friends.
            PersonBlocked: the caller blocks the other.
            TooManyRequests, TooManyPendingRequests: a limit is reached.
        """
        request = FriendRequest(
            request_id=self._new_id(),
            requester_id=caller_id,
            addressee_id=person_id,
            state=RequestState.PENDING,
            note=note,
            create_time=self._clock(),
        )
        change = await self._write(
            partial(commands.send, request=request, limits=self._limits), deadline
        )
        await self._wait_until_open(change, deadline)
        return _seen(change)

    async def cancel(self, caller_id: str, request_id: str, deadline: float | None) -> SeenRequest:
        """Take back a request of the caller's.

        Raises:
            RequestNotFound: there is no such request of the caller's.
            RequestNotPending: it has been accepted.
        """
        return _seen(await self._answer(Action.CANCEL, caller_id, request_id, deadline))

    async def accept(self, caller_id: str, request_id: str, deadline: float | None) -> SeenRequest:
        """Accept a request made to the caller.

        Raises:
            RequestNotFound: there is no such request to the caller.
            RequestNotPending: it was cancelled, or its friendship has ended.
            PersonBlocked: the caller blocks the requester.
        """
        change = await self._answer(Action.ACCEPT, caller_id, request_id, deadline)
        await self._wait_until_open(change, deadline)
        return _seen(change)

    async def ignore(self, caller_id: str, request_id: str, deadline: float | None) -> SeenRequest:
        """Put a request made to the caller out of sight; the requester is not to know.

        Raises:
            RequestNotFound: there is no such request to the caller.
            RequestNotPending: it has been accepted or cancelled.
        """
        return _seen(await self._answer(Action.IGNORE, caller_id, request_id, deadline))

    async def remove(self, caller_id: str, person_id: str, deadline: float | None) -> None:
        """End a friendship and wait until its channel is closed.

        Raises:
            NotWithYourself, ProfileRequired, PersonNotFound: there are no two people.
            RevocationPending: the friendship has ended, its channel may not be closed yet.
        """
        await self._wait_until_closed(
            await self._act(Action.REMOVE, caller_id, person_id, deadline), deadline
        )

    async def block(self, caller_id: str, person_id: str, deadline: float | None) -> None:
        """Block a person, end the friendship and wait until its channel is closed.

        Raises:
            NotWithYourself, ProfileRequired, PersonNotFound: there are no two people.
            RevocationPending: the person is blocked, the channel may not be closed yet.
        """
        await self._wait_until_closed(
            await self._act(Action.BLOCK, caller_id, person_id, deadline), deadline
        )

    async def unblock(self, caller_id: str, person_id: str, deadline: float | None) -> None:
        """End a block. Nothing comes back.

        Raises:
            NotWithYourself, ProfileRequired, PersonNotFound: there are no two people.
        """
        await self._act(Action.UNBLOCK, caller_id, person_id, deadline)

    async def list_requests(
        self, caller_id: str, box: Box, before: tuple[int, str] | None, limit: int
    ) -> RequestPage:
        """Return a page of the caller's pending requests, the newest first."""

        def read(connection: Connection) -> RequestPage:
            found = request_store.list_requests(connection, caller_id, box, before, limit + 1)
            page = found[:limit]
            end = (page[-1].create_time, page[-1].request_id) if len(found) > limit else None
            head = inbox.head(connection, caller_id)
            return RequestPage(see_requests(connection, caller_id, page), end, head)

        return await self._database.read(read)

    async def list_friends(self, caller_id: str, after_handle: str, limit: int) -> PeoplePage:
        """Return a page of the caller's friends, by handle."""
        return await self._list(pair_store.list_friends, caller_id, after_handle, limit)

    async def list_blocked(self, caller_id: str, after_handle: str, limit: int) -> PeoplePage:
        """Return a page of those whom the caller blocks, by handle."""
        return await self._list(pair_store.list_blocked, caller_id, after_handle, limit)

    async def authorize(self, wanted: Sequence[tuple[str, str]]) -> list[Grant]:
        """Say of each pair of ids, in any order, whether they are friends, and in which epoch."""
        keys = [(one, other) if one < other else (other, one) for one, other in wanted]
        found = await self._database.read(lambda c: pair_store.read_grants(c, set(keys)))
        return [found.get(key, _NO_GRANT) for key in keys]

    async def _list(
        self,
        query: Callable[[Connection, str, str, int], list[tuple[str, str]]],
        caller_id: str,
        after_handle: str,
        limit: int,
    ) -> PeoplePage:
        def read(connection: Connection) -> PeoplePage:
            found = query(connection, caller_id, after_handle, limit + 1)
            page = found[:limit]
            seen = people_store.seen_by(connection, caller_id, [who for _, who in page])
            end = page[-1][0] if len(found) > limit else None
            head = inbox.head(connection, caller_id)
            return PeoplePage([seen[who] for _, who in page], end, head)

        return await self._database.read(read)

    async def _act(
        self, action: Action, caller_id: str, person_id: str, deadline: float | None
    ) -> Change:
        write = partial(
            commands.act, action=action, caller_id=caller_id, person_id=person_id, now=self._clock()
        )
        return await self._write(write, deadline)

    async def _answer(
        self, action: Action, caller_id: str, request_id: str, deadline: float | None
    ) -> Change:
        write = partial(
            commands.answer,
            action=action,
            caller_id=caller_id,
            request_id=request_id,
            now=self._clock(),
        )
        return await self._write(write, deadline)

    async def _write(self, write: Callable[[Connection], Change], deadline: float | None) -> Change:
        change: Change = await self._database.write(write, deadline)
        return change

    async def _wait_until_open(self, change: Change, deadline: float | None) -> None:
        """Let the channel open before the answer, so that it is there when its people look.

        It need not be: a first send opens it by asking.
        """
        record = change.record
        if record.open and record.delivered_epoch < record.epoch:
            patience = _within(deadline, _OPENING_PATIENCE)
            await self._delivery.wait(record.pair, record.epoch, patience)

    async def _wait_until_closed(self, change: Change, deadline: float | None) -> None:
        record = change.record
        if record.delivered_epoch >= record.epoch:
            return
        patience = _within(deadline, self._revocation_timeout)
        if not await self._delivery.wait(record.pair, record.epoch, patience):
            raise RevocationPending


def _within(deadline: float | None, seconds: float) -> float:
    """Return for how long to wait at most, so that the answer still reaches the caller."""
    if deadline is None:
        return seconds
    return min(seconds, deadline - time.monotonic() - _REPLY_SECONDS)


def _seen(change: Change) -> SeenRequest:
    assert change.seen is not None
    return change.seen
