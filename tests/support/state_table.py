"""Writes docs/friendship-states.md, the state machine of a pair as a table: `python -m tests.support.state_table`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from services.friendship.domain import (
    Action,
    Bond,
    NamedRequest,
    PairState,
    Side,
    Standing,
    Transition,
    transition,
)
from services.friendship.errors import ERRORS

PAGE = Path(__file__).parents[2] / "docs" / "friendship-states.md"
ME, THEY = Side.LOW, Side.HIGH
NAMING = (Action.ACCEPT, Action.IGNORE, Action.CANCEL)
_HEAD = """\
# The states of a pair

Generated from `services/friendship/domain.py` by `python -m tests.support.state_table`; a test fails when it is stale.

What one person ("I") can do to another ("they") in each state that the two can reach, and what becomes of it: the next
state where it is another one, and who is told what. A word in capitals is the reason for which the command is refused.
An empty cell: there is no such request.

"I ignore" means that their requests go to my IGNORED box, unseen otherwise; "they ignore" is what I can't see. Every
step into or out of *friends* raises the epoch.
"""


def steps(state: PairState, actor: Side) -> Iterator[tuple[Action, NamedRequest | None]]:
    """Yield everything that one of the two can do, with requests as they can stand in this state."""
    for action in Action:
        if action not in NAMING:
            yield action, None
            continue
        for requester in Side:
            yield action, NamedRequest(requester, Standing.CANCELLED)
            yield action, NamedRequest(requester, Standing.ENDED)
        if state.requester is not None:
            yield action, NamedRequest(state.requester, Standing.CURRENT)


def reachable() -> list[PairState]:
    """Return every state that two strangers can come to, the nearest first."""
    found = [PairState()]
    for state in found:
        for actor in Side:
            for action, named in steps(state, actor):
                try:
                    after = transition(state, action, actor, named).after
                except tuple(ERRORS):
                    continue
                if after not in found:
                    found.append(after)
    return found


def describe(state: PairState) -> str:
    """Say in words what the two are to each other, as the low one would."""
    words: list[str] = []
    if state.bond is Bond.FRIENDS:
        words.append("friends by my request" if state.requester is ME else "friends by theirs")
    elif state.bond is Bond.ASKED:
        words.append("I asked" if state.requester is ME else "they asked")
    words += [
        word for side, word in ((ME, "I ignore"), (THEY, "they ignore")) if side in state.ignores
    ]
    words += [
        word for side, word in ((ME, "I block"), (THEY, "they block")) if side in state.blocks
    ]
    return ", ".join(words) or "nothing"


def outcome(state: PairState, action: Action, named: NamedRequest | None) -> str:
    """Say what a command by the low one does."""
    try:
        step = transition(state, action, ME, named)
    except tuple(ERRORS) as refusal:
        return f"`{ERRORS[type(refusal)].reason}`"
    parts = [f"**{describe(step.after)}**"] if step.after != step.before else ["OK"]
    return "<br>".join(parts + _told(step))


def _told(step: Transition) -> list[str]:
    kinds = dict.fromkeys(event.kind for event in step.events)
    lines: list[str] = []
    for kind in kinds:
        told = {event.to for event in step.events if event.kind is kind}
        who = "both" if told == set(Side) else "I" if told == {ME} else "they"
        lines.append(f"{who}: {kind.value}")
    return lines


def table(header: list[str], rows: list[list[str]]) -> str:
    """Lay out a table in Markdown."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    )


def page() -> str:
    """Return the page as it should be."""
    order = [Action.SEND, Action.CANCEL, Action.ACCEPT, Action.IGNORE, Action.REMOVE]
    order += [Action.BLOCK, Action.UNBLOCK]
    rows: list[list[str]] = []
    for state in reachable():
        row = [describe(state)]
        for action in order:
            named = None
            if action in NAMING:
                if state.requester is None:
                    row.append("")
                    continue
                named = NamedRequest(state.requester, Standing.CURRENT)
            row.append(outcome(state, action, named))
        rows.append(row)
    old = [
        [
            f"{'mine' if requester is ME else 'theirs'}, {standing.value}",
            *(outcome(PairState(), action, NamedRequest(requester, standing)) for action in NAMING),
        ]
        for requester in Side
        for standing in (Standing.CANCELLED, Standing.ENDED)
    ]
    return "\n".join(
        [
            _HEAD,
            table(["state", *(action.value for action in order)], rows),
            "",
            "## Requests of the past",
            "",
            "In every state, for a request that is no longer the pair's own: cancelled, or accepted in a friendship"
            " that has ended.",
            "",
            table(["request", *(action.value for action in NAMING)], old),
            "",
        ]
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
