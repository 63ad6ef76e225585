"""Files through the whole system over HTTP: memory, privacy, hostile bodies, and processes that are killed."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from tests.support.clients import fresh_id
from tests.support.databases import rows
from tests.support.pictures import picture
from tests.support.system import SystemUnderTest, a_system, wait_for

pytestmark = pytest.mark.both_databases

T = TypeVar("T")
MIB = 1024 * 1024
NAMED = {"content-disposition": "attachment; filename=plan.bin"}
CONTENT = random.Random(1).randbytes(8 * MIB)


@dataclass
class Member:
    """A person of the network with an HTTP client of their own."""

    id: str
    http: httpx.AsyncClient

    async def call(self, method: str, **request: Any) -> Any:
        """Call a method as Connect."""
        response = await self.http.post(f"/paperplane.{method}", json=request)
        assert response.status_code == 200, response.text
        return response.json()

    async def upload(self, content: Any, name: str = "plan.bin") -> str:
        """Upload a file; return its id."""
        headers = {"content-disposition": f"attachment; filename={name}"}
        response = await self.http.put("/attachments", content=content, headers=headers)
        assert response.status_code == 201, response.text
        return str(response.json()["attachment"]["attachmentId"])

    async def send(self, channel_id: str, *attachment_ids: str, client_id: str = "") -> int:
        """Send a message with files; return its place."""
        answer = await self.call(
            "messaging.v1.MessagingService/SendMessage",
            channelId=channel_id,
            clientMessageId=client_id,
            attachmentIds=attachment_ids,
        )
        return int(answer["message"]["seq"])

    async def delete(self, channel_id: str, seq: int) -> None:
        """Delete a message."""
        await self.call(
            "messaging.v1.MessagingService/DeleteMessage", channelId=channel_id, seq=seq
        )

    async def channel_with(self, other: Member) -> str:
        """Return the id of the channel with a friend."""
        answer = await self.call("messaging.v1.MessagingService/GetChannel", personId=other.id)
        return str(answer["channel"]["channelId"])


@asynccontextmanager
async def members(system: SystemUnderTest, *names: str) -> AsyncGenerator[list[Member]]:
    """Let people enter the network, with clients that are open for as long as the context lasts."""
    async with AsyncExitStack() as opened:
        entered: list[Member] = []
        for name in names:
            person_id = fresh_id(name)
            client = httpx.AsyncClient(
                base_url=system.http,
                trust_env=False,
                timeout=60,
                limits=httpx.Limits(max_connections=None),
                headers={"authorization": f"Bearer {system.token(person_id)}"},
            )
            member = Member(person_id, await opened.enter_async_context(client))
            await member.call(
                "friendship.v1.PeopleService/CreatePerson", handle=person_id, displayName=name
            )
            entered.append(member)
        yield entered


@asynccontextmanager
async def a_network(
    data: Path, *names: str, **options: str
) -> AsyncGenerator[tuple[SystemUnderTest, list[Member]]]:
    """Run a system of the test's own with people in it."""
    with a_system(data, **options) as system:
        async with members(system, *names) as entered:
            yield system, entered


async def befriend(one: Member, other: Member) -> str:
    asked = await one.call("friendship.v1.FriendshipService/SendFriendRequest", personId=other.id)
    request_id = asked["friendRequest"]["requestId"]
    await other.call("friendship.v1.FriendshipService/AcceptFriendRequest", requestId=request_id)
    return await one.channel_with(other)


