"""What people are to each other and may do: the blueprint's rules in as few words as can be."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field


class Refused(Exception): ...  # its argument is the reason


@dataclass(eq=False)
class Request:
    pair: "Pair"
    requester: str
    addressee: str
    note: str
    state: str = "PENDING"
    request_id: str = ""  # given by the service

    def seen(self, me: str) -> str:
        ignored = self.state == "PENDING" and me == self.addressee and me in self.pair.ignores
        return "IGNORED" if ignored else self.state


@dataclass(eq=False)
class Message:
    seq: int
    sender: str
    client_id: str
    asked: str
    text: str  # empty once deleted
    edits: int = 0


@dataclass(eq=False)
class Pair:
    request: Request | None = None  # the pending one, or the one that made the two friends
    friends: bool = False
    ignores: set[str] = field(default_factory=set[str])
    blocks: set[str] = field(default_factory=set[str])
    messages: list[Message] = field(default_factory=list[Message])
    read: Counter[str] = field(default_factory=Counter[str])
    told: Counter[str] = field(default_factory=Counter[str])  # how far the other knows of it

    def unread(self, me: str) -> int:
        return sum(m.sender != me and m.text != "" for m in self.messages[self.read[me] :])


class Model:
    def __init__(self) -> None:
        self.pairs: defaultdict[frozenset[str], Pair] = defaultdict(Pair)
        self.requests: list[Request] = []
        self.channels: list[Pair] = []  # by activity, the latest last

    def pair(self, me: str, other: str) -> Pair:
        refuse("NOT_WITH_YOURSELF", me == other)
        return self.pairs[frozenset((me, other))]

    def relationship(self, me: str, other: str) -> str:
        pair = self.pair(me, other)
        if me in pair.blocks:
            return "BLOCKED"
        if pair.request is None or pair.request.seen(me) == "IGNORED":
            return "NONE"
        asked = "REQUEST_SENT" if pair.request.requester == me else "REQUEST_RECEIVED"
        return "FRIENDS" if pair.friends else asked

    def box(self, me: str, state: str) -> list[Request]:
        asked = [r for r in reversed(self.requests) if r.addressee == me and r.seen(me) == state]
        return [r for r in asked if me not in r.pair.blocks]

    def ask(self, me: str, other: str, note: str) -> Request:
        pair = self.pair(me, other)
        refuse("PERSON_BLOCKED", me in pair.blocks)
        if pair.request is None:
            pair.ignores |= pair.blocks  # asked of a blocker: as if ignored
            pair.request = Request(pair, me, other, note)
            self.requests.append(pair.request)
        elif pair.request.requester == other:
            self.accept(me, pair.request)
        return pair.request

    def cancel(self, me: str, request: Request) -> None:
        refuse("REQUEST_NOT_FOUND", me != request.requester)
        refuse("REQUEST_NOT_PENDING", request.state == "ACCEPTED")
        if request.state == "PENDING":
            request.pair.request, request.state, request.note = None, "CANCELLED", ""

    def accept(self, me: str, request: Request) -> None:
        refuse("REQUEST_NOT_FOUND", me != request.addressee)
        refuse("REQUEST_NOT_PENDING", request is not request.pair.request)
        refuse("PERSON_BLOCKED", me in request.pair.blocks)
        request.state, request.pair.friends, request.pair.ignores = "ACCEPTED", True, set()
        self.channels += [request.pair] * (request.pair not in self.channels)

    def ignore(self, me: str, request: Request) -> None:
        refuse("REQUEST_NOT_FOUND", me != request.addressee)
        refuse("REQUEST_NOT_PENDING", request.state != "PENDING")
        request.pair.ignores.add(me)

    def remove(self, me: str, other: str) -> None:
        if (pair := self.pair(me, other)).friends:
            pair.friends, pair.request = False, None

    def block(self, me: str, other: str) -> None:
        self.remove(me, other)
        pair = self.pair(me, other)
        if pair.request and pair.request.requester == me:
            self.cancel(me, pair.request)
        pair.ignores |= {me} if pair.request else set()
        pair.blocks.add(me)

    def unblock(self, me: str, other: str) -> None:
        self.pair(me, other).blocks.discard(me)

    def send(self, me: str, pair: Pair, client_id: str, text: str) -> Message:
        for known in pair.messages:
            if client_id and (known.sender, known.client_id) == (me, client_id):
                refuse("CLIENT_MESSAGE_ID_REUSED", known.text != "" and known.asked != text)
                return known
        refuse("CHANNEL_CLOSED", not pair.friends)
        pair.messages.append(Message(len(pair.messages) + 1, me, client_id, text, text))
        self.channels.sort(key=lambda channel: channel is pair)
        return pair.messages[-1]

    def edit(self, me: str, pair: Pair, seq: int, text: str) -> Message:
        message = self._own(me, pair, seq)
        refuse("MESSAGE_DELETED", message.text == "")
        refuse("CHANNEL_CLOSED", not pair.friends)
        message.text, message.edits = text, message.edits + 1
        return message

    def delete(self, me: str, pair: Pair, seq: int) -> Message:
        message = self._own(me, pair, seq)
        message.text = ""
        return message

    def mark_read(self, me: str, pair: Pair, seq: int) -> None:
        refuse("MESSAGE_NOT_FOUND", seq > len(pair.messages))
        for mark in (pair.read, pair.told) if pair.friends else (pair.read,):
            mark[me] = max(seq, mark[me])

    def _own(self, me: str, pair: Pair, seq: int) -> Message:
        refuse("MESSAGE_NOT_FOUND", seq > len(pair.messages))
        refuse("NOT_THE_SENDER", pair.messages[seq - 1].sender != me)
        return pair.messages[seq - 1]


def refuse(reason: str, when: bool) -> None:
    if when:
        raise Refused(reason)
