"""How the refusals of the messaging service look to callers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grpc import StatusCode

from chassis.errors import ErrorSpec
from chassis.files import refusals
from chassis.files.errors import FILE_ERRORS
from services.messaging import domain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chassis.refusals import Refusal

ERRORS: Mapping[type[Refusal], ErrorSpec] = {
    **FILE_ERRORS,
    domain.ChannelNotFound: ErrorSpec(
        StatusCode.NOT_FOUND,
        "CHANNEL_NOT_FOUND",
        "You have no such channel. ListChannels shows yours; a channel opens once a friend request "
        "is accepted.",
    ),
    domain.ChannelClosed: ErrorSpec(
        StatusCode.PERMISSION_DENIED,
        "CHANNEL_CLOSED",
        "You two are no longer friends, so nothing passes. The history can still be read.",
    ),
    domain.MessageNotFound: ErrorSpec(
        StatusCode.NOT_FOUND, "MESSAGE_NOT_FOUND", "The channel has no message with this seq."
    ),
    domain.MessageDeleted: ErrorSpec(
        StatusCode.FAILED_PRECONDITION,
        "MESSAGE_DELETED",
        "The message has been deleted and can't be edited. Send a new one.",
    ),
    domain.NotTheSender: ErrorSpec(
        StatusCode.PERMISSION_DENIED,
        "NOT_THE_SENDER",
        "Only the one who sent a message can edit or delete it.",
    ),
    domain.ClientMessageIdReused: ErrorSpec(
        StatusCode.ALREADY_EXISTS,
        "CLIENT_MESSAGE_ID_REUSED",
        "You have sent another message under this client_message_id. Make a new id for each.",
    ),
    domain.AttachmentNotFound: ErrorSpec(
        StatusCode.NOT_FOUND,
        "ATTACHMENT_NOT_FOUND",
        "There is no such attachment for you. To send one, upload it first; each can be sent once, "
        "within a day.",
    ),
    domain.TooManyUploads: ErrorSpec(
        StatusCode.RESOURCE_EXHAUSTED,
        "TOO_MANY_UPLOADS",
        "You have too many uploads under way or not yet sent. Let some end, or send them, first.",
    ),
    domain.RangeNotSatisfiable: ErrorSpec(
        StatusCode.OUT_OF_RANGE,
        "RANGE_NOT_SATISFIABLE",
        "The offset is behind the end of the file. The header of a download says how long it is.",
    ),
    refusals.UploadTooLarge: ErrorSpec(
        StatusCode.RESOURCE_EXHAUSTED,
        "ATTACHMENT_TOO_LARGE",
        "The file is larger than this server takes.",
    ),
    refusals.UploadEmpty: ErrorSpec(
        StatusCode.INVALID_ARGUMENT, "UPLOAD_EMPTY", "The file is empty: there is nothing to send."
    ),
    refusals.TypeMismatch: ErrorSpec(
        StatusCode.INVALID_ARGUMENT,
        "ATTACHMENT_TYPE_MISMATCH",
        "The content is not of the type that the header or the file's name says. Name it as what it "
        "is.",
    ),
    domain.FriendshipUnavailable: ErrorSpec(
        StatusCode.UNAVAILABLE,
        "FRIENDSHIP_UNAVAILABLE",
        "Whether you two are friends can't be known now; nothing was stored. Try again shortly.",
    ),
}
