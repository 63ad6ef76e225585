"""Puts a few people into a new network, so that a newcomer finds somebody there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc

from chassis.calls import Call
from chassis.client import open_channel
from paperplane.friendship.v1 import friendship_pb2, friendship_pb2_grpc
from supervisor.seeds import SEEDS

if TYPE_CHECKING:
    from supervisor.seeds import Seed
    from supervisor.system import System

_TIMEOUT_SECONDS = 10


async def seed_once(system: System) -> None:
    """Enter the people into the network, unless this data folder has been seeded before."""
    marker = system.data / "seeded"
    if marker.exists():
        return
    async with open_channel(system.friendship) as channel:
        people = friendship_pb2_grpc.PeopleServiceStub(channel)
        for seed in SEEDS:
            await _enter(people, seed)
    marker.touch()


async def _enter(people: friendship_pb2_grpc.PeopleServiceAsyncStub, seed: Seed) -> None:
    try:
        await people.CreatePerson(
            friendship_pb2.CreatePersonRequest(
                handle=seed.handle, display_name=seed.display_name, headline=seed.headline
            ),
            timeout=_TIMEOUT_SECONDS,
            metadata=Call(person_id=seed.person_id).metadata(),
        )
    except grpc.aio.AioRpcError as error:
        # Seeding was broken off once, and what it had begun has become someone's own since.
        if error.code() is not grpc.StatusCode.ALREADY_EXISTS:
            raise
