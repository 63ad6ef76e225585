"""Reads and writes the rows of channels, messages and attachments."""

from services.messaging.store.attachments import (
    attachments_of,
    become_unsent,
    count_waiting,
    delete_doomed,
    doom_attachments_of,
    doom_given_up,
    doom_waiting,
    find_attachments,
    find_doomed,
    insert_attachment,
    send_attachments,
)
from services.messaging.store.channels import (
    find_channel,
    find_channels,
    find_channels_of_pairs,
    insert_channel,
    list_channels,
    make_channels,
    update_channels,
)
from services.messaging.store.messages import (
    count_unread,
    find_messages,
    insert_messages,
    known_messages,
    list_messages,
    update_message,
)

__all__ = [
    "attachments_of",
    "become_unsent",
    "count_unread",
    "count_waiting",
    "delete_doomed",
    "doom_attachments_of",
    "doom_given_up",
    "doom_waiting",
    "find_attachments",
    "find_channel",
    "find_channels",
    "find_channels_of_pairs",
    "find_doomed",
    "find_messages",
    "insert_attachment",
    "insert_channel",
    "insert_messages",
    "known_messages",
    "list_channels",
    "list_messages",
    "make_channels",
    "send_attachments",
    "update_channels",
    "update_message",
]
