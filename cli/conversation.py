"""What is known of one channel while it is talked in: each thing that happens is news once."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.timestamp_pb2 import Timestamp

from paperplane.friendship.v1 import friendship_pb2 as friendship
from paperplane.messaging.v1 import messaging_pb2 as messaging


class Conversation:
    """One channel as one of its two people sees it.

    Arguments:
        friend: the other of the two.
        channel: the channel as it was found.
        messages: its latest messages, oldest first.
    """

    def __init__(
        self,
        friend: friendship.Person,
        channel: messaging.Channel,
        messages: Sequence[messaging.Message],
    ) -> None:
        self.friend = friend
        self.channel_id = channel.channel_id
        self.open = channel.state == messaging.CHANNEL_STATE_OPEN
        self.read_seq = channel.read_seq
        """Up to which message the caller had read."""
        self.friend_read_seq = channel.friend_read_seq
        self.last_seq = max(channel.last_seq, *(each.seq for each in messages), 0)
        """The latest message that is known."""
        self.friend_last_seq = 0
        """The friend's latest message that is known."""
        self._own: set[int] = set()
        self._edits: dict[int, Timestamp] = {}
        self._deleted: set[int] = set()
        self._early: dict[int, messaging.Message] = {}
        for message in messages:
            self._note(message)

    @property
    def own_last_seq(self) -> int:
        """The caller's latest message that is not deleted; 0 if there is none."""
        return max(self._own, default=0)

    def has_unread(self) -> bool:
        """Whether the caller has yet to mark something of the friend's as read."""
        return self.friend_last_seq > self.read_seq

    def sent(self, message: messaging.Message) -> list[messaging.Event]:
        """Learn that a message of the caller's has its place; returns what is news by that.

        If others that come before it are still on their way, it waits for them.
        """
        if message.seq <= self.last_seq:
            return []
        self._early[message.seq] = message
        return self._catch_up()

    def flush(self) -> list[messaging.Event]:
        """Return as news what was sent and waits for others, because nothing more will come."""
        waiting = [self._early[seq] for seq in sorted(self._early)]
        self._early.clear()
        return [self._learn(message) for message in waiting]

    def apply(self, event: messaging.Event) -> list[messaging.Event]:
        """Learn what happened; returns what of it is news, in order."""
        match event.WhichOneof("kind"):
            case "message_sent":
                message = event.message_sent.message
                if message.channel_id != self.channel_id or message.seq <= self.last_seq:
                    return []
                self._early.pop(message.seq, None)
                self._learn(message)
                return [event, *self._catch_up()]
            case "message_edited":
                return self._if_news(event, event.message_edited.message)
            case "message_deleted":
                return self._if_news(event, event.message_deleted.message)
            case "read" if event.read.channel_id == self.channel_id:
                return self._read(event)
            case "typing" if event.typing.channel_id == self.channel_id:
                return [event] if event.typing.person_id == self.friend.person_id else []
            case "channel_opened" if event.channel_opened.channel.channel_id == self.channel_id:
                was, self.open = self.open, True
                return [] if was else [event]
            case "channel_closed" if event.channel_closed.channel.channel_id == self.channel_id:
                was, self.open = self.open, False
                return [event] if was else []
            case _:
                return []

    def _read(self, event: messaging.Event) -> list[messaging.Event]:
        read = event.read
        if read.person_id == self.friend.person_id:
            was, self.friend_read_seq = self.friend_read_seq, max(self.friend_read_seq, read.seq)
            return [event] if self.friend_read_seq > was else []
        self.read_seq = max(self.read_seq, read.seq)
        return []

    def _if_news(self, event: messaging.Event, message: messaging.Message) -> list[messaging.Event]:
        """An event replayed after the history was read tells what the history showed."""
        if message.channel_id != self.channel_id:
            return []
        before = (self._edits.get(message.seq), message.seq in self._deleted)
        self._note(message)
        after = (self._edits.get(message.seq), message.seq in self._deleted)
        return [] if before == after else [event]

    def _catch_up(self) -> list[messaging.Event]:
        news: list[messaging.Event] = []
        while message := self._early.pop(self.last_seq + 1, None):
            news.append(self._learn(message))
        return news

    def _learn(self, message: messaging.Message) -> messaging.Event:
        self.last_seq = max(self.last_seq, message.seq)
        self._note(message)
        return messaging.Event(
            event_time=message.create_time, message_sent=messaging.MessageSent(message=message)
        )

    def _note(self, message: messaging.Message) -> None:
        if message.sender_id == self.friend.person_id:
            self.friend_last_seq = max(self.friend_last_seq, message.seq)
        if message.HasField("edit_time"):
            self._edits[message.seq] = message.edit_time
        if message.HasField("delete_time"):
            self._deleted.add(message.seq)
            self._own.discard(message.seq)
        elif message.sender_id != self.friend.person_id:
            self._own.add(message.seq)
