"""Puts the messaging service together, runs it, and takes it apart in reverse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from chassis.client import open_channel
from chassis.clock import Clock, NewId, new_id, system_clock
from chassis.database import Database
from chassis.database.migrate import check_schema
from chassis.database.secrets import LogSecrets, ensure_secrets
from chassis.doorbell import Doorbell, LocalDoorbell
from chassis.errors import ErrorTable
from chassis.inbox import Cursors, InboxReader
from chassis.intake import Intake
from chassis.interceptors import ServiceInterceptor
from chassis.paging import TokenSigner
from chassis.server import GrpcServer
from paperplane.messaging.v1 import (
    intake_pb2,
    intake_pb2_grpc,
    lifecycle_pb2,
    lifecycle_pb2_grpc,
    messaging_pb2,
    messaging_pb2_grpc,
)
from services.messaging.channels import Channels
from services.messaging.errors import ERRORS
from services.messaging.friend_gate import GrpcFriendGate
from services.messaging.messages import Messages
from services.messaging.migrations import MIGRATIONS
from services.messaging.schema import inbox, secrets
from services.messaging.sending import Committed, decide
from services.messaging.servicers import (
    ChannelLifecycleServicer,
    MessageIntakeServicer,
    MessagingServicer,
)
from services.messaging.watching import Watching

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from chassis.database.group_commit import Decide
    from services.messaging.settings import MessagingSettings

SERVICES = [
    messaging_pb2.DESCRIPTOR.services_by_name["MessagingService"],
    lifecycle_pb2.DESCRIPTOR.services_by_name["ChannelLifecycleService"],
    intake_pb2.DESCRIPTOR.services_by_name["MessageIntakeService"],
]


@asynccontextmanager
async def running(
    settings: MessagingSettings,
    *,
    clock: Clock = system_clock,
    new_id: NewId = new_id,
    decide: Decide[Any] = decide,
) -> AsyncGenerator[GrpcServer]:
    """Run the service for as long as the context lasts.

    Arguments:
        settings: the operator's options. The database must have the present schema.
        clock: tells the time.
        new_id: makes ids.
        decide: carries out the writes. Only a test that must see the fence missing gives another.
    """
    check_schema(settings.database, MIGRATIONS)
    stopping = asyncio.Event()
    doorbell: Doorbell = LocalDoorbell()
    errors = ErrorTable("paperplane", ERRORS)
    intake = Intake(errors)

    def end_streams() -> None:
        stopping.set()
        doorbell.nudge_all()
        intake.end()

    async with AsyncExitStack() as opened:
        database = Database(settings.database, decide, partial(_ring, doorbell))
        opened.push_async_callback(database.close)
        friendship = await opened.enter_async_context(open_channel(settings.friendship))
        gate = GrpcFriendGate(friendship, settings.authorization_max_age)
        opened.push_async_callback(gate.close)
        own: LogSecrets = (await database.write(_secrets)).value
        signer = TokenSigner(own.token_key)
        cursors = Cursors(signer, "messaging", own.generation)
        reader = InboxReader(
            database,
            inbox,
            doorbell,
            stopping,
            max_lag=settings.stream_max_lag,
            poll_seconds=settings.stream_poll_seconds,
        )
        channels = Channels(database, gate, clock, new_id)
        messages = Messages(database, gate, doorbell, clock)
        watching = Watching(database, reader, cursors, clock)

        server = GrpcServer(
            settings.listen, SERVICES, end_streams, [ServiceInterceptor(SERVICES, errors)]
        )
        messaging_pb2_grpc.add_MessagingServiceServicer_to_server(
            MessagingServicer(channels, messages, watching, signer, cursors), server.server
        )
        lifecycle_pb2_grpc.add_ChannelLifecycleServiceServicer_to_server(
            ChannelLifecycleServicer(channels), server.server
        )
        intake_pb2_grpc.add_MessageIntakeServiceServicer_to_server(
            MessageIntakeServicer(messages, intake), server.server
        )
        await server.start()

        opened.push_async_callback(server.stop, settings.drain_seconds)
        yield server


def _ring(doorbell: Doorbell, committed: Committed) -> None:
    for person_id, position in committed.rings.items():
        doorbell.ring(person_id, position)


def _secrets(connection: Connection) -> Committed:
    return Committed(ensure_secrets(connection, secrets))
