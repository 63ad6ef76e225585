"""How the refusals of the messaging service look to callers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grpc import StatusCode

from chassis.errors import ErrorSpec
from services.messaging import domain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chassis.refusals import Refusal

ERRORS: Mapping[type[Refusal], ErrorSpec] = {
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
        StatusCode.NOT_FOUND, "ATTACHMENT_NOT_FOUND", "You have not uploaded such an attachment."
    ),
    domain.FriendshipUnavailable: ErrorSpec(
        StatusCode.UNAVAILABLE,
        "FRIENDSHIP_UNAVAILABLE",
        "Whether you two are friends can't be known now; nothing was stored. Try again shortly.",
    ),
}
