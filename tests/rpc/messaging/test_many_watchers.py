"""Many watchers, broken off at random and resumed: each sees its whole inbox once, in order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from chassis.client import open_channel
from paperplane.messaging.v1 import messaging_pb2 as pb
from paperplane.messaging.v1 import messaging_pb2_grpc
from tests.support.messaging import MessagingUnderTest, Person, kind_of, messaging_service

_WAVE = 200
"""Streams that are opened at a time: thousands in one burst get cancelled by gRPC itself."""
_MESSAGES_PER_CHANNEL = 8
_FRIENDS_EACH = 2

What = tuple[str, str, int]
"""An event: its kind, its channel, and the place it is about."""


def what(event: pb.Event) -> What:
    """Return what an event tells of, as the database holds it."""
    kind = str(event.WhichOneof("kind"))
    if kind.startswith("message_"):
        message = getattr(event, kind).message
        return kind, message.channel_id, message.seq
    if kind == "read":
        return kind, event.read.channel_id, event.read.seq
    return kind, getattr(event, kind).channel.channel_id, 0


@dataclass
class Watcher:
    """One person's device, which loses its connection again and again.

    Attributes:
        seen: what it was told, but for `caught_up`.
        breaks: how many more times it is to be broken off.
    """

    person: Person
    chance: random.Random
    breaks: int
    cursor: str = ""
    seen: list[What] = field(default_factory=list[What])
    resumed: int = 0
    caught_up: asyncio.Event = field(default_factory=asyncio.Event)
    grown: asyncio.Event = field(default_factory=asyncio.Event)

    async def watch(self) -> None:
        """Watch until cancelled."""
        while True:
            # Some breaks come in the middle of the replay, some in silence.
            patience = self.chance.uniform(0.01, 1.0) if self.breaks else 600
            lasting = self.chance.randint(1, 12) if self.breaks else 10**9
            call = self.person.open_watch(self.cursor, timeout=600)
            try:
                async with asyncio.timeout(patience):
                    async for response in call:
                        self._take(response)
                        lasting -= 1
                        if lasting == 0:
                            break
            except TimeoutError:
                # A break that came in silence; the next watch goes on from the cursor.
                if not self.breaks:
                    raise
            finally:
                call.cancel()
            self.breaks -= 1
            self.resumed += 1

    def _take(self, response: pb.WatchMessagesResponse) -> None:
        if kind_of(response) == "caught_up":
            self.caught_up.set()
        else:
            self.seen.append(what(response.event))
            self.grown.set()
        self.cursor = response.cursor

    async def until(self, count: int) -> None:
        """Wait until that many events have been seen."""
        while len(self.seen) < count:
            self.grown.clear()
            await self.grown.wait()


async def all_have_seen(watchers: Sequence[Watcher], counts: Mapping[str, int]) -> None:
    """Wait until each watcher has seen as many events as there are."""
    await asyncio.gather(*(watcher.until(counts[watcher.person.id]) for watcher in watchers))


async def open_channels(service: MessagingUnderTest, people: Sequence[str]) -> dict[str, list[str]]:
    """Make each person the friend of the next ones in a ring; return everyone's channels."""
    ring = [*people, *people[:_FRIENDS_EACH]]
    pairs = [
        (ring[place], ring[place + step])
        for place in range(len(people))
        for step in range(1, _FRIENDS_EACH + 1)
    ]
    for one, other in pairs:
        service.friendship.set(one, other, open=True, epoch=1)
    for start in range(0, len(pairs), 500):
        await service.deliver(*((a, b, True, 1) for a, b in pairs[start : start + 500]))
    channels: dict[str, list[str]] = {}
    for channel_id, low, high in service.rows("SELECT channel_id, low_id, high_id FROM channels"):
        channels.setdefault(low, []).append(channel_id)
        channels.setdefault(high, []).append(channel_id)
    return channels


async def talk(person: Person, channel_ids: Sequence[str], chance: random.Random) -> None:
    """Send into every channel of a person, and now and then edit, delete or read."""
    for _ in range(_MESSAGES_PER_CHANNEL):
        for channel_id in channel_ids:
            sent = await person.send(channel_id, "hello")
            match chance.randrange(10):
                case 0:
                    await person.edit(channel_id, sent.seq, "changed")
                case 1:
                    await person.delete(channel_id, sent.seq)
                case 2:
                    await person.read(channel_id, sent.seq)
                case _:
                    pass


