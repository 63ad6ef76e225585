"""Turns what the service knows into what the contract says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from paperplane.messaging.v1 import attachments_pb2
from paperplane.messaging.v1 import messaging_pb2 as pb
from services.messaging import store
from services.messaging.channels import ChannelView, view_channels

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from chassis.inbox import Entry
    from services.messaging.domain import Attachment, Message


def timestamp(microseconds: int) -> Timestamp:
    """Render a time."""
    return Timestamp(seconds=microseconds // 1_000_000, nanos=microseconds % 1_000_000 * 1000)


def attachment(found: Attachment) -> pb.Attachment:
    """Render an attachment."""
    return pb.Attachment(
        attachment_id=found.attachment_id,
        file_name=found.file_name,
        content_type=found.content_type,
        size_bytes=found.size_bytes,
        width=found.width,
        height=found.height,
        has_preview=found.preview_bytes > 0,
    )


def download_header(found: Attachment, *, preview: bool) -> attachments_pb2.DownloadHeader:
    """Render what goes before the content of an attachment or its preview."""
    return attachments_pb2.DownloadHeader(
        attachment=attachment(found),
        content_type=found.preview_type if preview else found.content_type,
        total_bytes=found.preview_bytes if preview else found.size_bytes,
    )


def message(found: Message) -> pb.Message:
    """Render a message."""
    return pb.Message(
        channel_id=found.channel_id,
        seq=found.seq,
        sender_id=found.sender_id,
        client_message_id=found.client_message_id or "",
        text=found.text,
        attachments=map(attachment, found.attachments),
        create_time=timestamp(found.create_time),
        edit_time=None if found.edit_time is None else timestamp(found.edit_time),
        delete_time=None if found.delete_time is None else timestamp(found.delete_time),
    )


def channel(view: ChannelView, person_id: str) -> pb.Channel:
    """Render a channel as one of its two people sees it."""
    found = view.channel
    friend_id = found.pair.other(person_id)
    own = found.reading(person_id)
    return pb.Channel(
        channel_id=found.channel_id,
        friend_id=friend_id,
        state=pb.CHANNEL_STATE_OPEN if found.open else pb.CHANNEL_STATE_CLOSED,
        last_seq=found.last_seq,
        unread_count=own.unread,
        last_message=None if view.last_message is None else message(view.last_message),
        read_seq=own.seq,
        friend_read_seq=found.reading(friend_id).told_seq,
        create_time=timestamp(found.create_time or 0),
        active_time=timestamp(found.active_time or 0),
    )


def events(connection: Connection, entries: Sequence[Entry]) -> list[pb.Event]:
    """Render entries of a person's inbox as things stand now, in two or three queries."""
    about_channels = {e.subject for e in entries if e.kind.startswith("channel_")}
    found = store.find_channels(connection, about_channels).values() if about_channels else ()
    views = {v.channel.channel_id: v for v in view_channels(connection, list(found))}
    messages = store.find_messages(
        connection, ((e.subject, e.number) for e in entries if e.kind.startswith("message_"))
    )

    def render(entry: Entry) -> pb.Event:
        event = pb.Event(event_time=timestamp(entry.time))
        match entry.kind:
            case "channel_opened":
                shown = channel(views[entry.subject], entry.person_id)
                event.channel_opened.channel.CopyFrom(shown)
            case "channel_closed":
                shown = channel(views[entry.subject], entry.person_id)
                event.channel_closed.channel.CopyFrom(shown)
            case "message_sent":
                event.message_sent.message.CopyFrom(message(messages[entry.subject, entry.number]))
            case "message_edited":
                event.message_edited.message.CopyFrom(
                    message(messages[entry.subject, entry.number])
                )
            case "message_deleted":
                event.message_deleted.message.CopyFrom(
                    message(messages[entry.subject, entry.number])
                )
            case "read":
                event.read.channel_id = entry.subject
                event.read.person_id = entry.actor
                event.read.seq = entry.number
            case kind:
                message_ = f"the log holds an unknown kind of entry: {kind}"
                raise ValueError(message_)
        return event

    return [render(entry) for entry in entries]
