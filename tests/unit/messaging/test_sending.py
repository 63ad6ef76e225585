"""Sends decided as a set: each gets the answer that it would have got alone, in some order."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection

from chassis.refusals import Refusal
from services.messaging import store
from services.messaging.domain import (
    Attachment,
    AttachmentNotFound,
    Channel,
    ChannelClosed,
    ChannelNotFound,
    ClientMessageIdReused,
    FriendshipUnavailable,
    Grant,
    Message,
    Pair,
    StaleGrant,
)
from services.messaging.schema import inbox
from services.messaging.sending import Done, Send, tell_both
from services.messaging.writing import Act, Committed, decide
from tests.support.statements import recorded

ANN_BOB, ANN_EVE = Pair("ann", "bob"), Pair("ann", "eve")
OPEN = Grant(open=True, epoch=1)


@pytest.fixture
def connection(connection: Connection) -> Connection:
    """With two open channels of Ann's, one with Bob and one with Eve."""
    for channel_id, pair in (("ab", ANN_BOB), ("ae", ANN_EVE)):
        store.insert_channel(
            connection, Channel(channel_id, pair, True, 1, create_time=1, active_time=1)
        )
    return connection


def send(text: str, client_id: str | None = None, **other: Any) -> Send:
    basis = Send("ab", "ann", client_id, text, OPEN, 100)
    return basis._replace(**other)


def value(outcome: Committed | Refusal) -> Message:
    assert isinstance(outcome, Committed)
    assert isinstance(outcome.value, Message)
    return outcome.value


def channel(connection: Connection, channel_id: str = "ab") -> Channel:
    found = store.find_channel(connection, channel_id)
    assert found is not None
    return found


def texts(connection: Connection, channel_id: str = "ab") -> list[str]:
    return [m.text for m in store.list_messages(connection, channel_id, 0, 1000, forward=True)]


def kinds(connection: Connection, person_id: str) -> list[tuple[str, int]]:
    return [(e.kind, e.number) for e in inbox.read(connection, person_id, 0, 1000)]


def test_set_is_numbered_in_its_order(connection: Connection) -> None:
    sends = [
        send("1"),
        send("2", sender_id="bob"),
        send("elsewhere", channel_id="ae"),
        send("3"),
    ]
    outcomes = decide(connection, sends)
    assert [(value(o).channel_id, value(o).seq) for o in outcomes] == [
        ("ab", 1),
        ("ab", 2),
        ("ae", 1),
        ("ab", 3),
    ]
    assert texts(connection) == ["1", "2", "3"]
    assert texts(connection, "ae") == ["elsewhere"]
    found = channel(connection)
    assert (found.last_seq, found.low.unread, found.high.unread, found.active_time) == (
        3,
        1,
        2,
        100,
    )
    assert kinds(connection, "bob") == [("message_sent", n) for n in (1, 2, 3)]
    assert len(kinds(connection, "ann")) == 4
    assert kinds(connection, "eve") == [("message_sent", 1)]


def test_next_set_goes_on_where_the_last_one_ended(connection: Connection) -> None:
    decide(connection, [send("1"), send("2")])
    (outcome,) = decide(connection, [send("3")])
    assert value(outcome).seq == 3


def test_rings_name_the_ends_of_the_inboxes_of_the_two(connection: Connection) -> None:
    outcomes = decide(connection, [send("1"), send("2", channel_id="ae"), send("3")])
    ab = {"ann": 3, "bob": 2}
    assert [o.rings for o in outcomes if isinstance(o, Committed)] == [ab, {"ann": 3, "eve": 1}, ab]
    for person_id in ("ann", "bob", "eve"):
        end = len(kinds(connection, person_id))
        assert inbox.head(connection, person_id) == end


def test_same_client_id_twice_in_one_set_is_one_message(connection: Connection) -> None:
    first, second, other = decide(
        connection, [send("same", "c"), send("same", "c"), send("other", "c")]
    )
    assert value(first) == value(second)
    assert isinstance(other, ClientMessageIdReused)
    assert texts(connection) == ["same"]
    assert channel(connection).last_seq == 1


def test_client_ids_are_apart_for_each_sender_and_channel(connection: Connection) -> None:
    outcomes = decide(
        connection,
        [
            send("x", "c"),
            send("y", "c", sender_id="bob"),
            send("z", "c", channel_id="ae"),
            send("no id"),
            send("no id"),
        ],
    )
    assert [value(outcome).seq for outcome in outcomes] == [1, 2, 1, 3, 4]


def test_known_message_is_answered_without_a_write(connection: Connection) -> None:
    (first,) = decide(connection, [send("once", "c")])
    before = channel(connection)
    for grant in (None, Grant(open=False, epoch=1), Grant(open=True, epoch=0)):
        (again,) = decide(connection, [send("once", "c", grant=grant, now=999)])
        assert value(again) == value(first)
        assert isinstance(again, Committed)
        assert again.rings == {}
    assert channel(connection) == before


