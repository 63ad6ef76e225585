"""A small Paperplane in memory, on real ports, to test clients of the public contract against.

It keeps the contract's promises to a single client: relationships, channels that open and close,
idempotent sends, files and photos, logs that are watched from a cursor. It knows no limits, masks or races.
"""

from __future__ import annotations

import base64
import itertools
import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from PIL import ImageOps

from paperplane.friendship.v1 import friendship_pb2 as friendship
from paperplane.friendship.v1 import friendship_pb2_grpc as friendship_grpc
from paperplane.messaging.v1 import attachments_pb2_grpc as attachments_grpc
from paperplane.messaging.v1 import messaging_pb2 as messaging
from paperplane.messaging.v1 import messaging_pb2_grpc as messaging_grpc
from tests.support.fake_files import Attachments, Files, as_jpeg, read_picture
from tests.support.fake_refusals import Context, refuse


def make_token(person_id: str, seconds: float = 3600) -> str:
    """Make a token that the fake takes, with no signature to speak of."""
    claims = {"sub": person_id, "exp": int(time.time() + seconds), "jti": time.monotonic_ns()}
    parts = ({"alg": "none"}, claims)
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    return b".".join([*encoded, b"x"]).decode()


@dataclass
class Request:
    """A friend request."""

    request_id: str
    requester_id: str
    addressee_id: str
    note: str
    create_time: Timestamp
    state: friendship.FriendRequestState.ValueType = friendship.FRIEND_REQUEST_STATE_PENDING


@dataclass
class Talk:
    """A channel."""

    channel_id: str
    pair: frozenset[str]
    create_time: Timestamp
    is_open: bool = True
    messages: list[messaging.Message] = field(default_factory=list[messaging.Message])
    read: dict[str, int] = field(default_factory=dict[str, int])

    def other(self, person_id: str) -> str:
        return next(each for each in self.pair if each != person_id)


