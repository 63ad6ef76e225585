"""The services of the contract: each method parses, calls a use case, and renders."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import grpc

from chassis.calls import caller_id
from chassis.files.parts import header_and_chunks
from chassis.interceptors import parse
from chassis.paging import Pager, fitting
from chassis.refusals import InvalidRequest
from paperplane.messaging.v1 import (
    attachments_pb2,
    attachments_pb2_grpc,
    intake_pb2,
    intake_pb2_grpc,
    lifecycle_pb2,
    lifecycle_pb2_grpc,
    messaging_pb2_grpc,
)
from paperplane.messaging.v1 import messaging_pb2 as pb
from services.messaging import rendering
from services.messaging.attachments import Attachments, Upload
from services.messaging.domain import Grant, Pair
from services.messaging.messages import Draft

if TYPE_CHECKING:
    from chassis.inbox import Cursors
    from chassis.intake import Intake
    from chassis.paging import TokenSigner
    from services.messaging.channels import Channels
    from services.messaging.messages import Messages
    from services.messaging.watching import Watching

_Context = grpc.aio.ServicerContext[Any, Any]
_BEYOND_ANY_SEQ = 2**63 - 1


class MessagingServicer(messaging_pb2_grpc.MessagingServiceServicer):
    """Serves people."""

    def __init__(
        self,
        channels: Channels,
        messages: Messages,
        watching: Watching,
        signer: TokenSigner,
        cursors: Cursors,
    ) -> None:
        self._channels = channels
        self._messages = messages
        self._watching = watching
        self._signer = signer
        self._cursors = cursors

    async def ListChannels(
        self, request: pb.ListChannelsRequest, context: _Context
    ) -> pb.ListChannelsResponse:
        """List the caller's channels."""
        person_id = caller_id()
        pager = Pager(self._signer, person_id, request)
        start = pager.start()
        before = (start[0], start[1]) if start else None
        # One more than asked for tells whether another page follows.
        page = await self._channels.list(person_id, before, pager.size + 1)
        # What the first page saw is what the caller must watch from, whatever page they are on.
        cursor = start[2] if start else self._cursors.at(person_id, page.head)
        channels = [rendering.channel(view, person_id) for view in page.views[: pager.size]]
        shown = fitting(channels)
        end = None
        if shown < len(page.views):
            last = page.views[shown - 1].channel
            end = [last.active_time, last.channel_id, cursor]
        return pb.ListChannelsResponse(
            channels=channels[:shown],
            next_page_token=pager.next_token(end),
            cursor=cursor,
        )

    async def GetChannel(
        self, request: pb.GetChannelRequest, context: _Context
    ) -> pb.GetChannelResponse:
        """Return one of the caller's channels."""
        person_id = caller_id()
        if request.HasField("person_id"):
            view = await self._channels.get_with(person_id, request.person_id)
        else:
            view = await self._channels.get(person_id, request.channel_id)
        return pb.GetChannelResponse(channel=rendering.channel(view, person_id))

    async def SendMessage(
        self, request: pb.SendMessageRequest, context: _Context
    ) -> pb.SendMessageResponse:
        """Send a message."""
        return await send(self._messages, request, _deadline(context))

    async def ListMessages(
        self, request: pb.ListMessagesRequest, context: _Context
    ) -> pb.ListMessagesResponse:
        """List messages of a channel."""
        person_id = caller_id()
        forward = request.HasField("after_seq")
        pager = Pager(self._signer, person_id, request)
        page_start = pager.start()
        first = request.before_seq or _BEYOND_ANY_SEQ
        if forward:
            first = request.after_seq
        start = page_start[0] if page_start else first
        found = await self._messages.list(
            person_id, request.channel_id, start, pager.size + 1, forward=forward
        )
        messages = [rendering.message(message) for message in found[: pager.size]]
        shown = fitting(messages)
        more = shown < len(found)
        return pb.ListMessagesResponse(
            messages=messages[:shown],
            next_page_token=pager.next_token([found[shown - 1].seq] if more else None),
        )

    async def EditMessage(
        self, request: pb.EditMessageRequest, context: _Context
    ) -> pb.EditMessageResponse:
        """Replace the text of the caller's message."""
        edited = await self._messages.edit(
            caller_id(), request.channel_id, request.seq, request.text
        )
        return pb.EditMessageResponse(message=rendering.message(edited))

    async def DeleteMessage(
        self, request: pb.DeleteMessageRequest, context: _Context
    ) -> pb.DeleteMessageResponse:
        """Erase the caller's message."""
        deleted = await self._messages.delete(caller_id(), request.channel_id, request.seq)
        return pb.DeleteMessageResponse(message=rendering.message(deleted))

    async def MarkRead(self, request: pb.MarkReadRequest, context: _Context) -> pb.MarkReadResponse:
        """Mark a channel as read by the caller."""
        person_id = caller_id()
        view = await self._messages.mark_read(person_id, request.channel_id, request.seq)
        return pb.MarkReadResponse(channel=rendering.channel(view, person_id))

    async def SendTyping(
        self, request: pb.SendTypingRequest, context: _Context
    ) -> pb.SendTypingResponse:
        """Show that the caller is typing."""
        await self._messages.show_typing(caller_id(), request.channel_id)
        return pb.SendTypingResponse()

    async def WatchMessages(
        self, request: pb.WatchMessagesRequest, context: _Context
    ) -> AsyncIterator[pb.WatchMessagesResponse]:
        """Stream the caller's inbox."""
        async for response in self._watching.watch(caller_id(), request.after_cursor):
            yield response


