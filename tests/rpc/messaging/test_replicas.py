"""Two replicas of the service on one PostgreSQL: what is between them fails, and nobody loses anything."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from bench.system import free_port
from chassis.client import open_channel
from chassis.database.migrate import Revisions, SchemaMismatch, check_schema, migrate
from paperplane.messaging.v1 import attachments_pb2_grpc, messaging_pb2, messaging_pb2_grpc
from services.messaging.migrations import MIGRATIONS
from services.messaging.wiring import running
from tests.support.bus import Bus, a_bus
from tests.support.databases import MortalServer
from tests.support.friendship import read_refusal
from tests.support.messaging import MessagingUnderTest, Person, messaging_service
from tests.support.watcher import Told, Watcher

pytestmark = pytest.mark.postgresql

PAIRS = 10
MESSAGES = 20
PATIENCE_SECONDS = 60


@asynccontextmanager
async def a_second_replica(
    service: MessagingUnderTest, nats: str = ""
) -> AsyncGenerator[grpc.aio.Channel]:
    """Run another replica on the same data; gives what leads to it."""
    at = f"127.0.0.1:{free_port()}"
    settings = service.settings.model_copy(update={"listen": at, "nats": nats})
    async with running(settings), open_channel(at) as channel:
        yield channel


def through(channel: grpc.aio.Channel, person: Person) -> Person:
    """Return the same person, calling another replica."""
    return Person(
        person.id,
        messaging_pb2_grpc.MessagingServiceStub(channel),
        attachments_pb2_grpc.AttachmentServiceStub(channel),
    )


def told(event: messaging_pb2.Event) -> Told:
    """Return what an event tells of."""
    kind = str(event.WhichOneof("kind"))
    about = getattr(event, kind)
    if kind == "message_sent":
        return kind, about.message.channel_id, about.message.seq
    return kind, about.channel.channel_id, 0


def logs(service: MessagingUnderTest) -> dict[str, list[Told]]:
    """Return everyone's log as the database has it."""
    found: dict[str, list[Told]] = {}
    query = (
        "SELECT person_id, kind, subject, number FROM inbox_entries ORDER BY person_id, position"
    )
    for person_id, kind, subject, number in service.rows(query):
        found.setdefault(person_id, []).append((kind, subject, number))
    return found


async def all_send(senders: Sequence[tuple[Person, str]]) -> None:
    """Let everyone send a number of messages, each after the one before."""

    async def send_on(sender: Person, channel_id: str) -> None:
        for number in range(MESSAGES):
            await sender.send(channel_id, f"message {number}")

    await asyncio.gather(*itertools.starmap(send_on, senders))


@pytest.mark.slow
async def test_who_watches_one_replica_sees_what_is_sent_to_the_other_with_and_without_nats(
    tmp_path: Path,
) -> None:
    async with (
        a_bus() as bus,
        messaging_service(tmp_path, {"PAPERPLANE_NATS": bus.url}) as service,
        a_second_replica(service, bus.url) as other,
        asyncio.TaskGroup() as watching,
    ):
        watchers: dict[str, Watcher] = {}
        senders: list[tuple[Person, str]] = []
        tasks: list[asyncio.Task[None]] = []
        for number in range(PAIRS):
            ann, bob, channel_id = await service.friends(f"ann_{number}", f"bob_{number}")
            senders += [(through(other, person), channel_id) for person in (ann, bob)]
            for person in (ann, bob):
                watchers[person.id] = Watcher(person.open_watch(), told)
                tasks.append(watching.create_task(watchers[person.id].watch()))
        async with asyncio.timeout(PATIENCE_SECONDS):
            for watcher in watchers.values():
                await watcher.live()
            await whether_nats_is_there_or_not(bus, senders)
            expected = logs(service)
            for person_id, watcher in watchers.items():
                await watcher.told_of(len(expected[person_id]))
        for task in tasks:
            task.cancel()

    assert {person_id: watcher.seen for person_id, watcher in watchers.items()} == expected
    sent = [
        [number for kind, _, number in log if kind == "message_sent"] for log in expected.values()
    ]
    assert sent == [list(range(1, 3 * 2 * MESSAGES + 1))] * (2 * PAIRS)


async def whether_nats_is_there_or_not(bus: Bus, senders: Sequence[tuple[Person, str]]) -> None:
    await all_send(senders)
    killed_amid = asyncio.create_task(all_send(senders))
    await bus.kill()
    await killed_amid
    back_amid = asyncio.create_task(all_send(senders))
    await bus.start()
    await back_amid