class FakeBackend:
    """The public gRPC port and the development token endpoint; use it as a context manager."""

    def __init__(self) -> None:
        self.people: dict[str, friendship.Person] = {}
        self.requests: dict[str, Request] = {}
        self.friends: set[frozenset[str]] = set()
        self.blocks: set[tuple[str, str]] = set()
        self.talks: dict[frozenset[str], Talk] = {}
        self.files = Files()
        self.revoked: set[str] = set()
        """Tokens that are refused as expired."""
        self.unavailable: dict[str, int] = defaultdict(int)
        """How many of the next calls of a method fail with UNAVAILABLE, after they were done."""
        self.calls: list[tuple[str, Any]] = []
        """The method and request of each call."""
        self.changed = threading.Condition(threading.RLock())
        self._logs: dict[str, list[messaging.Event]] = defaultdict(list)
        self._typing: list[tuple[str, messaging.Event]] = []
        self._generation = 0
        self._era = 0
        self._given: set[str] = set()
        self._numbers = itertools.count(1)
        self._port = 0
        self._server: grpc.Server | None = None
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))

    @property
    def grpc_address(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def http_address(self) -> str:
        return f"127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> FakeBackend:
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._http.shutdown()
        self._http.server_close()

    def start(self) -> None:
        """Listen; after a stop, on the same port."""
        server = grpc.server(ThreadPoolExecutor(max_workers=16), options=[("grpc.so_reuseport", 0)])
        friendship_grpc.add_PeopleServiceServicer_to_server(People(self), server)
        friendship_grpc.add_FriendshipServiceServicer_to_server(Friendships(self), server)
        messaging_grpc.add_MessagingServiceServicer_to_server(Messages(self), server)
        attachments_grpc.add_AttachmentServiceServicer_to_server(Attachments(self), server)
        self._port = server.add_insecure_port(f"127.0.0.1:{self._port}")
        server.start()
        self._server = server

    def stop(self) -> None:
        """Stop to listen and break all streams; what is stored stays."""
        assert self._server is not None
        self.break_streams()
        self._server.stop(grace=None).wait()

    def break_streams(self) -> None:
        """End all watches, as a server that restarts does."""
        with self.changed:
            self._generation += 1
            self.changed.notify_all()

    def forget_logs(self) -> None:
        """Begin all logs anew, so that no cursor from before is taken."""
        with self.changed:
            self._logs.clear()
            self._era += 1

    def expire_tokens(self) -> None:
        """Refuse all tokens given out so far, also on the streams under way."""
        with self.changed:
            self.revoked |= self._given
            self.changed.notify_all()

    # ---- what tests arrange ----------------------------------------------------------------------

    def add_person(self, person_id: str, name: str = "", handle: str = "") -> None:
        self.people[person_id] = friendship.Person(
            person_id=person_id, handle=handle or person_id, display_name=name or person_id.title()
        )

    def befriend(self, one: str, other: str) -> Talk:
        with self.changed:
            pair = frozenset((one, other))
            self.friends.add(pair)
            talk = self.talks.setdefault(pair, Talk(self.new_id(), pair, now()))
            talk.is_open = True
            for person_id in pair:
                opened = messaging.ChannelOpened(channel=self.channel(talk, person_id))
                self.log(person_id, messaging.Event(channel_opened=opened))
            return talk

    def part(self, one: str, other: str) -> None:
        with self.changed:
            pair = frozenset((one, other))
            self.friends.discard(pair)
            talk = self.talks.get(pair)
            if talk is None or not talk.is_open:
                return
            talk.is_open = False
            for person_id in pair:
                closed = messaging.ChannelClosed(channel=self.channel(talk, person_id))
                self.log(person_id, messaging.Event(channel_closed=closed))

    def say(
        self,
        sender_id: str,
        other: str,
        text: str,
        client_message_id: str = "",
        attachment_ids: Sequence[str] = (),
    ) -> messaging.Message:
        with self.changed:
            talk = self.talks[frozenset((sender_id, other))]
            files = [self.files.stored[each] for each in attachment_ids]
            for file in files:
                file.is_sent, file.readers = True, talk.pair
            message = messaging.Message(
                channel_id=talk.channel_id,
                seq=len(talk.messages) + 1,
                sender_id=sender_id,
                client_message_id=client_message_id,
                text=text,
                attachments=[file.attachment for file in files],
                create_time=now(),
            )
            talk.messages.append(message)
            for person_id in talk.pair:
                sent = messaging.MessageSent(message=message)
                self.log(person_id, messaging.Event(message_sent=sent))
            return message

    def mark_read(self, person_id: str, other: str, seq: int) -> None:
        with self.changed:
            talk = self.talks[frozenset((person_id, other))]
            talk.read[person_id] = max(talk.read.get(person_id, 0), seq)
            read = messaging.Read(channel_id=talk.channel_id, person_id=person_id, seq=seq)
            for each in talk.pair:
                self.log(each, messaging.Event(read=read))

    def type(self, sender_id: str, other: str) -> None:
        with self.changed:
            talk = self.talks[frozenset((sender_id, other))]
            typing = messaging.Typing(channel_id=talk.channel_id, person_id=sender_id)
            self._typing.append((other, messaging.Event(typing=typing)))
            self.changed.notify_all()

    # ---- what the services share -----------------------------------------------------------------

    def new_id(self) -> str:
        return f"00000000-0000-4000-8000-{next(self._numbers):012x}"

    def caller(self, context: Context, method: str, request: Any) -> str:
        self.calls.append((method, request))
        token = token_of(context)
        self._given.add(token)
        if not token:
            refuse(context, grpc.StatusCode.UNAUTHENTICATED, "TOKEN_MISSING", "There is no token.")
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        if claims["exp"] < time.time() or token in self.revoked:
            refuse(context, grpc.StatusCode.UNAUTHENTICATED, "TOKEN_EXPIRED", "The token ran out.")
        return str(claims["sub"])

    def maybe_unavailable(self, context: Context, method: str) -> None:
        if self.unavailable[method] > 0:
            self.unavailable[method] -= 1
            refuse(context, grpc.StatusCode.UNAVAILABLE, "OUTCOME_UNKNOWN", "It may have happened.")

    def person(self, context: Context, caller: str, person_id: str) -> friendship.Person:
        if person_id not in self.people:
            refuse(
                context, grpc.StatusCode.NOT_FOUND, "PERSON_NOT_FOUND", "There is no such person."
            )
        person = friendship.Person()
        person.CopyFrom(self.people[person_id])
        person.relationship = self._relationship(caller, person_id)
        person.can_message = person.relationship == friendship.RELATIONSHIP_FRIENDS
        return person

    def _relationship(self, caller: str, person_id: str) -> friendship.Relationship.ValueType:
        if caller == person_id:
            return friendship.RELATIONSHIP_SELF
        if (caller, person_id) in self.blocks:
            return friendship.RELATIONSHIP_BLOCKED
        if frozenset((caller, person_id)) in self.friends:
            return friendship.RELATIONSHIP_FRIENDS
        for request in self.requests.values():
            if request.state == friendship.FRIEND_REQUEST_STATE_PENDING:
                if (request.requester_id, request.addressee_id) == (caller, person_id):
                    return friendship.RELATIONSHIP_REQUEST_SENT
                if (request.addressee_id, request.requester_id) == (caller, person_id):
                    return friendship.RELATIONSHIP_REQUEST_RECEIVED
        return friendship.RELATIONSHIP_NONE

    def log(self, person_id: str, event: messaging.Event) -> None:
        event.event_time.CopyFrom(now())
        self._logs[person_id].append(event)
        self.changed.notify_all()

    def cursor(self, person_id: str) -> str:
        return self._cursor(person_id, len(self._logs[person_id]))

    def _cursor(self, person_id: str, position: int) -> str:
        return f"{self._era}:{person_id}:{position}"

    def channel(self, talk: Talk, person_id: str) -> messaging.Channel:
        other, read = talk.other(person_id), talk.read.get(person_id, 0)
        return messaging.Channel(
            channel_id=talk.channel_id,
            friend_id=other,
            state=messaging.CHANNEL_STATE_OPEN if talk.is_open else messaging.CHANNEL_STATE_CLOSED,
            last_seq=len(talk.messages),
            unread_count=sum(
                1
                for each in talk.messages
                if each.seq > read and each.sender_id == other and not each.HasField("delete_time")
            ),
            last_message=talk.messages[-1] if talk.messages else None,
            read_seq=read,
            friend_read_seq=talk.read.get(other, 0),
            create_time=talk.create_time,
            active_time=talk.messages[-1].create_time if talk.messages else talk.create_time,
        )

    def talk(self, context: Context, caller: str, channel_id: str) -> Talk:
        for talk in self.talks.values():
            if talk.channel_id == channel_id and caller in talk.pair:
                return talk
        return refuse(
            context, grpc.StatusCode.NOT_FOUND, "CHANNEL_NOT_FOUND", "There is no such channel."
        )

    def follow(
        self, context: Context, person_id: str, cursor: str, token: str
    ) -> Iterator[messaging.WatchMessagesResponse]:
        era, _, position = (int(part) if part.isdigit() else 0 for part in cursor.split(":"))
        if era != self._era:
            refuse(context, grpc.StatusCode.FAILED_PRECONDITION, "CURSOR_EXPIRED", "List anew.")
        with self.changed:
            generation, typed = self._generation, len(self._typing)
        caught_up = False
        while context.is_active():
            with self.changed:
                events = self._logs[person_id][position:]
                signs = [each for who, each in self._typing[typed:] if who == person_id]
                typed = len(self._typing)
                if not events and not signs and caught_up:
                    self.changed.wait(timeout=0.5)
                if token in self.revoked:
                    refuse(context, grpc.StatusCode.UNAUTHENTICATED, "TOKEN_EXPIRED", "It ran out.")
                if generation != self._generation:
                    refuse(context, grpc.StatusCode.UNAVAILABLE, "SERVER_STOPPING", "Watch again.")
            for event in events:
                position += 1
                yield messaging.WatchMessagesResponse(
                    event=event, cursor=self._cursor(person_id, position)
                )
            if not caught_up:
                caught_up = True
                signs.append(messaging.Event(caught_up=messaging.CaughtUp()))
            for event in signs:
                yield messaging.WatchMessagesResponse(
                    event=event, cursor=self._cursor(person_id, position)
                )


def token_of(context: Context) -> str:
    """Return the token that a call came with."""
    given = dict(context.invocation_metadata()).get("authorization", "")
    return str(given).removeprefix("Bearer ")


def now() -> Timestamp:
    """Return the present time."""
    stamp = Timestamp()
    stamp.GetCurrentTime()
    return stamp


def page(entries: list[Any], request: Any) -> tuple[list[Any], str]:
    """Cut a page out of a list."""
    start, size = int(request.page_token or 0), request.page_size or 50
    end = start + size
    return entries[start:end], str(end) if end < len(entries) else ""


class People(friendship_grpc.PeopleServiceServicer):
    """PeopleService."""

    def __init__(self, backend: FakeBackend) -> None:
        self._backend = backend

    def SetPhoto(self, request_iterator: Any, context: Any) -> friendship.SetPhotoResponse:
        backend = self._backend
        caller = backend.caller(context, "SetPhoto", None)
        _, content = backend.files.receive(context, request_iterator, "PHOTO_TOO_LARGE")
        picture = read_picture(context, content, "PHOTO_TYPE_UNKNOWN")
        backend.people[caller].photo_id = photo_id = backend.new_id()
        backend.files.photos[photo_id] = {
            friendship.PHOTO_SIZE_SMALL: as_jpeg(ImageOps.fit(picture, (96, 96))),
            friendship.PHOTO_SIZE_LARGE: as_jpeg(ImageOps.fit(picture, (512, 512))),
        }
        return friendship.SetPhotoResponse(person=backend.person(context, caller, caller))

    def DeletePhoto(self, request: Any, context: Any) -> friendship.DeletePhotoResponse:
        caller = self._backend.caller(context, "DeletePhoto", request)
        self._backend.files.photos.pop(self._backend.people[caller].photo_id, None)
        self._backend.people[caller].photo_id = ""
        person = self._backend.person(context, caller, caller)
        return friendship.DeletePhotoResponse(person=person)

    def GetPhoto(self, request: Any, context: Any) -> friendship.GetPhotoResponse:
        self._backend.caller(context, "GetPhoto", request)
        sizes = self._backend.files.photos.get(request.photo_id)
        if sizes is None:
            refuse(context, grpc.StatusCode.NOT_FOUND, "PHOTO_NOT_FOUND", "There is no such photo.")
        return friendship.GetPhotoResponse(content=sizes[request.size], content_type="image/jpeg")

    def CreatePerson(self, request: Any, context: Any) -> friendship.CreatePersonResponse:
        caller = self._backend.caller(context, "CreatePerson", request)
        if any(
            person.handle == request.handle and person.person_id != caller
            for person in self._backend.people.values()
        ):
            refuse(
                context, grpc.StatusCode.ALREADY_EXISTS, "HANDLE_TAKEN", "Choose another handle."
            )
        self._backend.people[caller] = friendship.Person(
            person_id=caller,
            handle=request.handle,
            display_name=request.display_name,
            headline=request.headline,
        )
        person = self._backend.person(context, caller, caller)
        return friendship.CreatePersonResponse(person=person)

    def GetPerson(self, request: Any, context: Any) -> friendship.GetPersonResponse:
        caller = self._backend.caller(context, "GetPerson", request)
        person_id = request.person_id or next(
            (
                each.person_id
                for each in self._backend.people.values()
                if each.handle == request.handle
            ),
            "",
        )
        person = self._backend.person(context, caller, person_id)
        return friendship.GetPersonResponse(person=person)

    def UpdatePerson(self, request: Any, context: Any) -> friendship.UpdatePersonResponse:
        caller = self._backend.caller(context, "UpdatePerson", request)
        request.update_mask.MergeMessage(request.person, self._backend.people[caller])
        person = self._backend.person(context, caller, caller)
        return friendship.UpdatePersonResponse(person=person)

    def SearchPeople(self, request: Any, context: Any) -> friendship.SearchPeopleResponse:
        caller = self._backend.caller(context, "SearchPeople", request)
        words = request.query.lower().split()
        found = [
            self._backend.person(context, caller, person.person_id)
            for person in sorted(self._backend.people.values(), key=lambda each: each.handle)
            if all(
                any(part.startswith(word) for part in (person.handle, *_words(person)))
                for word in words
            )
        ]
        people, token = page(found, request)
        return friendship.SearchPeopleResponse(people=people, next_page_token=token)


def _words(person: friendship.Person) -> list[str]:
    return person.display_name.lower().split()


class Friendships(friendship_grpc.FriendshipServiceServicer):
    """FriendshipService, but for its stream."""

    def __init__(self, backend: FakeBackend) -> None:
        self._backend = backend

    def _render(self, context: Any, caller: str, request: Request) -> friendship.FriendRequest:
        other = request.addressee_id if caller == request.requester_id else request.requester_id
        state = request.state
        if state == friendship.FRIEND_REQUEST_STATE_IGNORED and caller == request.requester_id:
            state = friendship.FRIEND_REQUEST_STATE_PENDING
        return friendship.FriendRequest(
            request_id=request.request_id,
            requester_id=request.requester_id,
            addressee_id=request.addressee_id,
            state=state,
            note=request.note,
            create_time=request.create_time,
            person=self._backend.person(context, caller, other),
        )

    def _request(self, context: Any, caller: str, request_id: str, role: str) -> Request:
        found = self._backend.requests.get(request_id)
        if found is None or getattr(found, role) != caller:
            refuse(context, grpc.StatusCode.NOT_FOUND, "REQUEST_NOT_FOUND", "No such request.")
        return found

    def SendFriendRequest(self, request: Any, context: Any) -> Any:
        backend = self._backend
        caller = backend.caller(context, "SendFriendRequest", request)
        backend.person(context, caller, request.person_id)
        if request.person_id == caller:
            refuse(
                context, grpc.StatusCode.INVALID_ARGUMENT, "NOT_WITH_YOURSELF", "That is yourself."
            )
        made = Request(backend.new_id(), caller, request.person_id, request.note, now())
        backend.requests[made.request_id] = made
        return friendship.SendFriendRequestResponse(
            friend_request=self._render(context, caller, made)
        )

    def CancelFriendRequest(self, request: Any, context: Any) -> Any:
        caller = self._backend.caller(context, "CancelFriendRequest", request)
        found = self._request(context, caller, request.request_id, "requester_id")
        found.state, found.note = friendship.FRIEND_REQUEST_STATE_CANCELLED, ""
        return friendship.CancelFriendRequestResponse(
            friend_request=self._render(context, caller, found)
        )

    def AcceptFriendRequest(self, request: Any, context: Any) -> Any:
        caller = self._backend.caller(context, "AcceptFriendRequest", request)
        found = self._request(context, caller, request.request_id, "addressee_id")
        found.state = friendship.FRIEND_REQUEST_STATE_ACCEPTED
        self._backend.befriend(found.requester_id, found.addressee_id)
        return friendship.AcceptFriendRequestResponse(
            friend_request=self._render(context, caller, found)
        )

    def IgnoreFriendRequest(self, request: Any, context: Any) -> Any:
        caller = self._backend.caller(context, "IgnoreFriendRequest", request)
        found = self._request(context, caller, request.request_id, "addressee_id")
        found.state = friendship.FRIEND_REQUEST_STATE_IGNORED
        return friendship.IgnoreFriendRequestResponse(
            friend_request=self._render(context, caller, found)
        )

    def ListFriendRequests(self, request: Any, context: Any) -> Any:
        caller = self._backend.caller(context, "ListFriendRequests", request)
        pending = friendship.FRIEND_REQUEST_STATE_PENDING
        ignored = friendship.FRIEND_REQUEST_STATE_IGNORED
        role, states = {
            friendship.REQUEST_BOX_RECEIVED: ("addressee_id", (pending,)),
            friendship.REQUEST_BOX_SENT: ("requester_id", (pending, ignored)),
            friendship.REQUEST_BOX_IGNORED: ("addressee_id", (ignored,)),
        }[request.box]
        found = [
            self._render(context, caller, each)
            for each in self._backend.requests.values()
            if getattr(each, role) == caller and each.state in states
        ]
        requests, token = page(found, request)
        return friendship.ListFriendRequestsResponse(
            friend_requests=requests, next_page_token=token, cursor="cursor"
        )

    def ListFriends(self, request: Any, context: Any) -> friendship.ListFriendsResponse:
        caller = self._backend.caller(context, "ListFriends", request)
        others = sorted(
            next(iter(pair - {caller})) for pair in self._backend.friends if caller in pair
        )
        people, token = page(
            [self._backend.person(context, caller, each) for each in others], request
        )
        return friendship.ListFriendsResponse(
            friends=people, next_page_token=token, cursor="cursor"
        )

    def RemoveFriend(self, request: Any, context: Any) -> friendship.RemoveFriendResponse:
        caller = self._backend.caller(context, "RemoveFriend", request)
        self._backend.part(caller, request.person_id)
        return friendship.RemoveFriendResponse()

    def BlockPerson(self, request: Any, context: Any) -> friendship.BlockPersonResponse:
        caller = self._backend.caller(context, "BlockPerson", request)
        self._backend.part(caller, request.person_id)
        self._backend.blocks.add((caller, request.person_id))
        return friendship.BlockPersonResponse()

    def UnblockPerson(self, request: Any, context: Any) -> friendship.UnblockPersonResponse:
        caller = self._backend.caller(context, "UnblockPerson", request)
        self._backend.blocks.discard((caller, request.person_id))
        return friendship.UnblockPersonResponse()

    def ListBlockedPeople(self, request: Any, context: Any) -> Any:
        caller = self._backend.caller(context, "ListBlockedPeople", request)
        found = [
            self._backend.person(context, caller, blocked)
            for blocker, blocked in sorted(self._backend.blocks)
            if blocker == caller
        ]
        people, token = page(found, request)
        return friendship.ListBlockedPeopleResponse(people=people, next_page_token=token)

    def WatchFriendships(self, request: Any, context: Any) -> Any:
        # No command of the terminal client follows friendships: one that did would fail its test here.
        raise NotImplementedError


class Messages(messaging_grpc.MessagingServiceServicer):
    """MessagingService."""

    def __init__(self, backend: FakeBackend) -> None:
        self._backend = backend

    def ListChannels(self, request: Any, context: Any) -> messaging.ListChannelsResponse:
        caller = self._backend.caller(context, "ListChannels", request)
        with self._backend.changed:
            cursor = self._backend.cursor(caller)
            found = [
                self._backend.channel(talk, caller)
                for talk in self._backend.talks.values()
                if caller in talk.pair
            ]
        found.sort(key=lambda each: each.active_time.ToNanoseconds(), reverse=True)
        channels, token = page(found, request)
        return messaging.ListChannelsResponse(
            channels=channels, next_page_token=token, cursor=cursor
        )

    def GetChannel(self, request: Any, context: Any) -> messaging.GetChannelResponse:
        caller = self._backend.caller(context, "GetChannel", request)
        found = self._backend.talks.get(frozenset((caller, request.person_id)))
        talk = found or self._backend.talk(context, caller, request.channel_id)
        return messaging.GetChannelResponse(channel=self._backend.channel(talk, caller))

    def SendMessage(self, request: Any, context: Any) -> messaging.SendMessageResponse:
        backend = self._backend
        caller = backend.caller(context, "SendMessage", request)
        with backend.changed:
            talk = backend.talk(context, caller, request.channel_id)
            known = [
                each
                for each in talk.messages
                if each.client_message_id == request.client_message_id != ""
            ]
            if not known:
                self._check_open(context, talk)
                self._check_content(context, caller, request)
                said = (request.text, request.client_message_id, request.attachment_ids)
                known = [backend.say(caller, talk.other(caller), *said)]
            elif [each.attachment_id for each in known[0].attachments] != request.attachment_ids:
                code = grpc.StatusCode.ALREADY_EXISTS
                refuse(context, code, "CLIENT_MESSAGE_ID_REUSED", "It was another message.")
            backend.maybe_unavailable(context, "SendMessage")
            return messaging.SendMessageResponse(message=known[0])

    def ListMessages(self, request: Any, context: Any) -> messaging.ListMessagesResponse:
        caller = self._backend.caller(context, "ListMessages", request)
        talk = self._backend.talk(context, caller, request.channel_id)
        match request.WhichOneof("start"):
            case "after_seq":
                found = talk.messages[request.after_seq :]
            case "before_seq":
                found = list(reversed(talk.messages[: request.before_seq - 1]))
            case _:
                found = list(reversed(talk.messages))
        messages, token = page(found, request)
        return messaging.ListMessagesResponse(messages=messages, next_page_token=token)

    def EditMessage(self, request: Any, context: Any) -> messaging.EditMessageResponse:
        message = self._own(request, context, "EditMessage")
        message.text = request.text
        message.edit_time.CopyFrom(now())
        self._tell(message, "message_edited", messaging.MessageEdited(message=message))
        return messaging.EditMessageResponse(message=message)

    def DeleteMessage(self, request: Any, context: Any) -> messaging.DeleteMessageResponse:
        message = self._own(request, context, "DeleteMessage")
        for attachment in message.attachments:
            del self._backend.files.stored[attachment.attachment_id]
        message.text = ""
        message.ClearField("attachments")
        message.delete_time.CopyFrom(now())
        self._tell(message, "message_deleted", messaging.MessageDeleted(message=message))
        return messaging.DeleteMessageResponse(message=message)

    def MarkRead(self, request: Any, context: Any) -> messaging.MarkReadResponse:
        caller = self._backend.caller(context, "MarkRead", request)
        talk = self._backend.talk(context, caller, request.channel_id)
        self._backend.mark_read(caller, talk.other(caller), request.seq)
        return messaging.MarkReadResponse(channel=self._backend.channel(talk, caller))

    def SendTyping(self, request: Any, context: Any) -> messaging.SendTypingResponse:
        caller = self._backend.caller(context, "SendTyping", request)
        talk = self._backend.talk(context, caller, request.channel_id)
        self._check_open(context, talk)
        self._backend.type(caller, talk.other(caller))
        return messaging.SendTypingResponse()

    def WatchMessages(
        self, request: Any, context: Any
    ) -> Iterator[messaging.WatchMessagesResponse]:
        caller = self._backend.caller(context, "WatchMessages", request)
        token = token_of(context)
        yield from self._backend.follow(context, caller, request.after_cursor, token)

    def _check_open(self, context: Any, talk: Talk) -> None:
        if not talk.is_open:
            sentence = "You are no longer friends; no message passes."
            refuse(context, grpc.StatusCode.PERMISSION_DENIED, "CHANNEL_CLOSED", sentence)

    def _check_content(self, context: Any, caller: str, request: Any) -> None:
        stored = self._backend.files.stored
        if not request.text and not request.attachment_ids:
            sentence = "A message needs a text."
            refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", sentence)
        for attachment_id in request.attachment_ids:
            file = stored.get(attachment_id)
            if file is None or file.is_sent or caller not in file.readers:
                sentence = "There is no such attachment."
                refuse(context, grpc.StatusCode.NOT_FOUND, "ATTACHMENT_NOT_FOUND", sentence)

    def _own(self, request: Any, context: Any, method: str) -> messaging.Message:
        caller = self._backend.caller(context, method, request)
        talk = self._backend.talk(context, caller, request.channel_id)
        if request.seq > len(talk.messages):
            refuse(context, grpc.StatusCode.NOT_FOUND, "MESSAGE_NOT_FOUND", "No such message.")
        seq: int = request.seq
        message = talk.messages[seq - 1]
        if message.sender_id != caller:
            refuse(context, grpc.StatusCode.PERMISSION_DENIED, "NOT_THE_SENDER", "It is not yours.")
        return message

    def _tell(self, message: messaging.Message, kind: str, what: Any) -> None:
        talk = next(
            each for each in self._backend.talks.values() if each.channel_id == message.channel_id
        )
        with self._backend.changed:
            for person_id in talk.pair:
                self._backend.log(person_id, messaging.Event(**{kind: what}))


def _handler(backend: FakeBackend) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            backend.calls.append(("dev/token", body))
            answer = json.dumps({"token": make_token(body["personId"])}).encode()
            self.send_response(200 if self.path == "/dev/token" else 404)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Be quiet."""

    return Handler