def peak_memory(pid: int) -> float:
    """Return the most memory that a process has held, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise AssertionError


@pytest.mark.prove
async def test_fifty_megabytes_take_hardly_any_memory(data: Path) -> None:
    async with a_network(data, "ann", "bob") as (system, (ann, bob)):
        channel_id = await befriend(ann, bob)

        async def body(size: int) -> AsyncIterator[bytes]:
            for _ in range(size // 50_000):
                yield CONTENT[:50_000]

        async def there_and_back(size: int) -> None:
            attachment_id = await ann.upload(body(size))
            await ann.send(channel_id, attachment_id)
            got = 0
            async with bob.http.stream("GET", f"/attachments/{attachment_id}") as response:
                async for piece in response.aiter_raw():
                    got += len(piece)
            assert got == size

        # What a first file of any size costs: modules, threads, buffers.
        await there_and_back(1_000_000)
        pids = system.pids()
        before = {name: peak_memory(pid) for name, pid in pids.items()}
        await there_and_back(50_000_000)
        grown = {name: peak_memory(pid) - before[name] for name, pid in pids.items()}

    print(f"50 MB up and down, growth in MiB: { {n: round(g, 1) for n, g in grown.items()} }")
    assert max(grown.values()) <= 16, grown


@pytest.mark.slow
async def test_stranger_friend_of_one_and_signed_out_browser_get_one_answer(
    system: SystemUnderTest,
) -> None:
    answers: set[tuple[int, bytes, str]] = set()
    async with (
        members(system, "ann", "bob", "eve", "mallory") as (ann, bob, eve, stranger),
        httpx.AsyncClient(base_url=system.http, trust_env=False) as browser,
    ):
        channel_id = await befriend(ann, bob)
        await befriend(bob, eve)
        sent, unsent = await ann.upload(picture(), "a.png"), await ann.upload(b"unsent")
        await ann.send(channel_id, sent)
        for client in (eve.http, stranger.http, browser):
            for attachment_id in (sent, unsent, sent[:-1] + "0", "x", "%00", "..%2f..%2fetc"):
                for query_string in ("", "?preview=1"):
                    for wanted in ({}, {"range": "bytes=0-1"}, {"range": "bytes=-1"}):
                        answer = await client.get(
                            f"/attachments/{attachment_id}{query_string}", headers=wanted
                        )
                        del answer.headers["date"], answer.headers["x-request-id"]
                        answers.add((answer.status_code, answer.content, str(answer.headers)))

        assert (await bob.http.get(f"/attachments/{sent}")).status_code == 200

    assert len(answers) == 1
    status, body, _ = answers.pop()
    assert status == 404
    assert json.loads(body)["details"][0]["debug"]["reason"] == "ATTACHMENT_NOT_FOUND"


@pytest.mark.prove
async def test_two_hundred_uploads_at_once_are_taken_or_refused_by_name(data: Path) -> None:
    async with a_network(data, "ann", rate_limit="off") as (system, (ann,)):

        async def attempt() -> str:
            answer = await ann.http.put("/attachments", content=CONTENT[:MIB], headers=NAMED)
            if answer.status_code == 201:
                return "taken"
            return str(answer.json()["details"][0]["debug"]["reason"])

        before = {name: peak_memory(pid) for name, pid in system.pids().items()}
        outcomes = Counter(await asyncio.gather(*(attempt() for _ in range(200))))
        grown = {name: peak_memory(pid) - before[name] for name, pid in system.pids().items()}

    print(f"200 uploads of 1 MiB at once: {outcomes}, growth in MiB: {grown}")
    assert "TOO_MANY_UPLOADS" in outcomes
    assert set(outcomes) <= {"taken", "TOO_MANY_UPLOADS", "TOO_MANY_STREAMS"}
    # Ten at a time, and others when those are done.
    assert outcomes["taken"] >= 10
    assert len(list((data / "attachments").iterdir())) == outcomes["taken"]
    assert max(grown.values()) <= 50, grown


@pytest.mark.slow
async def test_upload_cut_in_the_middle_leaves_nothing(data: Path) -> None:
    async with a_network(data, "ann") as (system, (ann,)):
        _, writer = await asyncio.open_connection("127.0.0.1", system.http_port)
        head = (
            "PUT /attachments HTTP/1.1\r\nhost: x\r\ncontent-length: 2000000\r\n"
            "content-disposition: attachment; filename=a\r\n"
            f"authorization: {ann.http.headers['authorization']}\r\n\r\n"
        )
        writer.write(head.encode() + CONTENT[:MIB])
        await writer.drain()
        writer.close()

        # Its place is free again, and of all that came only what is whole is there.
        kept = [await ann.upload(b"x") for _ in range(10)]

        assert sorted(path.name for path in (data / "attachments").iterdir()) == sorted(kept)
        found = rows(system.databases["messaging"], "SELECT attachment_id FROM attachments")
        assert sorted(row[0] for row in found) == sorted(kept)


PHASES: dict[str, Callable[[SystemUnderTest], bool]] = {}
"""What an upload goes through, and how each phase looks from outside."""


def phase(look: Callable[[SystemUnderTest], bool]) -> Callable[[SystemUnderTest], bool]:
    PHASES[look.__name__] = look
    return look


@phase
def coming_in(system: SystemUnderTest) -> bool:
    """Something is in a file without a name, and not in the database."""
    folder = Path(f"/proc/{system.pids()['messaging']}/fd")
    return any("(deleted)" in os.readlink(link) for link in folder.iterdir() if link.is_symlink())


@phase
def announced(system: SystemUnderTest) -> bool:
    """There is a row, and nothing in the store."""
    return any(not file.exists() for file, _ in _in_state(system, "storing"))


@phase
def half_written(system: SystemUnderTest) -> bool:
    """There is half a file in the store."""
    return any("#" in path.name for path in (system.data / "attachments").iterdir())


@phase
def written(system: SystemUnderTest) -> bool:
    """The file is in the store, and its uploader has not been told."""
    return any(file.exists() for file, _ in _in_state(system, "storing"))


@phase
def unsent(system: SystemUnderTest) -> bool:
    """The uploader may have been told, and has not sent it."""
    return bool(_in_state(system, "unsent"))


@phase
def deleted(system: SystemUnderTest) -> bool:
    """Its message was deleted, and its file is there still."""
    return any(file.exists() for file, _ in _in_state(system, "doomed"))


def _in_state(system: SystemUnderTest, state: str) -> list[tuple[Path, str]]:
    found = rows(
        system.databases["messaging"],
        "SELECT attachment_id FROM attachments WHERE state = :state",
        state=state,
    )
    return [(system.data / "attachments" / row[0], row[0]) for row in found]


@pytest.mark.prove
@pytest.mark.timeout(1800)
async def test_kills_in_each_phase_leave_each_file_wholly_there_or_not_at_all(data: Path) -> None:
    kills = [*PHASES, *PHASES, "gateway", "gateway"] * 2 + [*PHASES]
    random.Random(30).shuffle(kills)
    await crash(data, kills)


@pytest.mark.prove
async def test_without_the_sweep_a_kill_leaves_orphans(data: Path) -> None:
    """The control: what the tests above look for is there to be found."""
    with pytest.raises(AssertionError, match="not within"):
        await crash(data, ["announced", "written"], sweep_seconds="86400", patience=5)


@dataclass
class Work:
    """What people were told while processes were killed around them."""

    uploaded: dict[str, bytes] = field(default_factory=dict[str, bytes])
    sent: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    deleted: set[str] = field(default_factory=set[str])
    broken: int = 0
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def note_sent(self, client_id: str, attachment_ids: tuple[str, ...]) -> None:
        """Write down that a message was acknowledged."""
        async with self._changed:
            self.sent[client_id] = attachment_ids
            self._changed.notify_all()

    async def more(self, number: int) -> None:
        """Wait until so many more messages were acknowledged."""
        wanted = len(self.sent) + number
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.sent) >= wanted)


async def crash(
    data: Path, kills: list[str], sweep_seconds: str = "0.2", patience: float = 60
) -> None:
    """Kill processes while files are uploaded, sent and deleted; then look at every file left.

    Arguments:
        kills: phases of an upload to kill messaging in, or "gateway".
        sweep_seconds: how often messaging sweeps.
        patience: how many seconds to wait for what is left to be removed.
    """
    options = {
        "rate_limit": "off",
        "max_unsent_attachments": "off",
        # Short, so that what a killed upload leaves is due within the test.
        "upload_timeout": "5",
        "sweep_seconds": sweep_seconds,
    }
    async with a_network(data, "ann", "bob", **options) as (system, (ann, bob)):
        channel_id = await befriend(ann, bob)
        work = Work()
        ending = asyncio.Event()
        async with asyncio.TaskGroup() as working:
            for number in range(4):
                working.create_task(_upload_and_send(number, ann, channel_id, work, ending))
            for name in kills:
                await work.more(random.randint(1, 4))
                await asyncio.to_thread(kill_in, system, name)
            await work.more(1)
            ending.set()
        print(f"{len(kills)} kills: {len(work.sent)} sent, {work.broken} broken off")
        # Without these the kills would have proved nothing.
        assert work.broken >= len(kills) / 2

        await _check_files(ann, system, work)
        await asyncio.to_thread(wait_for, lambda: _no_orphans(system), patience)


def kill_in(system: SystemUnderTest, name: str) -> None:
    """Kill a process, messaging in a phase of an upload; return when there is another."""
    process = name if name == "gateway" else "messaging"
    pid = system.pids()[process]
    if name in PHASES:
        wait_for(lambda: _stopped_in(system, pid, PHASES[name]))
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: system.pids().get(process, pid) != pid)


def _stopped_in(system: SystemUnderTest, pid: int, look: Callable[[SystemUnderTest], bool]) -> bool:
    """Stop a process if it is in a phase, and look again now that it can't go on."""
    for _ in range(200):
        if look(system):
            os.kill(pid, signal.SIGSTOP)
            if look(system):
                return True
            os.kill(pid, signal.SIGCONT)
    return False


