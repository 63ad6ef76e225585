"""People at work on a running `docker compose up`, through its TLS port, whatever happens to its containers."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.support.clients import STUBS, GrpcClient, Refused, fresh_id
from tools.try_tokens import make_token

PATIENCE_SECONDS = 120.0
TARGET = "localhost:8443"
"""The one port."""

_SERVICE_CONFIG = Path("protos/service_config.json")
"""What README.md has clients give their channel."""
_KEYS = Path("data/try-tokens")
CERTIFICATE = _KEYS / "cert.pem"
"""What whoever calls it trusts."""
_PAIRS = 3
_RETRY_SECONDS = 0.1


async def docker(*words: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "docker", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode().strip()


@dataclass(eq=False)
class Person:
    """Someone who writes, reads, and starts again whatever breaks.

    Attributes:
        sent: where each of their acknowledged messages is, by its client id.
        seen: the places that their stream has told of, in its order.
        stored: what the server has of their channel in the end: places and client ids.
        began: when the latest of their acknowledged messages was begun.
        longest: for how many seconds a message has waited to be acknowledged, at most.
        failed: why calls failed, after all that the service config repeats.
        resumed: how often their stream was broken off.
    """

    id: str
    client: GrpcClient
    channel_id: str = ""
    sent: dict[str, int] = field(default_factory=dict[str, int])
    seen: list[int] = field(default_factory=list[int])
    stored: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    began: float = 0.0
    longest: float = 0.0
    failed: list[str] = field(default_factory=list[str])
    resumed: int = 0

    async def insist(self, method: str, **request: Any) -> dict[str, Any]:
        """Call until it is answered."""
        while True:
            try:
                async with asyncio.timeout(5):
                    return await self.client.call(method, **request)
            except (Refused, TimeoutError) as error:
                if isinstance(error, Refused) and not is_passing(error):
                    raise
                self.failed.append(f"{method}: {error!r}")
                # As a client does, who is refused at once while nobody is there.
                await asyncio.sleep(_RETRY_SECONDS)

    async def write(self, told: asyncio.Condition, ending: asyncio.Event) -> None:
        """Write on and on; at the end the last message is acknowledged."""
        for number in itertools.count():
            if ending.is_set():
                return
            client_id = f"{self.id}-{number}"
            began = time.monotonic()
            answer = await self.insist(
                "SendMessage", channelId=self.channel_id, clientMessageId=client_id, text=client_id
            )
            self.sent[client_id] = int(answer["message"]["seq"])
            self.longest = max(self.longest, time.monotonic() - began)
            async with told:
                self.began = began
                told.notify_all()

    async def watch(self, cursor: str, told: asyncio.Condition) -> None:
        """Follow one's log, from where it broke off."""
        while True:
            try:
                async for answer in self.client.watch("WatchMessages", afterCursor=cursor):
                    message = answer["event"].get("messageSent", {}).get("message")
                    cursor = answer["cursor"]
                    if message is not None:
                        async with told:
                            self.seen.append(int(message["seq"]))
                            told.notify_all()
            except Refused as error:
                if not is_passing(error):
                    raise
                self.resumed += 1
                await asyncio.sleep(_RETRY_SECONDS)


def is_passing(error: Refused) -> bool:
    """Tell whether to try again. A stream that a proxy breaks off ends INTERNAL, and gives no reason."""
    passing = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "CANCELLED"}
    return error.code in passing or (error.code == "INTERNAL" and not error.reason)


@dataclass
class Work:
    """What people do.

    Attributes:
        writers: pairs of friends, who write to each other and watch.
        told: notified of each message that is acknowledged or seen.
        parted: how many friendships have ended, after which nothing passed.
        failed: why calls of those who parted failed, after all that the service config repeats.
    """

    writers: list[Person] = field(default_factory=list[Person])
    told: asyncio.Condition = field(default_factory=asyncio.Condition)
    parted: int = 0
    failed: list[str] = field(default_factory=list[str])

    async def recovered(self, struck: float, seconds: float) -> bool:
        """Wait until everyone has got a message through that was begun after a fault; tell if so."""
        try:
            async with asyncio.timeout(seconds), self.told:
                await self.told.wait_for(lambda: all(p.began > struck for p in self.writers))
        except TimeoutError:
            return False
        return True

    def check(self) -> None:
        """Compare what everyone was told with what is stored."""
        for person in self.writers:
            stored = person.stored
            print(
                f"{person.id}: {len(person.sent)} acknowledged, {len(person.failed)} calls failed, "
                f"stream resumed {person.resumed} times"
            )
            places = {client_id: seq for seq, client_id in stored}
            assert [seq for seq, _ in stored] == list(range(1, len(stored) + 1))
            assert len(places) == len(stored)
            assert person.sent.items() <= places.items()
            assert person.seen == list(places.values())
        print(f"{self.parted} friendships ended, and nothing passed afterwards")


