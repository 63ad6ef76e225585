"""What people are shown of requests, channels and messages: as the model has it, and as it came."""

from __future__ import annotations

from paperplane.friendship.v1 import friendship_pb2 as fpb
from paperplane.messaging.v1 import messaging_pb2 as mpb
from tests.support.model import Message, Model, Pair, Request

View = tuple[object, ...]


class Expected:
    """What the model says that people are shown.

    Arguments:
        model: the model.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.channel_ids: dict[Pair, str] = {}
        """The ids that the service has given."""

    def people(self, pair: Pair) -> frozenset[str]:
        """Return the two of a pair."""
        return next(people for people, known in self.model.pairs.items() if known is pair)

    def request(self, me: str, request: Request) -> View:
        other = request.addressee if me == request.requester else request.requester
        relationship = self.model.relationship(me, other)
        return (
            request.request_id,
            request.requester,
            request.addressee,
            request.seen(me),
            request.note,
            (other, relationship, relationship == "FRIENDS"),
        )

    def channel(self, me: str, pair: Pair) -> View:
        (friend,) = self.people(pair) - {me}
        last = self.message(pair, pair.messages[-1]) if pair.messages else None
        return (
            self.channel_ids[pair],
            friend,
            "OPEN" if pair.friends else "CLOSED",
            len(pair.messages),
            pair.unread(me),
            last,
            pair.read[me],
            pair.told[friend],
        )

    def message(self, pair: Pair, message: Message) -> View:
        return (
            self.channel_ids[pair],
            message.seq,
            message.sender,
            message.client_id,
            message.text,
            message.edits > 0,
            not message.text,
        )


def shown_person(person: fpb.Person) -> View:
    name = fpb.Relationship.Name(person.relationship).removeprefix("RELATIONSHIP_")
    return (person.person_id, name, person.can_message)


def shown_request(request: fpb.FriendRequest) -> View:
    return (
        request.request_id,
        request.requester_id,
        request.addressee_id,
        fpb.FriendRequestState.Name(request.state).removeprefix("FRIEND_REQUEST_STATE_"),
        request.note,
        shown_person(request.person),
    )


def shown_channel(channel: mpb.Channel) -> View:
    return (
        channel.channel_id,
        channel.friend_id,
        mpb.ChannelState.Name(channel.state).removeprefix("CHANNEL_STATE_"),
        channel.last_seq,
        channel.unread_count,
        shown_message(channel.last_message) if channel.HasField("last_message") else None,
        channel.read_seq,
        channel.friend_read_seq,
    )


def shown_message(message: mpb.Message) -> View:
    return (
        message.channel_id,
        message.seq,
        message.sender_id,
        message.client_message_id,
        message.text,
        message.HasField("edit_time"),
        message.HasField("delete_time"),
    )
