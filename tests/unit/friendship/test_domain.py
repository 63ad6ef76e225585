"""The state machine of a pair, over all the states that two people can reach."""

from __future__ import annotations

from itertools import product

import pytest

from chassis.refusals import Refusal
from services.friendship.domain import (
    Action,
    Bond,
    EventKind,
    NamedRequest,
    PairState,
    Relationship,
    Side,
    Transition,
    transition,
)
from services.friendship.refusals import PersonBlocked, RequestNotFound, RequestNotPending
from tests.support.state_table import PAGE, describe, page, reachable, steps

STATES = reachable()
MIRRORED = {Side.LOW: Side.HIGH, Side.HIGH: Side.LOW}
REFUSALS = (RequestNotFound, RequestNotPending, PersonBlocked)


def each_state() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("state", STATES, ids=describe)


def mirror(state: PairState) -> PairState:
    return PairState(
        state.bond,
        state.requester and state.requester.other,
        frozenset(side.other for side in state.ignores),
        frozenset(side.other for side in state.blocks),
    )


def run(
    state: PairState, action: Action, actor: Side, named: NamedRequest | None
) -> Transition | type[Refusal]:
    """Return what a command does, or the class of its refusal. Anything else would surface."""
    try:
        return transition(state, action, actor, named)
    except REFUSALS as refusal:
        return type(refusal)


def known_to(side: Side, state: PairState) -> tuple[object, ...]:
    """Return all of a state that one of the two may know: all but what the other keeps private."""
    return state.bond, state.requester, side in state.ignores, side in state.blocks


def told(side: Side, step: Transition) -> list[EventKind]:
    return [event.kind for event in step.events if event.to is side]


def test_table_in_the_docs_is_fresh() -> None:
    stale = "run: python -m tests.support.state_table"
    assert PAGE.read_text(encoding="utf-8") == page(), stale


def test_machine_is_total_and_stays_within_its_states() -> None:
    for state, actor in product(STATES, Side):
        for action, named in steps(state, actor):
            step = run(state, action, actor, named)
            assert isinstance(step, type) or step.after in STATES


def test_both_sides_follow_the_same_rules() -> None:
    for state in STATES:
        for action, named in steps(state, Side.LOW):
            other = named and NamedRequest(named.requester.other, named.standing)
            step = run(state, action, Side.LOW, named)
            mirrored = run(mirror(state), action, Side.HIGH, other)
            if isinstance(step, type) or isinstance(mirrored, type):
                assert step is mirrored
            else:
                assert mirrored.after == mirror(step.after)
                assert told(Side.HIGH, mirrored) == told(Side.LOW, step)
                assert told(Side.LOW, mirrored) == told(Side.HIGH, step)


@each_state()
def test_states_keep_the_invariants_of_the_schema(state: PairState) -> None:
    if state.bond is Bond.FRIENDS:
        assert not state.ignores
        assert not state.blocks
    assert (state.requester is None) == (state.bond is Bond.NONE)
    if state.bond is Bond.ASKED:
        assert state.requester is not None
        assert state.requester not in state.blocks
        if state.requester.other in state.blocks:
            assert state.requester.other in state.ignores


@each_state()
def test_repeated_command_changes_nothing_and_tells_nobody(state: PairState) -> None:
    for actor, action in product(Side, (Action.SEND, Action.REMOVE, Action.BLOCK, Action.UNBLOCK)):
        step = run(state, action, actor, None)
        if isinstance(step, type):
            continue
        again = run(step.after, action, actor, None)
        assert isinstance(again, Transition)
        assert (again.after, again.events) == (step.after, ())


@each_state()
def test_change_and_only_change_is_told(state: PairState) -> None:
    for actor in Side:
        for action, named in steps(state, actor):
            step = run(state, action, actor, named)
            if isinstance(step, Transition):
                assert bool(step.events) == (step.after != step.before)


@each_state()
def test_nobody_learns_what_the_other_keeps_private(state: PairState) -> None:
    """Of two states that look alike to someone, all that they do leads to what looks alike again."""
    for viewer in Side:
        for twin in STATES:
            if known_to(viewer, twin) != known_to(viewer, state):
                continue
            assert twin.relationship(viewer) == state.relationship(viewer)
            for action, named in steps(state, viewer):
                one = run(state, action, viewer, named)
                other = run(twin, action, viewer, named)
                if isinstance(one, type) or isinstance(other, type):
                    assert one is other
                    continue
                assert known_to(viewer, one.after) == known_to(viewer, other.after)
                assert told(viewer, one) == told(viewer, other)


@each_state()
def test_private_steps_of_the_other_are_not_told(state: PairState) -> None:
    for viewer in Side:
        for action, named in steps(state, viewer.other):
            step = run(state, action, viewer.other, named)
            if isinstance(step, Transition) and known_to(viewer, step.after) == known_to(
                viewer, state
            ):
                assert told(viewer, step) == []


@each_state()
def test_being_blocked_looks_like_being_left_alone(state: PairState) -> None:
    """To be blocked is to be removed, to see a request taken back, or to see nothing happen."""
    for blocker in Side:
        viewer = blocker.other
        blocked = run(state, Action.BLOCK, blocker, None)
        assert isinstance(blocked, Transition)
        if state.bond is Bond.FRIENDS:
            alike = run(state, Action.REMOVE, blocker, None)
            assert isinstance(alike, Transition)
        elif state.requester is blocker:
            named = next(
                n
                for a, n in steps(state, blocker)
                if a is Action.CANCEL
                and n
                and n.requester is blocker
                and n.standing.value == "current"
            )
            alike = run(state, Action.CANCEL, blocker, named)
            assert isinstance(alike, Transition)
        else:
            alike = Transition(state, state)
        assert known_to(viewer, blocked.after) == known_to(viewer, alike.after)
        assert told(viewer, blocked) == told(viewer, alike)


def test_friends_of_each_other_see_friends() -> None:
    for state in STATES:
        sees = [state.relationship(side) is Relationship.FRIENDS for side in Side]
        assert sees == [state.bond is Bond.FRIENDS] * 2