def test_id_of_a_deleted_message_is_answered_with_what_is_left(connection: Connection) -> None:
    (first,) = decide(connection, [send("once", "c")])
    left = value(first)._replace(text="", digest=None, delete_time=200)
    store.update_message(connection, left)
    for text in ("once", "something else"):
        (again,) = decide(connection, [send(text, "c")])
        assert value(again) == left


def test_refused_pieces_leave_the_others_alone(connection: Connection) -> None:
    decide(connection, [send("taken", "taken")])
    outcomes = decide(
        connection,
        [
            send("good 1"),
            send("nowhere", channel_id="unknown"),
            send("a stranger's", sender_id="eve"),
            send("no grant", "c-1", grant=None),
            send("not friends", "c-2", grant=Grant(open=False, epoch=1)),
            send("grant too old", "c-3", grant=Grant(open=True, epoch=0)),
            send("reused", "taken"),
            send("good 2", sender_id="bob"),
        ],
    )
    assert [type(outcome) for outcome in outcomes] == [
        Committed,
        ChannelNotFound,
        ChannelNotFound,
        FriendshipUnavailable,
        ChannelClosed,
        StaleGrant,
        ClientMessageIdReused,
        Committed,
    ]
    assert texts(connection) == ["taken", "good 1", "good 2"]
    # A refused id is still free.
    (after,) = decide(connection, [send("now with a grant", "c-1")])
    assert value(after).seq == 4


def test_set_of_refusals_reaches_no_table(connection: Connection) -> None:
    with recorded(connection) as statements:
        outcomes = decide(connection, [send("a", grant=None), send("b", channel_id="none")])
    assert not any(isinstance(outcome, Committed) for outcome in outcomes)
    assert [text.split()[0] for text in statements] == ["SELECT"]


def test_set_of_any_size_costs_as_many_statements_as_one(connection: Connection) -> None:
    with recorded(connection) as for_one:
        decide(connection, [send("one", "c")])
    with recorded(connection) as for_many:
        decide(connection, [send(str(n), f"c-{n}") for n in range(300)])
    # Two look-ups and a write of the channels and messages, two statements of the inboxes.
    assert len(for_one) == len(for_many) == 6


def test_newer_grant_opens_the_channel_and_says_so_once(connection: Connection) -> None:
    store.update_channels(connection, [channel(connection)._replace(open=False, epoch=2)])
    newer = Grant(open=True, epoch=3)
    outcomes = decide(
        connection,
        [
            send("with the old grant"),
            send("with the word of the close", grant=Grant(open=False, epoch=2)),
            send("1", grant=newer),
            send("2", grant=newer),
            send("too late with the old one", grant=Grant(open=True, epoch=2)),
        ],
    )
    assert [type(outcome) for outcome in outcomes] == [
        StaleGrant,
        ChannelClosed,
        Committed,
        Committed,
        StaleGrant,
    ]
    found = channel(connection)
    assert (found.open, found.epoch, found.last_seq) == (True, 3, 2)
    opened = [("channel_opened", 0), ("message_sent", 1), ("message_sent", 2)]
    assert kinds(connection, "ann") == kinds(connection, "bob") == opened


def test_newer_grant_of_an_open_channel_is_no_news(connection: Connection) -> None:
    """The friendship ended and began again before anybody told this service."""
    decide(connection, [send("1", grant=Grant(open=True, epoch=3))])
    assert channel(connection).epoch == 3
    assert kinds(connection, "bob") == [("message_sent", 1)]


def test_channel_that_never_opened_opens_with_the_first_message(connection: Connection) -> None:
    store.insert_channel(connection, Channel("new", Pair("bob", "eve"), False, 2))
    (refused,) = decide(
        connection, [send("x", channel_id="new", sender_id="bob", grant=Grant(open=True, epoch=2))]
    )
    assert isinstance(refused, ChannelClosed)
    decide(
        connection, [send("x", channel_id="new", sender_id="bob", grant=Grant(open=True, epoch=3))]
    )
    found = channel(connection, "new")
    assert (found.open, found.create_time, found.active_time) == (True, 100, 100)


def test_rows_hold_what_was_sent(connection: Connection) -> None:
    (outcome,) = decide(connection, [send("téxt", "c")])
    sent = value(outcome)
    assert store.find_messages(connection, [("ab", 1)]) == {("ab", 1): sent}
    assert value(outcome).create_time == 100


def upload(connection: Connection, *ids: str, by: str = "ann", state: str = "unsent") -> None:
    for attachment_id in ids:
        store.insert_attachment(
            connection,
            Attachment(attachment_id, by, state, "a.png", "image/png", 9, 4, 3, 2, "image/webp", 1),
        )


def files(message: Message) -> list[tuple[str, int | None]]:
    return [(file.attachment_id, file.place) for file in message.attachments]