def open_channel() -> grpc.aio.Channel:
    """Open a connection to the TLS port."""
    credentials = grpc.ssl_channel_credentials(CERTIFICATE.read_bytes())
    options = [
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.service_config", _SERVICE_CONFIG.read_text()),
    ]
    return grpc.aio.secure_channel(TARGET, credentials, options)


def token_of(person_id: str) -> str:
    """Make a person's token, as README.md does."""
    return make_token(_KEYS, person_id, "try-tokens", "paperplane", 7200)


class _Entrance:
    """Lets new people in, each with a connection of their own."""

    def __init__(self, opened: AsyncExitStack) -> None:
        self._opened = opened

    async def enter(self, channel: grpc.aio.Channel | None = None) -> Person:
        person_id = fresh_id("person")
        if channel is None:
            channel = await self._opened.enter_async_context(open_channel())
        person = Person(person_id, GrpcClient(channel, STUBS, token_of(person_id)))
        await person.insist("CreatePerson", handle=person_id, displayName=person_id)
        return person


async def _befriend(one: Person, other: Person) -> None:
    asked = await one.insist("SendFriendRequest", personId=other.id)
    await other.insist("AcceptFriendRequest", requestId=asked["friendRequest"]["requestId"])
    found = await one.insist("GetChannel", personId=other.id)
    one.channel_id = other.channel_id = found["channel"]["channelId"]


async def _part_again_and_again(entrance: _Entrance, work: Work) -> None:
    """Become friends, end it, and try to pass something through the closed channel."""
    async with open_channel() as channel:
        while True:
            one, other = await entrance.enter(channel), await entrance.enter(channel)
            await _befriend(one, other)
            draft = {"channelId": one.channel_id, "text": "hello"}
            await other.insist("SendMessage", clientMessageId="in-time", **draft)
            await one.insist("RemoveFriend", personId=other.id)
            for person in (one, other):
                with pytest.raises(Refused, match="CHANNEL_CLOSED"):
                    await person.insist("SendMessage", clientMessageId="late", **draft)
            assert await history(one) == [(1, "in-time")]
            work.failed += one.failed + other.failed
            async with work.told:
                work.parted += 1
                work.told.notify_all()


@asynccontextmanager
async def at_work() -> AsyncGenerator[Work]:
    """Keep people writing, watching and parting for as long as the context lasts.

    At its end those who watch see all that was written.

    Raises:
        ExceptionGroup: something was answered that should not have been.
    """
    async with AsyncExitStack() as opened, asyncio.TaskGroup() as tasks:
        work, entrance = Work(), _Entrance(opened)
        watching: list[asyncio.Task[None]] = []
        for _ in range(_PAIRS):
            one, other = await entrance.enter(), await entrance.enter()
            await _befriend(one, other)
            for person in (one, other):
                work.writers.append(person)
                cursor = (await person.insist("ListChannels"))["cursor"]
                watching.append(tasks.create_task(person.watch(cursor, work.told)))
        parting = tasks.create_task(_part_again_and_again(entrance, work))
        ending = asyncio.Event()
        writing = [tasks.create_task(person.write(work.told, ending)) for person in work.writers]
        yield work
        ending.set()
        parting.cancel()
        await asyncio.wait([parting, *writing])
        async with asyncio.timeout(PATIENCE_SECONDS), work.told:
            for person in work.writers:
                person.stored = await history(person)
                last = person.stored[-1][0]
                await work.told.wait_for(lambda: person.seen[-1:] == [last])  # noqa: B023 - called now
        for task in watching:
            task.cancel()


async def history(person: Person) -> list[tuple[int, str]]:
    """Return all places and client ids of a person's channel, the oldest first."""
    found: list[tuple[int, str]] = []
    page: dict[str, Any] = {}
    while not found or page.get("nextPageToken"):
        page = await person.insist(
            "ListMessages",
            channelId=person.channel_id,
            pageSize=200,
            pageToken=page.get("nextPageToken", ""),
        )
        found += [(int(each["seq"]), each["clientMessageId"]) for each in page["messages"]]
    return sorted(found)
