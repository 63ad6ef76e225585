"""Turns responses into what a person reads in a terminal; the texts of others are cleaned here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp
from rich import filesize
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from cli.text import clean, one_line
from paperplane.friendship.v1 import friendship_pb2 as friendship
from paperplane.messaging.v1 import messaging_pb2 as messaging

PLANE = "✈"
"""Marks those whom one can send a message."""
_PICTURE, _FILE = "▣", "▤"

_RELATIONSHIPS = {
    friendship.RELATIONSHIP_REQUEST_SENT: "asked, no answer yet",
    friendship.RELATIONSHIP_REQUEST_RECEIVED: "asks to be your friend",
    friendship.RELATIONSHIP_FRIENDS: "friend",
    friendship.RELATIONSHIP_BLOCKED: "blocked by you",
    friendship.RELATIONSHIP_SELF: "you",
}
_STATES = {
    friendship.FRIEND_REQUEST_STATE_PENDING: "pending",
    friendship.FRIEND_REQUEST_STATE_ACCEPTED: "accepted: you are friends",
    friendship.FRIEND_REQUEST_STATE_IGNORED: "ignored",
    friendship.FRIEND_REQUEST_STATE_CANCELLED: "cancelled",
}


def handle(person: friendship.Person) -> str:
    """Return the name by which a person is addressed."""
    return f"@{one_line(person.handle)}" if person.handle else f"id:{one_line(person.person_id)}"


def person_card(person: friendship.Person) -> RenderableType:
    """Show one person."""
    title = Text.assemble((one_line(person.display_name), "bold"), "  ", (handle(person), "cyan"))
    if person.can_message:
        title.append(f"  {PLANE}", "green")
    lines = [title]
    if person.headline:
        lines.append(Text(one_line(person.headline)))
    lines.append(Text(_RELATIONSHIPS.get(person.relationship, "not a friend"), "dim"))
    return Group(*lines)


def people_table(people: Sequence[friendship.Person], empty: str) -> RenderableType:
    """Show people, one a line.

    Arguments:
        people: whom.
        empty: what to say if there is nobody.
    """
    if not people:
        return Text(empty, "dim")
    table = _table()
    for person in people:
        table.add_row(
            Text(PLANE if person.can_message else " ", "green"),
            Text(handle(person), "cyan"),
            Text(one_line(person.display_name), "bold"),
            Text(one_line(person.headline)),
            Text(_RELATIONSHIPS.get(person.relationship, ""), "dim"),
        )
    return table


def request_line(request: friendship.FriendRequest) -> RenderableType:
    """Show what has become of one friend request."""
    return Text.assemble(
        (handle(request.person), "cyan"), ": ", _STATES.get(request.state, "unknown")
    )


def requests_table(requests: Sequence[friendship.FriendRequest]) -> RenderableType:
    """Show friend requests, one a line."""
    if not requests:
        return Text("No requests.", "dim")
    table = _table()
    for request in requests:
        table.add_row(
            Text(handle(request.person), "cyan"),
            Text(one_line(request.person.display_name), "bold"),
            Text(_moment(request.create_time), "dim"),
            Text(one_line(request.note)),
        )
    return table


def channels_table(
    channels: Sequence[messaging.Channel], people: Mapping[str, friendship.Person]
) -> RenderableType:
    """Show channels, one a line.

    Arguments:
        channels: which.
        people: the friends, by id.
    """
    if not channels:
        return Text("No direct messages yet: a channel opens when someone is your friend.", "dim")
    table = _table()
    for channel in channels:
        is_open = channel.state == messaging.CHANNEL_STATE_OPEN
        friend = people.get(channel.friend_id) or friendship.Person(person_id=channel.friend_id)
        table.add_row(
            Text(PLANE if is_open else " ", "green"),
            Text(handle(friend), "cyan"),
            Text(one_line(friend.display_name), "bold"),
            Text(f"{channel.unread_count} new" if channel.unread_count else "", "bold yellow"),
            Text(_moment(channel.active_time), "dim"),
            Text("" if is_open else "closed", "dim"),
            Text(_excerpt(channel)),
        )
    return table


def history(
    messages: Iterable[messaging.Message], friend: friendship.Person, today: date
) -> RenderableType:
    """Show messages, oldest first.

    Arguments:
        messages: which.
        friend: the other of the two; who is not them is "you".
        today: the day that is called so.
    """
    transcript = Transcript(friend)
    lines = [line for message in messages for line in transcript.message(message, today)]
    return Group(*lines) if lines else Text("No messages yet.", "dim")


class Transcript:
    """Lines of a conversation, with the day where it changes.

    Arguments:
        friend: the other of the two.
    """

    def __init__(self, friend: friendship.Person) -> None:
        self._friend = friend
        self._day: date | None = None

    def message(self, message: messaging.Message, today: date) -> list[RenderableType]:
        """Return a message's lines, after its day's if that is another than the one before.

        Arguments:
            message: which.
            today: the day that is called so.
        """
        day = _local(message.create_time).date()
        lines: list[RenderableType] = []
        if day != self._day:
            lines.append(separator(_day_name(day, today)))
        self._day = day
        return [*lines, message_line(message, self._friend)]

    def event(self, event: messaging.Event, today: date) -> list[RenderableType]:
        """Return the lines that tell what happened.

        Arguments:
            event: what.
            today: the day that is called so.
        """
        who = handle(self._friend)
        match event.WhichOneof("kind"):
            case "message_sent":
                return self.message(event.message_sent.message, today)
            case "message_edited":
                return [message_line(event.message_edited.message, self._friend)]
            case "message_deleted":
                return [message_line(event.message_deleted.message, self._friend)]
            case "read":
                return [Text(f"✓ {who} has read up to #{event.read.seq}", "dim")]
            case "typing":
                return [Text(f"{who} is typing…", "dim")]
            case "channel_opened":
                return [Text(f"The channel is open: you and {who} are friends.", "green")]
            case "channel_closed":
                return [Text(closed_sentence(self._friend), "yellow")]
            case _:
                return []


class _Hanging:
    """A text whose further lines are indented, also those that it is broken into to fit the terminal.

    Arguments:
        text: what is shown.
        indent: by how many columns.
    """

    def __init__(self, text: Text, indent: int) -> None:
        self._text = text
        self._indent = indent

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield its lines."""
        width = max(1, options.max_width - self._indent)
        for number, line in enumerate(self._text.wrap(console, width, overflow="fold")):
            yield Text(" " * self._indent).append_text(line) if number else line


