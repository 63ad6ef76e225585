"""What each person is told of, derived from what a command changed in the model."""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.model import Model, Pair

About = tuple[frozenset[str], int, str]
"""Of which two people's channel, which message, and who has read."""


def friendship_events(before: Model, after: Model) -> Iterator[tuple[str, str, object]]:
    """Yield who is told by the friendship service, of what kind of event, and what it is about.

    That is the place of a request among all requests, or the other person.
    """
    for number, request in enumerate(after.requests):
        was = before.requests[number].state if number < len(before.requests) else None
        me, other = request.requester, request.addressee
        if request.state == was:
            continue
        # Whoever ignores is told nothing of what is asked, and nothing of what is taken back.
        sees = other not in before.pair(me, other).ignores | request.pair.ignores
        if request.state == "PENDING":
            yield me, "request_sent", number
            if sees:
                yield other, "request_received", number
        elif request.state == "ACCEPTED":
            yield me, "request_accepted", number
            yield other, "request_accepted", number
        else:
            yield me, "request_cancelled", number
            if sees:
                yield other, "request_cancelled", number
    for people, new in after.pairs.items():
        old = before.pairs[people]
        for me in people:
            (other,) = people - {me}
            if old.friends and not new.friends:
                yield me, "friend_removed", other
            if me in new.blocks - old.blocks:
                yield me, "person_blocked", other
            elif me in new.ignores - old.ignores and old.request and new.request:
                yield me, "request_ignored", after.requests.index(new.request)
            if me in old.blocks - new.blocks:
                yield me, "person_unblocked", other


def messaging_events(before: Model, after: Model) -> Iterator[tuple[str, str, About]]:
    """Yield who is told by the messaging service, of what kind of event, and what it is about."""
    for people, new in after.pairs.items():
        for kind, seq, reader in _happened(before.pairs[people], new):
            for me in people:
                yield me, kind, (people, seq, reader)


def _happened(old: Pair, new: Pair) -> Iterator[tuple[str, int, str]]:
    if old.friends != new.friends:
        yield "channel_opened" if new.friends else "channel_closed", 0, ""
    for was, message in zip(old.messages, new.messages, strict=False):
        if was.edits != message.edits:
            yield "message_edited", message.seq, ""
        if was.text and not message.text:
            yield "message_deleted", message.seq, ""
    for message in new.messages[len(old.messages) :]:
        yield "message_sent", message.seq, ""
    for reader, seq in new.told.items():
        if seq != old.told[reader]:
            yield "read", seq, reader
