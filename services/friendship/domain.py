"""What people can be to each other: the state machine of a pair, as a pure and total function.

Knows neither transport nor storage: time, ids and rows are passed in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from services.friendship.refusals import PersonBlocked, RequestNotFound, RequestNotPending


class Side(Enum):
    """One of the two people of a pair, in the order of their ids."""

    LOW = 0
    HIGH = 1

    @property
    def other(self) -> Side:
        """The other of the two."""
        return Side.HIGH if self is Side.LOW else Side.LOW


class Bond(Enum):
    """What there is between two people."""

    NONE = "none"
    ASKED = "asked"
    FRIENDS = "friends"


class RequestState(Enum):
    """What has become of a request. IGNORED is not kept, only shown, and only to the addressee."""

    PENDING = 0
    ACCEPTED = 1
    CANCELLED = 2
    IGNORED = 3


class Relationship(Enum):
    """How a person stands to the one who looks at them."""

    NONE = "none"
    REQUEST_SENT = "request_sent"
    REQUEST_RECEIVED = "request_received"
    FRIENDS = "friends"
    BLOCKED = "blocked"
    SELF = "self"


class Box(Enum):
    """Which of a person's pending requests."""

    RECEIVED = "received"
    SENT = "sent"
    IGNORED = "ignored"


class Action(Enum):
    """What a person can do to another. The first three name one of the pair's requests."""

    ACCEPT = "accept"
    IGNORE = "ignore"
    CANCEL = "cancel"
    SEND = "send"
    REMOVE = "remove"
    BLOCK = "block"
    UNBLOCK = "unblock"


class Standing(Enum):
    """What a named request is to its pair now."""

    CURRENT = "current"
    """The pending one, or the one that made the two friends, as they still are."""
    CANCELLED = "cancelled"
    ENDED = "ended"
    """Accepted once, but that friendship has ended."""


class EventKind(Enum):
    """What a person is told of."""

    REQUEST_RECEIVED = "request_received"
    REQUEST_ACCEPTED = "request_accepted"
    REQUEST_CANCELLED = "request_cancelled"
    FRIEND_REMOVED = "friend_removed"
    REQUEST_SENT = "request_sent"
    REQUEST_IGNORED = "request_ignored"
    PERSON_BLOCKED = "person_blocked"
    PERSON_UNBLOCKED = "person_unblocked"


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """Two people, in the order of their ids."""

    low: str
    high: str

    @classmethod
    def of(cls, one: str, other: str) -> Pair:
        """Return the pair of two people, given in any order."""
        return cls(one, other) if one < other else cls(other, one)

    def side(self, person_id: str) -> Side:
        """Return which of the two a person is."""
        return Side.LOW if person_id == self.low else Side.HIGH

    def person(self, side: Side) -> str:
        """Return the person at a side."""
        return self.low if side is Side.LOW else self.high


@dataclass(frozen=True, slots=True)
class PairState:
    """Everything about a pair that decides what a command does.

    Attributes:
        bond: what there is between the two.
        requester: whose request it is that is pending, or that made them friends.
        ignores: who ignores the other's requests; ends only when they become friends.
        blocks: who blocks the other.
    """

    bond: Bond = Bond.NONE
    requester: Side | None = None
    ignores: frozenset[Side] = frozenset()
    blocks: frozenset[Side] = frozenset()

    def relationship(self, viewer: Side) -> Relationship:
        """Return how the other stands to the viewer, as far as the viewer may know."""
        if viewer in self.blocks:
            return Relationship.BLOCKED
        if self.bond is Bond.FRIENDS:
            return Relationship.FRIENDS
        if self.requester is viewer:
            return Relationship.REQUEST_SENT
        if self.requester is viewer.other and viewer not in self.ignores:
            return Relationship.REQUEST_RECEIVED
        return Relationship.NONE


@dataclass(frozen=True, slots=True)
class NamedRequest:
    """The request that a command names."""

    requester: Side
    standing: Standing


@dataclass(frozen=True, slots=True)
class Event:
    """Something that one of the two is told."""

    to: Side
    kind: EventKind


