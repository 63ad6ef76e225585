"""What a command upon a pair writes, whole or not at all: pair, request, inboxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from chassis.inbox import Entry
from services.friendship import domain, refusals
from services.friendship.domain import (
    Action,
    EventKind,
    FriendRequest,
    NamedRequest,
    Pair,
    PairRecord,
    RequestState,
    SeenPerson,
    Standing,
    Transition,
)
from services.friendship.schema import inbox
from services.friendship.store import pairs as pair_store
from services.friendship.store import people as people_store
from services.friendship.store import requests as request_store

if TYPE_CHECKING:
    from sqlalchemy import Connection

_HOUR = timedelta(hours=1)
_PENDING_RETRY = timedelta(hours=1)
"""Nobody knows when a pending request will be answered: look in again after this."""
ABOUT_PEOPLE = {EventKind.FRIEND_REMOVED, EventKind.PERSON_BLOCKED, EventKind.PERSON_UNBLOCKED}
"""Events that name the other person; all others name a request."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one person may ask."""

    requests_per_hour: int | Literal["off"] = "off"
    max_pending_requests: int | Literal["off"] = "off"


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """A request as one of the two sees it, with the other of the two."""

    request: FriendRequest
    person: SeenPerson


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """Something that happened, as the one who is told sees it now.

    Attributes:
        time: when, in microseconds since 1970.
        kind: what happened; None: the watch has caught up.
        request: the request it happened to, for the kinds that have one.
        person_id: the person it is about, for the others.
    """

    time: int
    kind: EventKind | None = None
    request: SeenRequest | None = None
    person_id: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """What a committed command left behind.

    Attributes:
        record: the pair, as it is now.
        seen: the request that the command was about, as the caller sees it, if there is one.
        rings: the inboxes that have grown, and to which positions.
    """

    record: PairRecord
    seen: SeenRequest | None
    rings: dict[str, int]


def see_requests(
    connection: Connection, viewer_id: str, requests: Sequence[FriendRequest]
) -> list[SeenRequest]:
    """Return requests as one of their two people sees them, in two queries for them all."""
    people = people_store.seen_by(connection, viewer_id, {r.other(viewer_id) for r in requests})
    pairs = pair_store.read_pairs(connection, list({request.pair for request in requests}))
    return [
        SeenRequest(
            request.seen_by(viewer_id, pairs[request.pair].state), people[request.other(viewer_id)]
        )
        for request in requests
    ]


def send(connection: Connection, request: FriendRequest, limits: Limits) -> Change:
    """Make a request, or what it comes to between these two.

    It costs the same whether the addressee ignores or blocks the requester or does not.

    Raises:
        NotWithYourself, ProfileRequired, PersonNotFound: there are no two people to be friends.
        PersonBlocked: the requester blocks the addressee.
        TooManyRequests, TooManyPendingRequests: a limit is reached.
    """
    _require_two(connection, request.requester_id, request.addressee_id)
    pair_store.make_pair(connection, request.pair)
    record = pair_store.lock_pair(connection, request.pair)
    step = domain.transition(record.state, Action.SEND, request.pair.side(request.requester_id))
    if step.asks:
        # Whether it is going to be hidden plays no part: the limit would tell.
        _check_limits(connection, request.requester_id, request.create_time, limits)
        request_store.insert_request(connection, request)
        record = replace(record, request_id=request.request_id)
    return _carry_out(connection, record, step, request.requester_id, request.create_time)


def act(connection: Connection, action: Action, caller_id: str, person_id: str, now: int) -> Change:
    """Carry out an action that names a person.

    Raises:
        NotWithYourself, ProfileRequired, PersonNotFound: there are no two people.
    """
    _require_two(connection, caller_id, person_id)
    pair = Pair.of(caller_id, person_id)
    if action is Action.BLOCK:
        pair_store.make_pair(connection, pair)
    record = pair_store.lock_pair(connection, pair)
    step = domain.transition(record.state, action, pair.side(caller_id))
    return _carry_out(connection, record, step, caller_id, now)