async def _upload_and_send(
    number: int, ann: Member, channel_id: str, work: Work, ending: asyncio.Event
) -> None:
    chance = random.Random(number)
    for count in itertools.count():
        if ending.is_set():
            return
        content = CONTENT[: chance.randint(1, len(CONTENT))]
        try:
            ids = (await ann.upload(content), await ann.upload(picture(), "a.png"))
        except (httpx.TransportError, AssertionError):
            work.broken += 1
            continue
        work.uploaded[ids[0]] = content
        client_id = f"{number}-{count}"
        seq = await _until_done(work, lambda: ann.send(channel_id, *ids, client_id=client_id))  # noqa: B023 - called before the next
        if count % 2:
            await _until_done(work, lambda: ann.delete(channel_id, seq))  # noqa: B023 - the same
            work.deleted.add(client_id)
        await work.note_sent(client_id, ids)


async def _until_done(work: Work, attempt: Callable[[], Awaitable[T]]) -> T:
    """Repeat what is safe to repeat until it is acknowledged."""
    while True:
        try:
            return await attempt()
        except (httpx.TransportError, AssertionError):
            work.broken += 1


async def _check_files(ann: Member, system: SystemUnderTest, work: Work) -> None:
    """What was acknowledged is there to the byte, and what was deleted is not."""
    gone = {ids[0] for client_id, ids in work.sent.items() if client_id in work.deleted}
    for attachment_id, content in work.uploaded.items():
        answer = await ann.http.get(f"/attachments/{attachment_id}")
        if attachment_id in gone:
            assert answer.status_code == 404
        else:
            assert answer.content == content
    for client_id, attachment_ids in work.sent.items():
        found = rows(
            system.databases["messaging"],
            "SELECT attachment_id FROM messages JOIN attachments USING (channel_id, seq) "
            "WHERE client_message_id = :id ORDER BY place",
            id=client_id,
        )
        wanted = () if client_id in work.deleted else attachment_ids
        assert tuple(row[0] for row in found) == wanted


def _no_orphans(system: SystemUnderTest) -> bool:
    """Tell whether each file has its row and each row its files, and none is half done."""
    kept = rows(
        system.databases["messaging"], "SELECT attachment_id, state, preview_bytes FROM attachments"
    )
    wanted = {row[0] for row in kept} | {f"{row[0]}.preview" for row in kept if row[2]}
    found = {path.name for path in (system.data / "attachments").iterdir()}
    return found == wanted and {row[1] for row in kept} <= {"sent", "unsent"}
