"""The system under measurement: the real one, on embedded defaults, with people who are friends."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
from sqlalchemy import text

from chassis.database.engine import open_engine
from paperplane.friendship.v1 import friendship_pb2, friendship_pb2_grpc
from paperplane.messaging.v1 import messaging_pb2, messaging_pb2_grpc

_TIMEOUT = 30
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Measured:
    """A running system.

    Attributes:
        target: its gRPC port.
        pids: the processes that serve.
        senders: token and channel id of each sender.
        database: the URL of the database in which messages are committed.
    """

    target: str
    pids: list[int]
    senders: list[tuple[str, str]]
    database: str

    def committed(self) -> tuple[int, int]:
        """Return how many messages are committed, and how many distinct client ids they have."""
        query = "SELECT count(*), count(DISTINCT client_message_id) FROM messages"
        engine = open_engine(self.database, read_only=True, pool_size=1)
        try:
            with engine.connect() as connection:
                total, distinct = connection.execute(text(query)).one()
        finally:
            engine.dispose()
        return total, distinct


def free_port() -> int:
    """Return a port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def running(
    data: Path, pairs: int, databases: Mapping[str, str] | None = None
) -> AsyncGenerator[Measured]:
    """Run the system for as long as the context lasts, with so many pairs of friends.

    Arguments:
        data: its data folder.
        pairs: how many of them.
        databases: URLs by service, empty but for their schema; by default SQLite in `data`.
    """
    grpc_port, http_port = free_port(), free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "supervisor",
        env={
            **os.environ,
            "PAPERPLANE_DATA_DIR": str(data),
            "PAPERPLANE_GRPC_PORT": str(grpc_port),
            "PAPERPLANE_HTTP_PORT": str(http_port),
            # Calls are counted as ever, but no caller here writes like an honest person.
            "PAPERPLANE_RATE_LIMIT": "1000000",
            **{
                f"PAPERPLANE_{service.upper()}_DATABASE": url
                for service, url in (databases or {}).items()
            },
        },
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        while b"running" not in (line := await process.stdout.readline()):
            if not line:
                message = "the system did not start"
                raise RuntimeError(message)
        senders = await _make_friends(
            f"127.0.0.1:{grpc_port}", f"http://127.0.0.1:{http_port}", pairs
        )
        yield Measured(
            f"127.0.0.1:{grpc_port}",
            _children(process.pid),
            senders,
            (databases or {}).get("messaging", f"sqlite:///{data}/messaging.db"),
        )
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


async def _make_friends(target: str, http: str, pairs: int) -> list[tuple[str, str]]:
    gate = asyncio.Semaphore(_AT_ONCE)
    async with httpx.AsyncClient() as client, grpc.aio.insecure_channel(target) as channel:
        people: Any = friendship_pb2_grpc.PeopleServiceStub(channel)
        friendships: Any = friendship_pb2_grpc.FriendshipServiceStub(channel)
        messaging: Any = messaging_pb2_grpc.MessagingServiceStub(channel)

        async def enter(person_id: str) -> tuple[str, Any]:
            answer = await client.post(f"{http}/dev/token", json={"personId": person_id})
            token: str = answer.raise_for_status().json()["token"]
            metadata = (("authorization", f"Bearer {token}"),)
            await people.CreatePerson(
                friendship_pb2.CreatePersonRequest(handle=person_id, display_name=person_id),
                metadata=metadata,
                timeout=_TIMEOUT,
            )
            return token, metadata

        async def befriend(number: int) -> tuple[str, str]:
            async with gate:
                one, other = f"sender_{number}", f"receiver_{number}"
                (token, ours), (_, theirs) = await enter(one), await enter(other)
                asked = await friendships.SendFriendRequest(
                    friendship_pb2.SendFriendRequestRequest(person_id=other),
                    metadata=ours,
                    timeout=_TIMEOUT,
                )
                await friendships.AcceptFriendRequest(
                    friendship_pb2.AcceptFriendRequestRequest(
                        request_id=asked.friend_request.request_id
                    ),
                    metadata=theirs,
                    timeout=_TIMEOUT,
                )
                found = await messaging.GetChannel(
                    messaging_pb2.GetChannelRequest(person_id=other),
                    metadata=ours,
                    timeout=_TIMEOUT,
                )
                return token, found.channel.channel_id

        return list(await asyncio.gather(*(befriend(number) for number in range(pairs))))