def answer(
    connection: Connection, action: Action, caller_id: str, request_id: str, now: int
) -> Change:
    """Carry out an action that names a request.

    Raises:
        RequestNotFound: there is none, or the caller is not the one of its two who can do this.
        RequestNotPending: it has been accepted or cancelled.
        PersonBlocked: the caller blocks the other.
    """
    named = request_store.find_request(connection, request_id)
    if named is None or caller_id not in (named.requester_id, named.addressee_id):
        raise refusals.RequestNotFound
    record = pair_store.lock_pair(connection, named.pair)
    if record.request_id == request_id:
        standing = Standing.CURRENT
    else:
        # Only now that the pair is locked is it certain what became of the request.
        named = request_store.find_requests(connection, [request_id])[request_id]
        cancelled = named.state is RequestState.CANCELLED
        standing = Standing.CANCELLED if cancelled else Standing.ENDED
    side = named.pair.side
    step = domain.transition(
        record.state, action, side(caller_id), NamedRequest(side(named.requester_id), standing)
    )
    return _carry_out(connection, record, step, caller_id, now, named.request_id)


def _require_two(connection: Connection, caller_id: str, person_id: str) -> None:
    """Make sure that a command is about two people of the network."""
    if caller_id == person_id:
        raise refusals.NotWithYourself
    present = people_store.present(connection, [caller_id, person_id])
    if caller_id not in present:
        raise refusals.ProfileRequired
    if person_id not in present:
        raise refusals.PersonNotFound


def _check_limits(connection: Connection, person_id: str, now: int, limits: Limits) -> None:
    if limits.requests_per_hour != "off":
        hour = _HOUR // timedelta(microseconds=1)
        made = request_store.nth_latest_time(
            connection, person_id, now - hour, limits.requests_per_hour
        )
        if made is not None:
            raise refusals.TooManyRequests(retry_after=timedelta(microseconds=made + hour - now))
    if limits.max_pending_requests != "off" and request_store.has_pending(
        connection, person_id, limits.max_pending_requests
    ):
        raise refusals.TooManyPendingRequests(retry_after=_PENDING_RETRY)


def _carry_out(
    connection: Connection,
    record: PairRecord,
    step: Transition,
    caller_id: str,
    now: int,
    named_id: str | None = None,
) -> Change:
    """Write what a step does, to the pair, its request and the inboxes.

    Arguments:
        connection: to write on.
        record: the pair, locked, with the id of its request, also of one that the step makes.
        step: what the state machine says.
        caller_id: who did it.
        now: when.
        named_id: the request that the caller named; if none, the pair's own.
    """
    request_id = record.request_id
    rings: dict[str, int] = {}
    if step.after != step.before:
        if step.accepts or step.withdraws:
            _close_request(connection, request_id, accepted=step.accepts)
        record = replace(
            record,
            state=step.after,
            request_id=None if step.after.requester is None else request_id,
            epoch=record.epoch + step.turns,
        )
        pair_store.save_pair(connection, record)
        rings = inbox.append(connection, _entries(record.pair, step, request_id, now))
    shown_id = named_id or record.request_id
    shown = request_store.find_request(connection, shown_id) if shown_id else None
    seen = see_requests(connection, caller_id, [shown])[0] if shown else None
    return Change(record, seen, rings)


def _close_request(connection: Connection, request_id: str | None, *, accepted: bool) -> None:
    assert request_id is not None
    request = request_store.find_requests(connection, [request_id])[request_id]
    if accepted:
        request = replace(request, state=RequestState.ACCEPTED)
    else:
        # What is taken back leaves nothing to read.
        request = replace(request, state=RequestState.CANCELLED, note="")
    request_store.answer_request(connection, request)


def _entries(pair: Pair, step: Transition, request_id: str | None, now: int) -> list[Entry]:
    """Return what the two are told: of requests by their id, of the rest by the other person's."""
    entries: list[Entry] = []
    for event in step.events:
        person_id, other_id = pair.person(event.to), pair.person(event.to.other)
        subject = other_id if event.kind in ABOUT_PEOPLE else request_id
        assert subject is not None
        entries.append(Entry(person_id, event.kind.value, subject, now))
    return entries
