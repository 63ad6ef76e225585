"""Puts the friendship service together, runs it, and takes it apart in reverse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from chassis.client import open_channel
from chassis.clock import Clock, NewId, new_id, system_clock
from chassis.database import Database
from chassis.database.group_commit import apply_in_turn
from chassis.database.migrate import check_schema
from chassis.database.secrets import LogSecrets, ensure_secrets
from chassis.doorbell import Doorbell, open_doorbell
from chassis.errors import ErrorTable
from chassis.files.pictures import PictureLimits, PictureRenderer
from chassis.files.store import FileStore
from chassis.files.sweeper import Sweeper
from chassis.inbox import Cursors, InboxReader
from chassis.interceptors import ServiceInterceptor
from chassis.paging import TokenSigner
from chassis.server import GrpcServer
from paperplane.friendship.v1 import (
    authorization_pb2,
    authorization_pb2_grpc,
    friendship_pb2,
    friendship_pb2_grpc,
)
from services.friendship.commands import Change, Limits
from services.friendship.delivery import Delivery, GrpcChannelKeeper
from services.friendship.errors import ERRORS
from services.friendship.friendships import Friendships
from services.friendship.migrations import MIGRATIONS
from services.friendship.people import People
from services.friendship.photos import Photos, new_photo_id
from services.friendship.schema import inbox, secrets
from services.friendship.servicers import (
    ChannelAuthorizationServicer,
    FriendshipServicer,
    PeopleServicer,
)
from services.friendship.watching import Watching

if TYPE_CHECKING:
    from services.friendship.settings import FriendshipSettings
    from services.friendship.store import Write

SERVICES = [
    friendship_pb2.DESCRIPTOR.services_by_name["PeopleService"],
    friendship_pb2.DESCRIPTOR.services_by_name["FriendshipService"],
    authorization_pb2.DESCRIPTOR.services_by_name["ChannelAuthorizationService"],
]


@asynccontextmanager
async def running(
    settings: FriendshipSettings,
    *,
    clock: Clock = system_clock,
    new_id: NewId = new_id,
    new_photo_id: NewId = new_photo_id,
) -> AsyncGenerator[GrpcServer]:
    """Run the service for as long as the context lasts.

    Arguments:
        settings: the operator's options. The database must have the present schema.
        clock: tells the time.
        new_id: makes the ids of requests.
        new_photo_id: makes the ids of photos.
    """
    check_schema(settings.database, MIGRATIONS)
    stopping = asyncio.Event()
    changed = asyncio.Event()

    def announce(result: object) -> None:
        """Tell of what is durable now, also if whoever asked for it has gone."""
        if isinstance(result, Change):
            for person_id, position in result.rings.items():
                doorbell.ring(person_id, position)
            if result.record.delivered_epoch < result.record.epoch:
                changed.set()

    def end_streams() -> None:
        stopping.set()
        doorbell.nudge_all()

    async with AsyncExitStack() as opened:
        database: Database[Write] = Database(settings.database, apply_in_turn, announce)
        opened.push_async_callback(database.close)
        own: LogSecrets = await database.write(lambda c: ensure_secrets(c, secrets))
        doorbell: Doorbell = await opened.enter_async_context(
            open_doorbell(settings.nats, "paperplane.friendship", own.token_key)
        )
        messaging = await opened.enter_async_context(open_channel(settings.messaging))
        delivery = Delivery(database, GrpcChannelKeeper(messaging), changed)
        opened.push_async_callback(delivery.close)
        signer = TokenSigner(own.token_key)
        cursors = Cursors(signer, "friendship", own.generation)
        reader = InboxReader(
            database,
            inbox,
            doorbell,
            stopping,
            max_lag=settings.stream_max_lag,
            poll_seconds=settings.stream_poll_seconds,
        )
        people = People(database, clock)
        files = await FileStore.open(settings.photos)
        pictures = PictureRenderer(PictureLimits(settings.max_picture_pixels))
        sweeper = Sweeper(settings.sweep_seconds)
        opened.push_async_callback(sweeper.close)
        photos = Photos(
            database, files, pictures, sweeper, clock, new_photo_id, settings.max_photo_bytes
        )
        sweeper.start(photos.sweep)
        limits = Limits(settings.requests_per_hour, settings.max_pending_requests)
        friendships = Friendships(
            database, delivery, clock, new_id, limits, settings.revocation_timeout
        )

        server = GrpcServer(
            settings.listen,
            SERVICES,
            end_streams,
            [ServiceInterceptor(SERVICES, ErrorTable("paperplane", ERRORS))],
        )
        friendship_pb2_grpc.add_PeopleServiceServicer_to_server(
            PeopleServicer(people, photos, signer), server.server
        )
        friendship_pb2_grpc.add_FriendshipServiceServicer_to_server(
            FriendshipServicer(friendships, Watching(reader, cursors, clock), signer, cursors),
            server.server,
        )
        authorization_pb2_grpc.add_ChannelAuthorizationServiceServicer_to_server(
            ChannelAuthorizationServicer(friendships), server.server
        )
        await server.start()

        opened.push_async_callback(server.stop, settings.drain_seconds)
        yield server
