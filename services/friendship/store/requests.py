"""Reads and writes friend requests. Each is kept for good, so that an old id gets a true answer."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, insert, literal_column, not_, select, tuple_, update

from services.friendship.domain import Box, FriendRequest, RequestState
from services.friendship.schema import friend_requests, pairs

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

# Written into the SQL, not bound: only so is it known that the partial indexes serve.
_IS_PENDING = friend_requests.c.state == literal_column("0")


def to_request(row: Row[Any]) -> FriendRequest:
    """Read a request from its row."""
    return FriendRequest(
        request_id=row.request_id,
        requester_id=row.requester_id,
        addressee_id=row.addressee_id,
        state=RequestState(row.state),
        note=row.note,
        create_time=row.create_time,
    )


def insert_request(connection: Connection, request: FriendRequest) -> None:
    """Keep a new request."""
    connection.execute(
        insert(friend_requests).values(
            request_id=request.request_id,
            requester_id=request.requester_id,
            addressee_id=request.addressee_id,
            state=request.state.value,
            note=request.note,
            create_time=request.create_time,
        )
    )


def find_request(connection: Connection, request_id: str) -> FriendRequest | None:
    """Return a request by id."""
    return find_requests(connection, [request_id]).get(request_id)


def find_requests(connection: Connection, request_ids: Collection[str]) -> dict[str, FriendRequest]:
    """Return requests by their ids, in one query."""
    rows = connection.execute(
        select(friend_requests).where(friend_requests.c.request_id.in_(request_ids))
    )
    return {row.request_id: to_request(row) for row in rows}


def answer_request(connection: Connection, request: FriendRequest) -> None:
    """Write what has become of a request, and of its note."""
    connection.execute(
        update(friend_requests)
        .where(friend_requests.c.request_id == request.request_id)
        .values(state=request.state.value, note=request.note)
    )


def nth_latest_time(connection: Connection, requester_id: str, since: int, n: int) -> int | None:
    """Return when a person made their n-th latest request (from 1), if that was after a time."""
    made = friend_requests.c.create_time
    return connection.scalar(
        select(made)
        .where(friend_requests.c.requester_id == requester_id, made > since)
        .order_by(made.desc())
        .offset(n - 1)
        .limit(1)
    )


def has_pending(connection: Connection, requester_id: str, count: int) -> bool:
    """Tell whether at least this many of a person's requests are pending, hidden ones included."""
    query = (
        select(friend_requests.c.request_id)
        .where(friend_requests.c.requester_id == requester_id, _IS_PENDING)
        .order_by(friend_requests.c.create_time, friend_requests.c.request_id)
        .offset(count - 1)
        .limit(1)
    )
    return connection.scalar(query) is not None


def list_requests(
    connection: Connection,
    person_id: str,
    box: Box,
    before: tuple[int, str] | None,
    limit: int,
) -> list[FriendRequest]:
    """Return a person's pending requests, the newest first.

    Arguments:
        connection: to read on.
        person_id: whose.
        box: which of them.
        before: the time and id of the last one of the page before.
        limit: how many to return at most.
    """
    asked = friend_requests
    query = select(asked).where(_IS_PENDING)
    if box is Box.SENT:
        query = query.where(asked.c.requester_id == person_id)
    else:
        to_low = asked.c.addressee_id == pairs.c.low_id
        ignores = case((to_low, pairs.c.low_ignores), else_=pairs.c.high_ignores)
        blocks = case((to_low, pairs.c.low_blocks), else_=pairs.c.high_blocks)
        shown = not_(ignores) if box is Box.RECEIVED else and_(ignores, not_(blocks))
        query = query.join(pairs, pairs.c.request_id == asked.c.request_id).where(
            asked.c.addressee_id == person_id, shown
        )
    if before is not None:
        query = query.where(tuple_(asked.c.create_time, asked.c.request_id) < tuple_(*before))
    query = query.order_by(asked.c.create_time.desc(), asked.c.request_id.desc()).limit(limit)
    return [to_request(row) for row in connection.execute(query)]