def test_message_takes_its_attachments_in_their_order(connection: Connection) -> None:
    upload(connection, "f1", "f2", "f3")
    (outcome,) = decide(connection, [send("", attachment_ids=("f3", "f1"))])

    sent = value(outcome)
    assert files(sent) == [("f3", 0), ("f1", 1)]
    assert store.find_messages(connection, [("ab", 1)])["ab", 1] == sent
    assert store.list_messages(connection, "ab", 0, 9, forward=True) == [sent]
    left = store.find_attachments(connection, ["f1", "f2", "f3"])
    assert [left[f].state for f in ("f1", "f2", "f3")] == ["sent", "unsent", "sent"]


def test_attachment_goes_with_one_message_only(connection: Connection) -> None:
    upload(connection, "f1", "f2")
    first, second, third = decide(
        connection,
        [
            send("1", attachment_ids=("f1",)),
            send("2", attachment_ids=("f2", "f1")),
            send("3", channel_id="ae", attachment_ids=("f2",)),
        ],
    )
    (later,) = decide(connection, [send("4", attachment_ids=("f1",))])

    assert value(first).seq == 1
    assert isinstance(second, AttachmentNotFound)
    assert files(value(third)) == [("f2", 0)]
    assert isinstance(later, AttachmentNotFound)
    assert texts(connection) == ["1"]


@pytest.mark.parametrize("state", ["storing", "doomed"])
def test_only_what_is_wholly_there_can_be_sent(connection: Connection, state: str) -> None:
    file = Attachment("f1", "ann", state, "", "image/png", 9, 4, 3, 2, "image/webp", 1)
    store.insert_attachment(connection, file)
    upload(connection, "f2", by="bob")

    outcomes = decide(
        connection, [send("1", attachment_ids=(file,)) for file in ("f1", "f2", "none")]
    )

    assert [type(outcome) for outcome in outcomes] == [AttachmentNotFound] * 3


def test_closed_channel_leaves_attachments_as_they_were(connection: Connection) -> None:
    upload(connection, "f1")
    (refused,) = decide(
        connection, [send("x", attachment_ids=("f1",), grant=Grant(open=False, epoch=2))]
    )

    assert isinstance(refused, ChannelClosed)
    assert store.find_attachments(connection, ["f1"])["f1"].state == "unsent"


def test_repeated_send_returns_its_attachments_and_differs_by_them(connection: Connection) -> None:
    upload(connection, "f1", "f2")
    first, again = decide(
        connection, [send("x", "c", attachment_ids=("f1",)), send("x", "c", attachment_ids=("f1",))]
    )
    later, other, none = decide(
        connection,
        [
            send("x", "c", attachment_ids=("f1",)),
            send("x", "c", attachment_ids=("f2",)),
            send("x", "c"),
        ],
    )

    assert value(first) == value(again) == value(later)
    assert files(value(later)) == [("f1", 0)]
    assert isinstance(other, ClientMessageIdReused)
    assert isinstance(none, ClientMessageIdReused)
    assert store.find_attachments(connection, ["f2"])["f2"].state == "unsent"


def test_sends_without_attachments_ask_for_none(connection: Connection) -> None:
    with recorded(connection) as statements:
        decide(connection, [send("1"), send("2", "c")])

    assert not [each for each in statements if "attachments " in str(each)]


def test_batch_keeps_answers_beside_their_pieces(connection: Connection) -> None:
    """The sends are decided together, all else after them, whatever order they came in."""

    def last_seq(at: Connection) -> Done:
        return Done(channel(at).last_seq)

    def refuse(_: Connection) -> Done:
        raise ChannelNotFound

    outcomes = decide(
        connection, [Act(last_seq), send("1"), Act(refuse), send("2", grant=None), send("3")]
    )
    assert outcomes[0].value == 2
    assert [type(o) for o in outcomes[1:]] == [
        Committed,
        ChannelNotFound,
        FriendshipUnavailable,
        Committed,
    ]
    assert (value(outcomes[1]).seq, value(outcomes[4]).seq) == (1, 2)


def test_refused_function_leaves_no_trace(connection: Connection) -> None:
    def half(at: Connection) -> Done:
        store.update_channels(at, [channel(at)._replace(last_seq=77)])
        raise ChannelNotFound

    decide(connection, [Act(half)])
    assert channel(connection).last_seq == 0


def test_people_are_told_in_the_order_in_which_it_happened(connection: Connection) -> None:
    """A closing that queued up before a send, in the same batch, is carried out after it."""

    def close(at: Connection) -> Done:
        closed = channel(at).at_epoch(Grant(open=False, epoch=2), 200)
        store.update_channels(at, [closed])
        return Done(None, tell_both(closed, "channel_closed", 0, 200))

    decide(connection, [Act(close, ["ab"]), send("1")])
    for person_id in ("ann", "bob"):
        assert kinds(connection, person_id) == [("message_sent", 1), ("channel_closed", 0)]