@pytest.mark.prove
async def test_a_crash_of_postgresql_is_told_with_a_time_to_wait_and_loses_nothing(
    tmp_path: Path, mortal_server: MortalServer
) -> None:
    url = await asyncio.to_thread(mortal_server.a_database, "messaging", MIGRATIONS)
    async with (
        messaging_service(tmp_path, {"PAPERPLANE_DATABASE": url}) as service,
        a_second_replica(service) as other,
    ):
        ann, bob, channel_id = await service.friends("ann", "bob")
        senders = [ann, through(other, bob)]
        acknowledged: dict[str, int] = {}
        refused: list[grpc.aio.AioRpcError] = []
        news = asyncio.Condition()

        async def send_on(sender: Person) -> None:
            """Send each message until it is acknowledged."""
            for number in itertools.count():
                client_id = f"{sender.id}-{number}"
                while client_id not in acknowledged:
                    try:
                        sent = await sender.send(channel_id, client_id, client_id)
                        acknowledged[client_id] = sent.seq
                    except grpc.aio.AioRpcError as error:
                        refused.append(error)
                    async with news:
                        news.notify_all()

        async def until_more(of: dict[str, int] | list[grpc.aio.AioRpcError]) -> None:
            """Wait until ten more have come."""
            before = len(of)
            async with asyncio.timeout(PATIENCE_SECONDS), news:
                await news.wait_for(lambda: len(of) >= before + 10)

        sending = [asyncio.create_task(send_on(sender)) for sender in senders]
        for _ in range(3):
            await until_more(acknowledged)
            await asyncio.to_thread(mortal_server.crash)
            await until_more(refused)
            await asyncio.to_thread(mortal_server.start)
        await until_more(acknowledged)
        for task in sending:
            task.cancel()
        await asyncio.wait(sending)
        assert all(task.cancelled() for task in sending), sending

        stored = {each.client_message_id: each.seq for each in await ann.history(channel_id)}
        assert acknowledged.items() <= stored.items()
        assert sorted(stored.values()) == list(range(1, len(stored) + 1))
        # What was under way at the end may be stored without having been acknowledged.
        assert len(stored) <= len(acknowledged) + len(senders)

    for error in refused:
        refusal = read_refusal(error)
        assert refusal.code is grpc.StatusCode.UNAVAILABLE
        assert refusal.reason in ("SERVICE_UNAVAILABLE", "OUTCOME_UNKNOWN")
        assert refusal.retry_seconds is not None


EXPANDING = """
import sqlalchemy as sa
from alembic import op

revision = "{head}"
down_revision = "{before}"


def upgrade() -> None:
    for table in ("channels", "messages", "inbox_entries"):
        op.add_column(table, sa.Column("of_the_next_version", sa.Text()))
    op.create_index("ix_of_the_next_version", "messages", ["of_the_next_version"])
"""


def of_the_next_version(folder: Path) -> Revisions:
    """Return the service's revisions and one more, which adds to what there is."""
    shutil.copytree(MIGRATIONS.scripts, folder)
    text = EXPANDING.format(head="next", before=MIGRATIONS.head)
    (folder / "versions" / "next.py").write_text(text)
    return Revisions(folder, head="next", table=MIGRATIONS.table)


@pytest.mark.slow
async def test_replicas_go_on_while_their_schema_is_expanded_and_those_that_start_refuse_it(
    tmp_path: Path,
) -> None:
    expanded = of_the_next_version(tmp_path / "migrations")
    async with messaging_service(tmp_path) as service, a_second_replica(service) as other:
        url = service.settings.database
        with pytest.raises(SchemaMismatch, match="migrate it first"):
            check_schema(url, expanded)
        ann, bob, channel_id = await service.friends("ann", "bob")
        senders = [(ann, channel_id), (through(other, bob), channel_id)]
        # Each connection has prepared its statements by then.
        await all_send(senders)
        before = await ann.history(channel_id)

        migrating = asyncio.create_task(asyncio.to_thread(migrate, url, expanded))
        rounds = 1
        while not migrating.done():
            await all_send(senders)
            rounds += 1
        await migrating
        await all_send(senders)

        history = await through(other, ann).history(channel_id)
        assert [each for each in history if each.seq <= len(before)] == before
        sent = (rounds + 1) * len(senders) * MESSAGES
        assert sorted(each.seq for each in history) == list(range(1, sent + 1))
        check_schema(url, expanded)
        with pytest.raises(SchemaMismatch, match="of a newer version"):
            await service.start()
