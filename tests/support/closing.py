"""Two people who write, edit, read and type as fast as they can while their channel closes and reopens."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

import grpc
from google.protobuf.duration_pb2 import Duration

from chassis.clock import system_clock
from paperplane.intake.v1 import intake_pb2
from paperplane.messaging.v1 import messaging_pb2 as pb
from paperplane.messaging.v1.intake_pb2 import SendMessagesRequest, SendMessagesResponse
from tests.support.databases import rows
from tests.support.friendship import PATIENCE, read_refusal
from tests.support.refusals import read_status
from tests.support.services import Member, Services

CALLS_PER_FRAME = 4
FENCED = ("send", "frame", "edit", "typing")
"""What must be refused while the channel is closed. A read mark is taken, and told to nobody."""
_ALLOWED = {"CHANNEL_CLOSED", "FRIENDSHIP_UNAVAILABLE"}


@dataclass(frozen=True)
class Footprint:
    """All of a channel that anything which passes would change, as it is committed."""

    last_seq: int
    messages: int
    edited: int | None
    told_marks: tuple[int, int]
    inboxes: tuple[int, ...]


def footprint(database: str, channel_id: str) -> Footprint:
    """Read the footprint of a channel from the database."""
    # One statement sees one state of the database.
    (row,) = rows(
        database,
        """
            SELECT c.last_seq, c.low_told_seq, c.high_told_seq,
                (SELECT count(*) FROM messages m WHERE m.channel_id = c.channel_id),
                (SELECT max(edit_time) FROM messages m WHERE m.channel_id = c.channel_id),
                (SELECT position FROM inbox_heads WHERE person_id = c.low_id),
                (SELECT position FROM inbox_heads WHERE person_id = c.high_id)
            FROM channels c WHERE c.channel_id = :channel
            """,
        channel=channel_id,
    )
    last_seq, low_told, high_told, messages, edited, low_inbox, high_inbox = row
    return Footprint(last_seq, messages, edited, (low_told, high_told), (low_inbox, high_inbox))


@dataclass
class Traffic:
    """What two people do in their channel, and what came of it.

    Attributes:
        people: the two.
        channel_id: their channel, whose first two messages are of the one and of the other.
        closed: the number of the closing that has returned, while nothing may pass; else None.
        passed: what was answered OK since the channel last opened, by kind.
        refused: what was begun after the closing had returned and was refused, by kind.
        violations: what was begun after the closing had returned and was answered OK.
        typing_seen: when the service showed a typing sign, in microseconds since 1970.
    """

    people: tuple[Member, Member]
    channel_id: str
    closed: int | None = None
    passed: Counter[str] = field(default_factory=Counter[str])
    refused: Counter[str] = field(default_factory=Counter[str])
    violations: list[str] = field(default_factory=list[str])
    typing_seen: list[int] = field(default_factory=list[int])
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def flowing(self) -> AsyncGenerator[None]:
        """Keep everyone busy until the context ends; what goes wrong with them ends it."""
        async with asyncio.TaskGroup() as group:
            loops = [
                group.create_task(loop(person))
                for person in self.people
                for loop in (self._send, self._send_frames, self._edit, self._read, self._watch)
            ]
            yield
            for task in loops:
                task.cancel()

    async def until(self, enough: Callable[[], bool]) -> None:
        """Wait until enough has happened, or something that must not."""
        async with asyncio.timeout(PATIENCE):
            while not (enough() or self.violations):
                self._news.clear()
                await self._news.wait()

    async def _send(self, person: Member) -> None:
        for number in count():
            client_id = f"{person.id}-{number}"
            await self._attempt("send", person.send(self.channel_id, "a message", client_id))

    async def _edit(self, person: Member) -> None:
        own_seq = 1 + self.people.index(person)
        while True:
            await self._attempt("edit", person.edit(self.channel_id, own_seq, "edited"))

    async def _read(self, person: Member) -> None:
        while True:
            await self._attempt("typing", person.type(self.channel_id))
            latest = (await person.channel(self.channel_id)).last_seq
            # Taken also while closed; that nobody is told of it, the footprint shows.
            await person.mark_read(self.channel_id, latest)
            self.passed["read"] += 1

    async def _watch(self, person: Member) -> None:
        async for event in person.watch_messages((await person.channels()).cursor, None):
            if event.HasField("typing"):
                self.typing_seen.append(event.event_time.ToMicroseconds())

    async def _attempt(self, kind: str, call: Awaitable[object]) -> None:
        begun = self.closed
        reason = ""
        try:
            await call
        except grpc.aio.AioRpcError as error:
            reason = read_refusal(error).reason
        self._count(kind, begun, reason)

    async def _send_frames(self, person: Member) -> None:
        call = person.intake.SendMessages()
        tags = count()
        while True:
            begun = self.closed
            await call.write(SendMessagesRequest(frame=self._frame(person, tags)))
            missing = CALLS_PER_FRAME
            while missing:
                response = await call.read()
                assert isinstance(response, SendMessagesResponse), "the stream has broken"
                for answer in response.frame.answers:
                    self._count("frame", begun, _reason(answer))
                missing -= len(response.frame.answers)

    def _frame(self, person: Member, tags: Iterator[int]) -> intake_pb2.CallFrame:
        frame = intake_pb2.CallFrame()
        for _ in range(CALLS_PER_FRAME):
            tag = next(tags)
            request = pb.SendMessageRequest(
                channel_id=self.channel_id,
                text="a message in a frame",
                client_message_id=f"{person.id}-frame-{tag}",
            )
            frame.calls.add(
                tag=tag,
                person_id=person.id,
                timeout=Duration(seconds=int(PATIENCE)),
                request=request.SerializeToString(),
            )
        return frame

    def _count(self, kind: str, begun: int | None, reason: str) -> None:
        assert reason in {"", *_ALLOWED}, reason
        within = begun is not None and begun == self.closed
        if not reason:
            self.passed[kind] += 1
            if within:
                self.violations.append(f"{kind}, begun after closing {begun} had returned, passed")
        elif within:
            self.refused[kind] += 1
        self._news.set()


def _reason(answer: intake_pb2.Answer) -> str:
    return "" if answer.HasField("response") else read_status(answer.status).reason


@dataclass(frozen=True)
class Played:
    """What became of a number of rounds.

    Attributes:
        violations: what passed although it must not have.
        passed: what was answered OK, by kind.
        refused: what was begun after a closing had returned and was refused, by kind.
        typing_shown: how many typing signs were shown.
    """

    violations: list[str]
    passed: Counter[str]
    refused: Counter[str]
    typing_shown: int


async def play(services: Services, rounds: int) -> Played:
    """Close and reopen a busy channel; stop at the first violation of the promise.

    Arguments:
        services: where.
        rounds: how many times.
    """
    ann, bob = await services.pair()
    await ann.befriend(bob)
    channel_id = (await ann.channel_with(bob)).channel_id
    for person in (ann, bob):
        await person.send(channel_id, "to be edited")
    traffic = Traffic((ann, bob), channel_id)
    passed, refused = Counter[str](), Counter[str]()
    closed_times: list[tuple[int, int]] = []
    violations = traffic.violations
    async with traffic.flowing():
        for number in range(rounds):
            traffic.passed.clear()
            # Both ways of sending are at full speed, and grants that say "friends" are at hand.
            await traffic.until(lambda: all(traffic.passed[kind] for kind in (*FENCED, "read")))
            closer, other = (ann, bob) if number % 2 else (bob, ann)
            if number % 3:
                await closer.remove(other)
            else:
                await closer.block(other)
            since = system_clock()
            left = footprint(services.messages, channel_id)
            passed += traffic.passed
            traffic.refused.clear()
            traffic.closed = number
            await traffic.until(lambda: all(traffic.refused[kind] > 1 for kind in FENCED))
            if not number % 3:
                await closer.unblock(other)
            request = await other.ask(closer)
            traffic.closed = None
            refused += traffic.refused
            found = footprint(services.messages, channel_id)
            closed_times.append((since, system_clock()))
            if found != left:
                violations.append(f"closing {number} left {left}, and then there was {found}")
            if violations:
                break
            await closer.accept(request.request_id)
    violations += [
        f"typing was shown at {shown}, closed from {since} to {until}"
        for since, until in closed_times
        for shown in traffic.typing_seen
        if since < shown < until
    ]
    return Played(violations, passed, refused, len(traffic.typing_seen))