async def prove_exact_resume(service: MessagingUnderTest, count: int, breaks: int) -> None:
    """Let everyone watch and every tenth person talk, and compare what was seen with the database."""
    chance = random.Random(7)
    people = [f"person-{number:04}" for number in range(count)]
    channels = await open_channels(service, people)
    async with AsyncExitStack() as opened:
        watchers: list[Watcher] = []
        running: list[asyncio.Task[None]] = []
        for start in range(0, count, _WAVE):
            channel = await opened.enter_async_context(open_channel(service.settings.listen))
            stub = messaging_pb2_grpc.MessagingServiceStub(channel)
            wave = [
                Watcher(
                    Person(name, stub, service.attachments),
                    random.Random(chance.random()),
                    chance.randint(1, breaks),
                )
                for name in people[start : start + _WAVE]
            ]
            running += [asyncio.create_task(watcher.watch()) for watcher in wave]
            await asyncio.gather(*(watcher.caught_up.wait() for watcher in wave))
            watchers += wave

        talkers = [service.person(name) for name in people[::3]]
        for start in range(0, len(talkers), 50):
            await asyncio.gather(
                *(talk(who, channels[who.id], chance) for who in talkers[start : start + 50])
            )

        heads = dict(service.rows("SELECT person_id, position FROM inbox_heads"))
        arrived = asyncio.create_task(all_have_seen(watchers, heads))
        # A watcher that failed says why at once.
        done, _ = await asyncio.wait([arrived, *running], return_when=asyncio.FIRST_COMPLETED)
        assert done == {arrived}, [task.exception() for task in done]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    expected: dict[str, list[What]] = {name: [] for name in people}
    for person_id, kind, subject, number in service.rows(
        "SELECT person_id, kind, subject, number FROM inbox_entries ORDER BY person_id, position"
    ):
        expected[person_id].append((kind, subject, number))
    for watcher in watchers:
        assert watcher.seen == expected[watcher.person.id]
    # What was compared is worth it: much happened, and everyone was broken off.
    sent = sum(kind == "message_sent" for log in expected.values() for kind, _, _ in log)
    assert sent == 2 * sum(len(channels[who.id]) for who in talkers) * _MESSAGES_PER_CHANNEL
    assert all(watcher.resumed >= 1 for watcher in watchers)
    assert_places_are_gapless(service)


def assert_places_are_gapless(service: MessagingUnderTest) -> None:
    """Compare every log and every channel with 1, 2, 3."""
    for table, key, number in (
        ("inbox_entries", "person_id", "position"),
        ("messages", "channel_id", "seq"),
    ):
        rows = service.rows(f"SELECT {key}, {number} FROM {table} ORDER BY {key}, {number}")
        for (owner, place), (next_owner, next_place) in pairwise([("", 0), *rows]):
            assert next_place == (place + 1 if owner == next_owner else 1)


@pytest.mark.slow
async def test_fifty_watchers_see_their_inboxes_exactly_once(tmp_path: Path) -> None:
    async with messaging_service(tmp_path) as service:
        await prove_exact_resume(service, count=50, breaks=6)


# A thousand streams and those who write share one process with what stands in for friendship.
@pytest.mark.timed
@pytest.mark.sqlite
@pytest.mark.prove
@pytest.mark.timeout(900)
async def test_thousand_watchers_see_their_inboxes_exactly_once(tmp_path: Path) -> None:
    async with messaging_service(tmp_path) as service:
        await prove_exact_resume(service, count=1000, breaks=10)


async def test_watcher_that_loses_its_place_is_noticed(tmp_path: Path) -> None:
    """The comparison above can fail: a watcher who forgets its cursor sees events twice."""
    async with messaging_service(tmp_path) as service:
        ann, bob, channel_id = await service.friends("ann", "bob")
        watcher = Watcher(bob, random.Random(1), breaks=0)
        for _ in range(2):
            watcher.cursor = ""
            watching = asyncio.create_task(watcher.watch())
            await watcher.caught_up.wait()
            await ann.send(channel_id, "hello")
            watcher.caught_up.clear()
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        rows = service.rows(
            "SELECT kind, subject, number FROM inbox_entries WHERE person_id = 'bob'"
        )
        assert watcher.seen != rows
        assert set(watcher.seen) <= set(rows)