@dataclass(frozen=True, slots=True)
class Transition:
    """What a command does to a pair."""

    before: PairState
    after: PairState
    events: tuple[Event, ...] = ()

    @property
    def asks(self) -> bool:
        """Whether a new request is made."""
        return self.before.bond is Bond.NONE and self.after.bond is Bond.ASKED

    @property
    def accepts(self) -> bool:
        """Whether the pending request is accepted."""
        return self.before.bond is Bond.ASKED and self.after.bond is Bond.FRIENDS

    @property
    def withdraws(self) -> bool:
        """Whether the pending request is taken back."""
        return self.before.bond is Bond.ASKED and self.after.bond is Bond.NONE

    @property
    def turns(self) -> bool:
        """Whether the two become friends or cease to be: the epoch rises."""
        return (self.before.bond is Bond.FRIENDS) != (self.after.bond is Bond.FRIENDS)


def transition(
    state: PairState, action: Action, actor: Side, named: NamedRequest | None = None
) -> Transition:
    """Return what a command does.

    Arguments:
        state: what the two are to each other.
        action: what is done.
        actor: who does it.
        named: the request that is named, by the actions that name one.

    Raises:
        RequestNotFound: the named request is not the actor's to command in this way.
        RequestNotPending: it has been accepted or cancelled.
        PersonBlocked: the actor blocks the other.
    """
    if action in _NAMING:
        assert named is not None
        return _NAMING[action](state, actor, named)
    return _PLAIN[action](state, actor)


def _send(state: PairState, actor: Side) -> Transition:
    other = actor.other
    if actor in state.blocks:
        raise PersonBlocked
    if state.bond is Bond.FRIENDS or state.requester is actor:
        return Transition(state, state)
    if state.requester is other:
        return _befriend(state)
    # One who is blocked may ask: it looks pending to them, and the blocker finds it among the
    # ignored ones should they ever unblock.
    ignores = state.ignores | (state.blocks & {other})
    after = replace(state, bond=Bond.ASKED, requester=actor, ignores=ignores)
    events = [Event(actor, EventKind.REQUEST_SENT)]
    if other not in ignores:
        events.append(Event(other, EventKind.REQUEST_RECEIVED))
    return Transition(state, after, tuple(events))


def _accept(state: PairState, actor: Side, named: NamedRequest) -> Transition:
    if named.requester is actor:
        raise RequestNotFound
    if named.standing is not Standing.CURRENT:
        raise RequestNotPending
    if state.bond is Bond.FRIENDS:
        return Transition(state, state)
    if actor in state.blocks:
        raise PersonBlocked
    return _befriend(state)


def _ignore(state: PairState, actor: Side, named: NamedRequest) -> Transition:
    if named.requester is actor:
        raise RequestNotFound
    if named.standing is not Standing.CURRENT or state.bond is Bond.FRIENDS:
        raise RequestNotPending
    if actor in state.ignores:
        return Transition(state, state)
    after = replace(state, ignores=state.ignores | {actor})
    return Transition(state, after, (Event(actor, EventKind.REQUEST_IGNORED),))


def _cancel(state: PairState, actor: Side, named: NamedRequest) -> Transition:
    if named.requester is not actor:
        raise RequestNotFound
    if named.standing is Standing.CANCELLED:
        return Transition(state, state)
    if named.standing is Standing.ENDED or state.bond is Bond.FRIENDS:
        raise RequestNotPending
    return _withdraw(state, actor)


def _remove(state: PairState, actor: Side) -> Transition:
    if state.bond is not Bond.FRIENDS:
        return Transition(state, state)
    told = (Event(actor, EventKind.FRIEND_REMOVED), Event(actor.other, EventKind.FRIEND_REMOVED))
    return Transition(state, PairState(), told)


