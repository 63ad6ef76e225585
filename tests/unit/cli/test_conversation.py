"""In a conversation each thing is news once, and in order."""

from __future__ import annotations

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from cli.conversation import Conversation
from paperplane.friendship.v1 import friendship_pb2 as friendship
from paperplane.messaging.v1 import messaging_pb2 as messaging

BOB = friendship.Person(person_id="bob", handle="bob")


def message(seq: int, sender_id: str = "bob", text: str = "hi") -> messaging.Message:
    return messaging.Message(
        channel_id="c", seq=seq, sender_id=sender_id, text=text, create_time=Timestamp(seconds=seq)
    )


def sent(seq: int, sender_id: str = "bob", channel_id: str = "c") -> messaging.Event:
    said = message(seq, sender_id)
    said.channel_id = channel_id
    return messaging.Event(message_sent=messaging.MessageSent(message=said))


@pytest.fixture
def conversation() -> Conversation:
    channel = messaging.Channel(
        channel_id="c", friend_id="bob", state=messaging.CHANNEL_STATE_OPEN, last_seq=2, read_seq=1
    )
    return Conversation(BOB, channel, [message(1), message(2, "alice")])


def seqs(news: list[messaging.Event]) -> list[int]:
    return [event.message_sent.message.seq for event in news]


def test_what_the_history_showed_is_no_news(conversation: Conversation) -> None:
    assert conversation.apply(sent(2)) == []
    assert seqs(conversation.apply(sent(3))) == [3]
    assert conversation.apply(sent(3)) == []


def test_other_channels_do_not_matter(conversation: Conversation) -> None:
    assert conversation.apply(sent(3, channel_id="other")) == []
    assert seqs(conversation.apply(sent(3))) == [3]


def test_a_sent_message_waits_for_those_before_it(conversation: Conversation) -> None:
    assert conversation.sent(message(4, "alice")) == []
    assert seqs(conversation.apply(sent(3))) == [3, 4]
    assert conversation.apply(sent(4, "alice")) == []


def test_a_sent_message_is_news_once_whichever_way_it_is_heard_of_first(
    conversation: Conversation,
) -> None:
    assert seqs(conversation.sent(message(3, "alice"))) == [3]
    assert conversation.apply(sent(3, "alice")) == []
    assert seqs(conversation.apply(sent(4, "alice"))) == [4]
    assert conversation.sent(message(4, "alice")) == []


def test_what_waits_at_the_end_is_shown_after_all(conversation: Conversation) -> None:
    conversation.sent(message(5, "alice"))
    assert seqs(conversation.flush()) == [5]
    assert conversation.flush() == []


def test_an_edit_is_news_once(conversation: Conversation) -> None:
    edited = message(1, text="new")
    edited.edit_time.seconds = 9
    event = messaging.Event(message_edited=messaging.MessageEdited(message=edited))
    assert conversation.apply(event) == [event]
    assert conversation.apply(event) == []
    edited.edit_time.seconds = 10
    again = messaging.Event(message_edited=messaging.MessageEdited(message=edited))
    assert conversation.apply(again) == [again]


def test_the_last_own_message_is_the_last_that_is_not_deleted(conversation: Conversation) -> None:
    conversation.apply(sent(3, "alice"))
    assert conversation.own_last_seq == 3
    gone = message(3, "alice", "")
    gone.delete_time.seconds = 9
    event = messaging.Event(message_deleted=messaging.MessageDeleted(message=gone))
    assert conversation.apply(event) == [event]
    assert conversation.own_last_seq == 2


def test_unread_is_what_the_friend_wrote_beyond_the_mark(conversation: Conversation) -> None:
    assert not conversation.has_unread()
    conversation.apply(sent(3, "alice"))
    assert not conversation.has_unread()
    conversation.apply(sent(4))
    assert conversation.has_unread()
    own = messaging.Read(channel_id="c", person_id="alice", seq=4)
    assert conversation.apply(messaging.Event(read=own)) == []
    assert not conversation.has_unread()


def test_a_friends_mark_is_news_when_it_moves_on(conversation: Conversation) -> None:
    event = messaging.Event(read=messaging.Read(channel_id="c", person_id="bob", seq=2))
    assert conversation.apply(event) == [event]
    assert conversation.apply(event) == []


def test_ones_own_typing_is_no_news(conversation: Conversation) -> None:
    own = messaging.Event(typing=messaging.Typing(channel_id="c", person_id="alice"))
    friends = messaging.Event(typing=messaging.Typing(channel_id="c", person_id="bob"))
    assert conversation.apply(own) == []
    assert conversation.apply(friends) == [friends]


def test_closing_and_opening_are_news_when_they_change_something(
    conversation: Conversation,
) -> None:
    channel = messaging.Channel(channel_id="c")
    closed = messaging.Event(channel_closed=messaging.ChannelClosed(channel=channel))
    opened = messaging.Event(channel_opened=messaging.ChannelOpened(channel=channel))
    assert conversation.apply(opened) == []
    assert conversation.apply(closed) == [closed]
    assert conversation.apply(closed) == []
    assert conversation.apply(opened) == [opened]
