"""Turns what the service knows into what the contract says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from paperplane.friendship.v1 import friendship_pb2 as pb
from services.friendship.domain import EventKind, Relationship, RequestState

if TYPE_CHECKING:
    from services.friendship.commands import SeenEvent, SeenRequest
    from services.friendship.domain import SeenPerson

_RELATIONSHIPS = {
    Relationship.NONE: pb.RELATIONSHIP_NONE,
    Relationship.REQUEST_SENT: pb.RELATIONSHIP_REQUEST_SENT,
    Relationship.REQUEST_RECEIVED: pb.RELATIONSHIP_REQUEST_RECEIVED,
    Relationship.FRIENDS: pb.RELATIONSHIP_FRIENDS,
    Relationship.BLOCKED: pb.RELATIONSHIP_BLOCKED,
    Relationship.SELF: pb.RELATIONSHIP_SELF,
}
_STATES = {
    RequestState.PENDING: pb.FRIEND_REQUEST_STATE_PENDING,
    RequestState.ACCEPTED: pb.FRIEND_REQUEST_STATE_ACCEPTED,
    RequestState.IGNORED: pb.FRIEND_REQUEST_STATE_IGNORED,
    RequestState.CANCELLED: pb.FRIEND_REQUEST_STATE_CANCELLED,
}


def timestamp(microseconds: int) -> Timestamp:
    """Render a time."""
    return Timestamp(seconds=microseconds // 1_000_000, nanos=microseconds % 1_000_000 * 1000)


def person(seen: SeenPerson) -> pb.Person:
    """Render a person as the caller sees them."""
    found = seen.person
    return pb.Person(
        person_id=found.person_id,
        handle=found.handle,
        display_name=found.display_name,
        headline=found.headline,
        relationship=_RELATIONSHIPS[seen.relationship],
        can_message=seen.relationship is Relationship.FRIENDS,
        create_time=timestamp(found.create_time),
        photo_id=found.photo_id,
    )


def friend_request(seen: SeenRequest) -> pb.FriendRequest:
    """Render a request as the caller sees it."""
    found = seen.request
    return pb.FriendRequest(
        request_id=found.request_id,
        requester_id=found.requester_id,
        addressee_id=found.addressee_id,
        state=_STATES[found.state],
        note=found.note,
        create_time=timestamp(found.create_time),
        person=person(seen.person),
    )


def event(seen: SeenEvent) -> pb.Event:
    """Render an event as the caller sees it."""
    rendered = pb.Event(event_time=timestamp(seen.time))
    request = friend_request(seen.request) if seen.request is not None else None
    match seen.kind:
        case None:
            rendered.caught_up.SetInParent()
        case EventKind.REQUEST_RECEIVED:
            rendered.request_received.friend_request.MergeFrom(_present(request))
        case EventKind.REQUEST_ACCEPTED:
            rendered.request_accepted.friend_request.MergeFrom(_present(request))
        case EventKind.REQUEST_CANCELLED:
            rendered.request_cancelled.friend_request.MergeFrom(_present(request))
        case EventKind.REQUEST_SENT:
            rendered.request_sent.friend_request.MergeFrom(_present(request))
        case EventKind.REQUEST_IGNORED:
            rendered.request_ignored.friend_request.MergeFrom(_present(request))
        case EventKind.FRIEND_REMOVED:
            rendered.friend_removed.person_id = seen.person_id
        case EventKind.PERSON_BLOCKED:
            rendered.person_blocked.person_id = seen.person_id
        case EventKind.PERSON_UNBLOCKED:
            rendered.person_unblocked.person_id = seen.person_id
    return rendered


def _present(request: pb.FriendRequest | None) -> pb.FriendRequest:
    assert request is not None
    return request
