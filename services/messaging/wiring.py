"""Puts the messaging service together, runs it, and takes it apart in reverse."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from chassis.client import open_channel
from chassis.clock import Clock, NewId, new_id, system_clock
from chassis.database import Database
from chassis.database.migrate import check_schema
from chassis.database.secrets import LogSecrets, ensure_secrets
from chassis.doorbell import Doorbell, open_doorbell
from chassis.errors import ErrorTable
from chassis.files.pictures import PictureLimits, PictureRenderer
from chassis.files.store import FileStore
from chassis.files.sweeper import Sweeper
from chassis.inbox import Cursors, InboxReader
from chassis.intake import Intake
from chassis.interceptors import ServiceInterceptor
from chassis.paging import TokenSigner
from chassis.server import GrpcServer
from paperplane.messaging.v1 import (
    attachments_pb2,
    attachments_pb2_grpc,
    intake_pb2,
    intake_pb2_grpc,
    lifecycle_pb2,
    lifecycle_pb2_grpc,
    messaging_pb2,
    messaging_pb2_grpc,
)
from services.messaging.attachments import Attachments, UploadLimits
from services.messaging.channels import Channels
from services.messaging.errors import ERRORS
from services.messaging.friend_gate import ASK, GrpcFriendGate
from services.messaging.messages import Messages
from services.messaging.migrations import MIGRATIONS
from services.messaging.schema import inbox, secrets
from services.messaging.sending import Done
from services.messaging.servicers import (
    AttachmentServicer,
    ChannelLifecycleServicer,
    MessageIntakeServicer,
    MessagingServicer,
)
from services.messaging.sweeping import Ages, Sweeping
from services.messaging.watching import Watching
from services.messaging.writing import Act, Committed, decide

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from chassis.database.group_commit import Decide
    from services.messaging.settings import MessagingSettings

SERVICES = [
    messaging_pb2.DESCRIPTOR.services_by_name["MessagingService"],
    attachments_pb2.DESCRIPTOR.services_by_name["AttachmentService"],
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
    errors = ErrorTable("paperplane", ERRORS)
    intake = Intake(errors)

    def announce(committed: Committed) -> None:
        for person_id, position in committed.rings.items():
            doorbell.ring(person_id, position)

    def end_streams() -> None:
        stopping.set()
        doorbell.nudge_all()
        intake.end()

    async with AsyncExitStack() as opened:
        database = Database(settings.database, decide, announce)
        opened.push_async_callback(database.close)
        own: LogSecrets = (await database.write(Act(_secrets))).value
        doorbell: Doorbell = await opened.enter_async_context(
            open_doorbell(settings.nats, "paperplane.messaging", own.token_key)
        )
        friendship = await opened.enter_async_context(open_channel(settings.friendship, [ASK]))
        gate = GrpcFriendGate(friendship, settings.authorization_max_age)
        opened.push_async_callback(gate.close)
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
        files = await FileStore.open(settings.attachments)
        sweeper = Sweeper(settings.sweep_seconds)
        opened.push_async_callback(sweeper.close)
        sweeping = Sweeping(database, files, sweeper, clock, _ages(settings))
        sweeper.start(sweeping.sweep)
        messages = Messages(database, gate, doorbell, clock, sweeping)
        pictures = PictureRenderer(PictureLimits(settings.max_picture_pixels))
        attachments = Attachments(
            database, files, pictures, sweeping, clock, new_id, _limits(settings)
        )
        watching = Watching(database, reader, cursors, clock)

        server = GrpcServer(
            settings.listen, SERVICES, end_streams, [ServiceInterceptor(SERVICES, errors)]
        )
        messaging_pb2_grpc.add_MessagingServiceServicer_to_server(
            MessagingServicer(channels, messages, watching, signer, cursors), server.server
        )
        attachments_pb2_grpc.add_AttachmentServiceServicer_to_server(
            AttachmentServicer(attachments), server.server
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


def _limits(settings: MessagingSettings) -> UploadLimits:
    waiting = settings.max_unsent_attachments
    return UploadLimits(
        settings.max_attachment_bytes,
        sys.maxsize if waiting == "off" else waiting,
        settings.upload_timeout,
    )


def _ages(settings: MessagingSettings) -> Ages:
    return Ages(
        unsent=settings.unsent_attachment_age,
        # Longer than any upload takes, also if the clock was set meanwhile.
        storing=settings.upload_timeout + min(settings.upload_timeout, 600),
    )


def _secrets(connection: Connection) -> Done:
    return Done(ensure_secrets(connection, secrets))
