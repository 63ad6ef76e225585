"""Sends decided as a set: each gets the answer that it would have got alone, in some order."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, select

from chassis.refusals import Refusal
from services.messaging import store
from services.messaging.domain import (
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
from services.messaging.schema import inbox, messages
from services.messaging.sending import Committed, Send, SendSet, decide
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
    outcomes = SendSet(connection).decide(sends)
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
    SendSet(connection).decide([send("1"), send("2")])
    (outcome,) = SendSet(connection).decide([send("3")])
    assert value(outcome).seq == 3


def test_rings_name_the_ends_of_the_inboxes_of_the_two(connection: Connection) -> None:
    outcomes = SendSet(connection).decide([send("1"), send("2", channel_id="ae"), send("3")])
    ab = {"ann": 3, "bob": 2}
    assert [o.rings for o in outcomes if isinstance(o, Committed)] == [ab, {"ann": 3, "eve": 1}, ab]
    for person_id in ("ann", "bob", "eve"):
        end = len(kinds(connection, person_id))
        assert inbox.head(connection, person_id) == end


def test_same_client_id_twice_in_one_set_is_one_message(connection: Connection) -> None:
    first, second, other = SendSet(connection).decide(
        [send("same", "c"), send("same", "c"), send("other", "c")]
    )
    assert value(first) == value(second)
    assert isinstance(other, ClientMessageIdReused)
    assert texts(connection) == ["same"]
    assert channel(connection).last_seq == 1


def test_client_ids_are_apart_for_each_sender_and_channel(connection: Connection) -> None:
    outcomes = SendSet(connection).decide(
        [
            send("x", "c"),
            send("y", "c", sender_id="bob"),
            send("z", "c", channel_id="ae"),
            send("no id"),
            send("no id"),
        ]
    )
    assert [value(outcome).seq for outcome in outcomes] == [1, 2, 1, 3, 4]


def test_known_message_is_answered_without_a_write(connection: Connection) -> None:
    (first,) = SendSet(connection).decide([send("once", "c")])
    before = channel(connection)
    for grant in (None, Grant(open=False, epoch=1), Grant(open=True, epoch=0)):
        (again,) = SendSet(connection).decide([send("once", "c", grant=grant, now=999)])
        assert value(again) == value(first)
        assert isinstance(again, Committed)
        assert again.rings == {}
    assert channel(connection) == before


def test_id_of_a_deleted_message_is_answered_with_what_is_left(connection: Connection) -> None:
    (first,) = SendSet(connection).decide([send("once", "c")])
    left = value(first)._replace(text="", digest=None, delete_time=200)
    store.update_message(connection, left)
    for text in ("once", "something else"):
        (again,) = SendSet(connection).decide([send(text, "c")])
        assert value(again) == left


def test_refused_pieces_leave_the_others_alone(connection: Connection) -> None:
    SendSet(connection).decide([send("taken", "taken")])
    outcomes = SendSet(connection).decide(
        [
            send("good 1"),
            send("nowhere", channel_id="unknown"),
            send("a stranger's", sender_id="eve"),
            send("no grant", "c-1", grant=None),
            send("not friends", "c-2", grant=Grant(open=False, epoch=1)),
            send("grant too old", "c-3", grant=Grant(open=True, epoch=0)),
            send("reused", "taken"),
            send("good 2", sender_id="bob"),
        ]
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
    (after,) = SendSet(connection).decide([send("now with a grant", "c-1")])
    assert value(after).seq == 4


def test_set_of_refusals_reaches_no_table(connection: Connection) -> None:
    with recorded(connection) as statements:
        outcomes = SendSet(connection).decide([send("a", grant=None), send("b", channel_id="none")])
    assert not any(isinstance(outcome, Committed) for outcome in outcomes)
    assert [text.split()[0] for text in statements] == ["SELECT"]


def test_set_of_any_size_costs_as_many_statements_as_one(connection: Connection) -> None:
    with recorded(connection) as for_one:
        SendSet(connection).decide([send("one", "c")])
    with recorded(connection) as for_many:
        SendSet(connection).decide([send(str(n), f"c-{n}") for n in range(300)])
    # Two look-ups and a write of the channels and messages, two statements of the inboxes.
    assert len(for_one) == len(for_many) == 6


def test_newer_grant_opens_the_channel_and_says_so_once(connection: Connection) -> None:
    store.update_channels(connection, [channel(connection)._replace(open=False, epoch=2)])
    newer = Grant(open=True, epoch=3)
    outcomes = SendSet(connection).decide(
        [
            send("with the old grant"),
            send("with the word of the close", grant=Grant(open=False, epoch=2)),
            send("1", grant=newer),
            send("2", grant=newer),
            send("too late with the old one", grant=Grant(open=True, epoch=2)),
        ]
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
    SendSet(connection).decide([send("1", grant=Grant(open=True, epoch=3))])
    assert channel(connection).epoch == 3
    assert kinds(connection, "bob") == [("message_sent", 1)]


def test_channel_that_never_opened_opens_with_the_first_message(connection: Connection) -> None:
    store.insert_channel(connection, Channel("new", Pair("bob", "eve"), False, 2))
    (refused,) = SendSet(connection).decide(
        [send("x", channel_id="new", sender_id="bob", grant=Grant(open=True, epoch=2))]
    )
    assert isinstance(refused, ChannelClosed)
    SendSet(connection).decide(
        [send("x", channel_id="new", sender_id="bob", grant=Grant(open=True, epoch=3))]
    )
    found = channel(connection, "new")
    assert (found.open, found.create_time, found.active_time) == (True, 100, 100)


def test_rows_hold_what_was_sent(connection: Connection) -> None:
    (outcome,) = SendSet(connection).decide([send("téxt", "c")])
    row = connection.execute(select(messages)).one()
    assert store.to_message(row) == value(outcome)
    assert value(outcome).create_time == 100


def test_batch_keeps_answers_beside_their_pieces(connection: Connection) -> None:
    """The sends are decided together, all else after them, whatever order they came in."""

    def last_seq(at: Connection) -> Committed:
        return Committed(channel(at).last_seq)

    def refuse(_: Connection) -> Committed:
        raise ChannelNotFound

    outcomes = decide(connection, [last_seq, send("1"), refuse, send("2", grant=None), send("3")])
    assert outcomes[0].value == 2
    assert [type(o) for o in outcomes[1:]] == [
        Committed,
        ChannelNotFound,
        FriendshipUnavailable,
        Committed,
    ]
    assert (value(outcomes[1]).seq, value(outcomes[4]).seq) == (1, 2)


def test_refused_function_leaves_no_trace(connection: Connection) -> None:
    def half(at: Connection) -> Committed:
        store.update_channels(at, [channel(at)._replace(last_seq=77)])
        raise ChannelNotFound

    decide(connection, [half])
    assert channel(connection).last_seq == 0
