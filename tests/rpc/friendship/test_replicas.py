"""Two replicas of the service on one PostgreSQL: what is between them fails, and nothing is lost or done twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import grpc
import pytest

from bench.system import free_port
from chassis.client import open_channel
from paperplane.friendship.v1 import friendship_pb2 as pb
from services.friendship.migrations import MIGRATIONS
from services.friendship.wiring import running
from tests.support.bus import Bus, a_bus
from tests.support.databases import MortalServer
from tests.support.friendship import (
    Caller,
    Refused,
    World,
    friendship_world,
    read_refusal,
)
from tests.support.friendship import Told as MessagingTold
from tests.support.watcher import Told, Watcher

pytestmark = pytest.mark.postgresql

PAIRS = 10
ROUNDS = 5
PATIENCE_SECONDS = 60
T = TypeVar("T")


@asynccontextmanager
async def a_second_replica(world: World) -> AsyncGenerator[grpc.aio.Channel]:
    """Run another replica on the same data; gives what leads to it."""
    at = f"127.0.0.1:{free_port()}"
    settings = world.settings.model_copy(update={"listen": at})
    async with running(settings), open_channel(at) as channel:
        yield channel


def told(event: pb.Event) -> Told:
    """Return what an event tells of."""
    kind = str(event.WhichOneof("kind"))
    about = getattr(event, kind)
    return kind, about.person_id if kind == "friend_removed" else about.friend_request.request_id, 0


def logs(world: World) -> dict[str, list[Told]]:
    """Return everyone's log as the database has it."""
    found: dict[str, list[Told]] = {}
    query = "SELECT person_id, kind, subject FROM inbox_entries ORDER BY person_id, position"
    for person_id, kind, subject in world.rows(query):
        found.setdefault(person_id, []).append((kind, subject, 0))
    return found


async def all_come_and_go(pairs: list[tuple[Caller, Caller]]) -> None:
    """Let all become friends and part again, a number of times."""

    async def come_and_go(ann: Caller, bob: Caller) -> None:
        for _ in range(ROUNDS):
            await ann.befriend(bob)
            await bob.remove(ann)

    await asyncio.gather(*(come_and_go(*pair) for pair in pairs))


@pytest.mark.slow
async def test_who_watches_one_replica_sees_what_is_done_at_the_other_with_and_without_nats() -> (
    None
):
    async with (
        a_bus() as bus,
        friendship_world(nats=bus.url) as world,
        a_second_replica(world) as other,
        asyncio.TaskGroup() as watching,
    ):
        watchers: dict[str, Watcher] = {}
        pairs: list[tuple[Caller, Caller]] = []
        for number in range(PAIRS):
            ann, bob = await world.person(f"ann_{number}"), await world.person(f"bob_{number}")
            pairs.append((Caller(ann.id, other), Caller(bob.id, other)))
            watchers |= {each.id: Watcher(each.watch(), told) for each in (ann, bob)}
        tasks = [watching.create_task(watcher.watch()) for watcher in watchers.values()]
        async with asyncio.timeout(PATIENCE_SECONDS):
            for watcher in watchers.values():
                await watcher.live()
            await whether_nats_is_there_or_not(bus, pairs)
            expected = logs(world)
            for person_id, watcher in watchers.items():
                await watcher.told_of(len(expected[person_id]))
        for task in tasks:
            task.cancel()

    assert {person_id: watcher.seen for person_id, watcher in watchers.items()} == expected
    ends = [[kind for kind, *_ in log].count("friend_removed") for log in expected.values()]
    assert ends == [3 * ROUNDS] * (2 * PAIRS)


async def whether_nats_is_there_or_not(bus: Bus, pairs: list[tuple[Caller, Caller]]) -> None:
    await all_come_and_go(pairs)
    parted_amid = asyncio.create_task(all_come_and_go(pairs))
    await bus.kill()
    await parted_amid
    back_amid = asyncio.create_task(all_come_and_go(pairs))
    await bus.start()
    await back_amid


class Persistent:
    """Repeats what is refused until it is done, and keeps why it was refused.

    Attributes:
        refused: all refusals so far.
        done: how many friendships have been ended, by the one who ended them.
    """

    def __init__(self) -> None:
        self.refused: list[Refused] = []
        self.done: dict[str, int] = {}
        self._news = asyncio.Condition()

    async def insist(self, act: Callable[[], Awaitable[T]]) -> T:
        """Do something until it is done."""
        while True:
            try:
                return await act()
            except grpc.aio.AioRpcError as error:
                self.refused.append(read_refusal(error))
            finally:
                async with self._news:
                    self._news.notify_all()

    async def come_and_go(self, world: World, ann: Caller, bob: Caller) -> None:
        """Become friends and part again, for ever; an end that was promised has reached messaging."""
        self.done[bob.id] = 0
        while True:
            request = await self.insist(lambda: ann.ask(bob))
            await self.insist(lambda: bob.accept(request.request_id))  # noqa: B023 - awaited here
            await self.insist(lambda: bob.remove(ann))
            last = [each for each in world.messaging.told if each.low == ann.id][-1]
            assert not last.open
            self.done[bob.id] += 1

    async def until_more(self, count: Callable[[], int]) -> None:
        """Wait until ten more have come."""
        before = count()
        async with asyncio.timeout(PATIENCE_SECONDS), self._news:
            await self._news.wait_for(lambda: count() >= before + 10)

    def ended(self) -> int:
        """Return how many friendships have been ended."""
        return sum(self.done.values())


@pytest.mark.prove
async def test_a_crash_of_postgresql_is_told_with_a_time_to_wait_and_does_nothing_twice(
    mortal_server: MortalServer,
) -> None:
    url = await asyncio.to_thread(mortal_server.a_database, "friendship", MIGRATIONS)
    limits: dict[str, Any] = {"requests_per_hour": "off", "max_pending_requests": "off"}
    async with (
        friendship_world(database=url, **limits) as world,
        a_second_replica(world) as other,
    ):
        pairs: list[tuple[Caller, Caller]] = []
        for number in range(PAIRS):
            ann, bob = await world.person(f"ann_{number}"), await world.person(f"bob_{number}")
            pairs.append((ann, Caller(bob.id, other)))
        people = Persistent()
        busy = [asyncio.create_task(people.come_and_go(world, *pair)) for pair in pairs]
        for _ in range(3):
            await people.until_more(people.ended)
            await asyncio.to_thread(mortal_server.crash)
            await people.until_more(lambda: len(people.refused))
            await asyncio.to_thread(mortal_server.start)
        await people.until_more(people.ended)
        for task in busy:
            task.cancel()
        await asyncio.wait(busy)
        assert all(task.cancelled() for task in busy), busy

        epochs = dict(world.rows("SELECT high_id, epoch FROM pairs"))
        for person_id, ends in people.done.items():
            # Two for each friendship that ended; the last may have begun, and ended unheard.
            assert epochs[person_id] - 2 * ends in (0, 1, 2)
            end = MessagingTold(f"ann{person_id[3:]}", person_id, open=False, epoch=2 * ends)
            assert end in world.messaging.told
        for log in logs(world).values():
            # Nothing was written twice: no event of a request comes more than once.
            of_requests = [each for each in log if each[0] != "friend_removed"]
            assert len(of_requests) == len(set(of_requests))

    assert {each.code for each in people.refused} == {grpc.StatusCode.UNAVAILABLE}
    reasons = {"SERVICE_UNAVAILABLE", "OUTCOME_UNKNOWN", "REVOCATION_PENDING"}
    assert {each.reason for each in people.refused} <= reasons
    assert all(each.retry_seconds is not None for each in people.refused)