def message_line(message: messaging.Message, friend: friendship.Person) -> RenderableType:
    """Show one message.

    Arguments:
        message: which.
        friend: the other of the two; who is not them is "you".
    """
    by_friend = message.sender_id == friend.person_id
    line = Text.assemble(
        (f"{_local(message.create_time):%H:%M} #{message.seq} ", "dim"),
        (handle(friend), "bold cyan") if by_friend else ("you", "bold green"),
        " ",
    )
    if message.HasField("delete_time"):
        line.append("(deleted)", "dim italic")
        return line
    line.append(clean(message.text))
    if message.HasField("edit_time"):
        line.append(" (edited)", "dim")
    # Every later line is indented, so that no text can pose as another person's message; and a file
    # less than any line of a text, so that none can pose as a file.
    files = (
        Text(f"      {number} {attachment_label(attachment)}", "dim")
        for number, attachment in enumerate(message.attachments, 1)
    )
    return Group(_Hanging(line, 8), *(_Hanging(file, 8) for file in files))


def attachment_label(attachment: messaging.Attachment) -> str:
    """Show one file in a line: its name, media type and size and, of a picture, its dimensions."""
    sign = _PICTURE if attachment.width else _FILE
    name, media_type = one_line(attachment.file_name), one_line(attachment.content_type)
    facts = [name, media_type, file_size(attachment)]
    if attachment.width:
        facts.append(f"{attachment.width}x{attachment.height}")
    return f"{sign} {' · '.join(facts)}"


def file_size(attachment: messaging.Attachment) -> str:
    """Show how large a file is, as people say it."""
    return filesize.decimal(attachment.size_bytes)


def closed_sentence(friend: friendship.Person) -> str:
    """Say that no message passes, and what is left."""
    return (
        f"The channel is closed: you and {handle(friend)} are no longer friends. "
        "What was written can still be read."
    )


def separator(title: str) -> Text:
    """Return a line that parts what is before from what is after."""
    return Text(f"── {title} ──", "dim")


def _table() -> Table:
    return Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))


def _excerpt(channel: messaging.Channel) -> str:
    if not channel.HasField("last_message"):
        return ""
    if channel.last_message.HasField("delete_time"):
        return "(deleted)"
    files = channel.last_message.attachments
    more = [f"and {len(files) - 1} more"] if len(files) > 1 else []
    parts = [one_line(channel.last_message.text), *map(attachment_label, files[:1])]
    return " ".join([*(_cut(part) for part in parts if part), *more])


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"


def _local(time: Timestamp) -> datetime:
    return time.ToDatetime(UTC).astimezone()


def _moment(time: Timestamp) -> str:
    return f"{_local(time):%Y-%m-%d %H:%M}"


def _day_name(day: date, today: date) -> str:
    if day == today:
        return "Today"
    if day == today - timedelta(days=1):
        return "Yesterday"
    return f"{day:%A} {day.day} {day:%B %Y}"