def _block(state: PairState, actor: Side) -> Transition:
    if actor in state.blocks:
        return Transition(state, state)
    first = Transition(state, state)
    if state.bond is Bond.FRIENDS:
        first = _remove(state, actor)
    elif state.requester is actor:
        first = _withdraw(state, actor)
    elif state.requester is actor.other:
        first = Transition(state, replace(state, ignores=state.ignores | {actor}))
    after = replace(first.after, blocks=first.after.blocks | {actor})
    return Transition(state, after, (*first.events, Event(actor, EventKind.PERSON_BLOCKED)))


def _unblock(state: PairState, actor: Side) -> Transition:
    if actor not in state.blocks:
        return Transition(state, state)
    after = replace(state, blocks=state.blocks - {actor})
    return Transition(state, after, (Event(actor, EventKind.PERSON_UNBLOCKED),))


def _befriend(state: PairState) -> Transition:
    """Accept the pending request. Whoever blocks was refused before, so no flag is left."""
    after = PairState(Bond.FRIENDS, state.requester)
    return Transition(state, after, tuple(Event(side, EventKind.REQUEST_ACCEPTED) for side in Side))


def _withdraw(state: PairState, requester: Side) -> Transition:
    after = replace(state, bond=Bond.NONE, requester=None)
    events = [Event(requester, EventKind.REQUEST_CANCELLED)]
    if requester.other not in state.ignores:
        events.append(Event(requester.other, EventKind.REQUEST_CANCELLED))
    return Transition(state, after, tuple(events))


_NAMING: dict[Action, Callable[[PairState, Side, NamedRequest], Transition]] = {
    Action.ACCEPT: _accept,
    Action.IGNORE: _ignore,
    Action.CANCEL: _cancel,
}
_PLAIN: dict[Action, Callable[[PairState, Side], Transition]] = {
    Action.SEND: _send,
    Action.REMOVE: _remove,
    Action.BLOCK: _block,
    Action.UNBLOCK: _unblock,
}


class PhotoState(Enum):
    """How far a photo has come. Its files are there from before it is kept until after it is doomed."""

    STORING = 0
    KEPT = 1
    DOOMED = 2


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo of a person. `create_time` is in microseconds since 1970."""

    photo_id: str
    person_id: str
    create_time: int


@dataclass(frozen=True, slots=True)
class Person:
    """A member of the network. `create_time` is in microseconds since 1970.

    `photo_id` is empty if they have no photo.
    """

    person_id: str
    handle: str
    display_name: str
    headline: str
    create_time: int
    photo_id: str = ""


@dataclass(frozen=True, slots=True)
class SeenPerson:
    """A person as someone sees them."""

    person: Person
    relationship: Relationship


@dataclass(frozen=True, slots=True)
class FriendRequest:
    """One person's wish to be another's friend. `create_time` is in microseconds since 1970."""

    request_id: str
    requester_id: str
    addressee_id: str
    state: RequestState
    note: str
    create_time: int

    @property
    def pair(self) -> Pair:
        """The two people."""
        return Pair.of(self.requester_id, self.addressee_id)

    def other(self, person_id: str) -> str:
        """Return the one of the two that is not this person."""
        return self.addressee_id if person_id == self.requester_id else self.requester_id

    def seen_by(self, viewer_id: str, state: PairState) -> FriendRequest:
        """Return the request as one of the two sees it: who is ignored does not know."""
        viewer = self.pair.side(viewer_id)
        if (
            self.state is RequestState.PENDING
            and viewer_id == self.addressee_id
            and viewer in state.ignores
        ):
            return replace(self, state=RequestState.IGNORED)
        return self


@dataclass(frozen=True, slots=True)
class Grant:
    """What the messaging service is told of a pair: whether they are friends, and since which turn."""

    open: bool = False
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class PairRecord:
    """What is kept of a pair.

    Attributes:
        pair: the two people.
        state: what they are to each other.
        request_id: the request that is pending or that made them friends, if any.
        epoch: rises at every change into or out of friendship.
        delivered_epoch: the epoch up to which the messaging service knows.
    """

    pair: Pair
    state: PairState = PairState()
    request_id: str | None = None
    epoch: int = 0
    delivered_epoch: int = 0

    @property
    def open(self) -> bool:
        """Whether the two are friends."""
        return self.state.bond is Bond.FRIENDS