def _deadline(context: Any) -> float | None:
    remaining: float | None = context.time_remaining()
    return None if remaining is None else time.monotonic() + remaining


async def send(
    messages: Messages, request: pb.SendMessageRequest, deadline: float | None
) -> pb.SendMessageResponse:
    """Send the caller's message, by whichever way it came in."""
    # A rule across fields would make validation several times as expensive, on the hottest path.
    if not request.text and not request.attachment_ids:
        raise InvalidRequest.field("text", "a message needs a text or at least one attachment")
    draft = Draft(
        caller_id(),
        request.channel_id,
        request.client_message_id or None,
        request.text,
        tuple(request.attachment_ids),
    )
    sent = await messages.send(draft, deadline)
    return pb.SendMessageResponse(message=rendering.message(sent))


class AttachmentServicer(attachments_pb2_grpc.AttachmentServiceServicer):
    """Takes files in and gives them out."""

    def __init__(self, attachments: Attachments) -> None:
        self._attachments = attachments

    async def UploadAttachment(
        self,
        request_iterator: AsyncIterator[attachments_pb2.UploadAttachmentRequest],
        context: _Context,
    ) -> attachments_pb2.UploadAttachmentResponse:
        """Take in a file of the caller's."""
        header, chunks = await header_and_chunks(request_iterator)
        upload = Upload(header.file_name, header.content_type, header.size_bytes)
        attachment = await self._attachments.upload(caller_id(), upload, chunks)
        return attachments_pb2.UploadAttachmentResponse(attachment=rendering.attachment(attachment))

    async def DownloadAttachment(
        self, request: attachments_pb2.DownloadAttachmentRequest, context: _Context
    ) -> AsyncIterator[attachments_pb2.DownloadAttachmentResponse]:
        """Give out a file, or a part of it, to one of those who may have it."""
        attachment = await self._attachments.find(caller_id(), request.attachment_id)
        pieces = self._attachments.read(
            attachment, preview=request.preview, offset=request.offset, length=request.length
        )
        # Before anything is said of a file, there is a piece of it.
        first = await anext(pieces)
        yield attachments_pb2.DownloadAttachmentResponse(
            header=rendering.download_header(attachment, preview=request.preview)
        )
        yield attachments_pb2.DownloadAttachmentResponse(chunk=first)
        async for piece in pieces:
            yield attachments_pb2.DownloadAttachmentResponse(chunk=piece)


class ChannelLifecycleServicer(lifecycle_pb2_grpc.ChannelLifecycleServiceServicer):
    """Serves the friendship service."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels

    async def ApplyFriendshipChanges(
        self, request: lifecycle_pb2.ApplyFriendshipChangesRequest, context: _Context
    ) -> lifecycle_pb2.ApplyFriendshipChangesResponse:
        """Bring channels to the states of their friendships."""
        grants: dict[Pair, Grant] = {}
        for change in request.changes:
            pair = Pair.of(change.person_id, change.other_person_id)
            grant = Grant(change.open, change.epoch)
            if pair not in grants or grants[pair].epoch < grant.epoch:
                grants[pair] = grant
        await self._channels.apply(grants)
        return lifecycle_pb2.ApplyFriendshipChangesResponse()


class MessageIntakeServicer(intake_pb2_grpc.MessageIntakeServiceServicer):
    """Serves the gateway's frames."""

    def __init__(self, messages: Messages, intake: Intake) -> None:
        self._messages = messages
        self._intake = intake

    async def SendMessages(
        self, request_iterator: AsyncIterator[intake_pb2.SendMessagesRequest], context: _Context
    ) -> AsyncIterator[intake_pb2.SendMessagesResponse]:
        """Carry out frames of sends."""
        frames = (request.frame async for request in request_iterator)
        async for answers in self._intake.serve(frames, self._send):
            yield intake_pb2.SendMessagesResponse(frame=answers)

    async def _send(self, data: bytes, deadline: float) -> bytes:
        request = parse(pb.SendMessageRequest, data)
        assert isinstance(request, pb.SendMessageRequest)
        response = await send(self._messages, request, deadline)
        return response.SerializeToString()
