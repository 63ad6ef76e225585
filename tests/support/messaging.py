"""A real messaging service on a unix socket, and a stand-in for the friendship service that it asks."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from chassis.calls import PERSON_KEY
from chassis.client import open_channel
from chassis.database.migrate import migrate
from chassis.settings import load_settings
from paperplane.friendship.v1 import authorization_pb2, authorization_pb2_grpc
from paperplane.messaging.v1 import (
    intake_pb2_grpc,
    lifecycle_pb2,
    lifecycle_pb2_grpc,
    messaging_pb2_grpc,
)
from services.messaging.settings import MessagingSettings
from services.messaging.wiring import MIGRATIONS, running


class StandInFriendship(authorization_pb2_grpc.ChannelAuthorizationServiceServicer):
    """Answers what the test has set, over real gRPC."""

    def __init__(self) -> None:
        self.friendships: dict[frozenset[str], tuple[bool, int]] = {}
        self.asked: list[int] = []
        """How many pairs each call asked about."""
        self.down = False

    def set(self, one: str, other: str, *, open: bool, epoch: int) -> None:  # noqa: A002
        """Say how two people stand from now on."""
        self.friendships[frozenset((one, other))] = (open, epoch)

    async def AuthorizeChannels(
        self, request: authorization_pb2.AuthorizeChannelsRequest, context: Any
    ) -> authorization_pb2.AuthorizeChannelsResponse:
        """Answer from what was set."""
        if self.down:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "down, as the test wishes")
        self.asked.append(len(request.pairs))
        found = [
            self.friendships.get(frozenset((p.person_id, p.other_person_id)), (False, 0))
            for p in request.pairs
        ]
        return authorization_pb2.AuthorizeChannelsResponse(
            grants=[authorization_pb2.ChannelGrant(open=o, epoch=e) for o, e in found]
        )


@dataclass
class MessagingUnderTest:
    """What a test needs of a running messaging service."""

    friendship: StandInFriendship
    stub: messaging_pb2_grpc.MessagingServiceAsyncStub
    lifecycle: lifecycle_pb2_grpc.ChannelLifecycleServiceAsyncStub
    intake: intake_pb2_grpc.MessageIntakeServiceAsyncStub
    database: Path

    async def befriend(self, one: str, other: str, epoch: int = 1) -> None:
        """Open the channel of two people, as friendship would."""
        await self.change(one, other, open=True, epoch=epoch)

    async def unfriend(self, one: str, other: str, epoch: int = 2) -> None:
        """Close the channel of two people, as friendship would."""
        await self.change(one, other, open=False, epoch=epoch)

    async def change(self, one: str, other: str, *, open: bool, epoch: int) -> None:  # noqa: A002
        """Change how two people stand, and deliver it."""
        self.friendship.set(one, other, open=open, epoch=epoch)
        change = lifecycle_pb2.FriendshipChange(
            person_id=one, other_person_id=other, open=open, epoch=epoch
        )
        await self.lifecycle.ApplyFriendshipChanges(
            lifecycle_pb2.ApplyFriendshipChangesRequest(changes=[change]), timeout=5
        )


def as_person(person_id: str) -> list[tuple[str, str]]:
    """Return the metadata with which the gateway names the caller."""
    return [(PERSON_KEY, person_id)]


@asynccontextmanager
async def messaging_service(
    tmp_path: Path, options: dict[str, str] | None = None, **parts: Any
) -> AsyncGenerator[MessagingUnderTest]:
    """Run a messaging service with a database in `tmp_path`.

    Arguments:
        options: further environment variables.
        parts: keyword arguments of `services.messaging.wiring.running`.
    """
    database = tmp_path / "messaging.db"
    with tempfile.TemporaryDirectory(prefix="pp-") as sockets:
        friendship = StandInFriendship()
        friendship_server = grpc.aio.server()
        authorization_pb2_grpc.add_ChannelAuthorizationServiceServicer_to_server(
            friendship, friendship_server
        )
        friendship_server.add_insecure_port(f"unix:{sockets}/f")
        await friendship_server.start()
        settings = load_settings(
            MessagingSettings,
            {
                "PAPERPLANE_LISTEN": f"unix:{sockets}/m",
                "PAPERPLANE_DATABASE": f"sqlite:///{database}",
                "PAPERPLANE_FRIENDSHIP": f"unix:{sockets}/f",
                "PAPERPLANE_DRAIN_SECONDS": "1",
                **(options or {}),
            },
        )
        migrate(settings.database, MIGRATIONS)
        try:
            async with running(settings, **parts), open_channel(settings.listen) as channel:
                yield MessagingUnderTest(
                    friendship,
                    messaging_pb2_grpc.MessagingServiceStub(channel),
                    lifecycle_pb2_grpc.ChannelLifecycleServiceStub(channel),
                    intake_pb2_grpc.MessageIntakeServiceStub(channel),
                    database,
                )
        finally:
            await friendship_server.stop(0)
