"""The domain: the fence, and what a channel, a pair and a digest are."""

from __future__ import annotations

import itertools

import pytest

from services.messaging.domain import (
    Channel,
    ChannelClosed,
    Grant,
    Pair,
    Reading,
    StaleGrant,
    digest,
    fence,
)

PAIR = Pair("ann", "bob")
NOW = 1_000


def channel(*, is_open: bool, epoch: int) -> Channel:
    time = 5 if is_open else None
    return Channel("c", PAIR, is_open, epoch, create_time=time, active_time=time)


EVERY = [
    (channel(is_open=row_open, epoch=row_epoch), Grant(grant_open, grant_epoch))
    for row_open, grant_open in itertools.product((True, False), repeat=2)
    for row_epoch, grant_epoch in itertools.product((0, 1, 2, 3), repeat=2)
    if row_epoch or not row_open
]


@pytest.mark.parametrize(("row", "grant"), EVERY, ids=str)
def test_fence_passes_what_friendship_grants_for_the_rows_epoch_or_a_later_one(
    row: Channel, grant: Grant
) -> None:
    if grant.epoch < row.epoch:
        with pytest.raises(StaleGrant):
            fence(row, grant, NOW)
    elif not grant.open or (grant.epoch == row.epoch and not row.open):
        with pytest.raises(ChannelClosed):
            fence(row, grant, NOW)
    else:
        passed = fence(row, grant, NOW)
        assert passed.open
        assert passed.epoch == grant.epoch
        assert passed.create_time == (row.create_time or NOW)
        if grant.epoch == row.epoch:
            assert passed is row


def test_grant_of_the_friendship_before_does_not_pass_the_one_after() -> None:
    """What a flag could not tell: both times the channel is open."""
    with pytest.raises(StaleGrant):
        fence(channel(is_open=True, epoch=3), Grant(open=True, epoch=1), NOW)


def test_reopened_channel_keeps_its_times_places_and_marks() -> None:
    before = Channel("c", PAIR, False, 2, 9, Reading(4, 3, 2), Reading(9, 9, 0), 5, 7)
    after = before.at_epoch(Grant(open=True, epoch=3), NOW)
    assert after == Channel("c", PAIR, True, 3, 9, Reading(4, 3, 2), Reading(9, 9, 0), 5, 7)


def test_closing_a_channel_that_never_opened_leaves_it_without_times() -> None:
    closed = channel(is_open=False, epoch=0).at_epoch(Grant(open=False, epoch=2), NOW)
    assert (closed.open, closed.epoch, closed.create_time) == (False, 2, None)


def test_message_is_unread_by_the_other_one() -> None:
    start = channel(is_open=True, epoch=1)
    by_low = start.with_message("ann", NOW)
    by_high = start.with_message("bob", NOW)
    assert (by_low.last_seq, by_low.low.unread, by_low.high.unread) == (1, 0, 1)
    assert (by_high.last_seq, by_high.low.unread, by_high.high.unread) == (1, 1, 0)
    assert by_low.active_time == NOW
    # Written out field by field: all else must be as it was.
    marked = Channel("c", PAIR, True, 3, 9, Reading(4, 3, 2), Reading(9, 8, 1), 5, 7)
    after = Channel("c", PAIR, True, 3, 10, Reading(4, 3, 3), Reading(9, 8, 1), 5, NOW)
    assert marked.with_message("bob", NOW) == after


def test_pair_is_the_same_from_both_sides() -> None:
    assert Pair.of("bob", "ann") == Pair.of("ann", "bob") == PAIR
    assert list(PAIR) == ["ann", "bob"]
    assert (PAIR.other("ann"), PAIR.other("bob")) == ("bob", "ann")
    assert "ann" in PAIR
    assert "eve" not in PAIR


@pytest.mark.parametrize("ids", [("a", "B"), ("é", "z"), ("\uffff", "\U0001f642"), ("a", "ab")])
def test_pair_is_ordered_as_the_database_orders_texts(ids: tuple[str, str]) -> None:
    """Else the database's constraint would refuse pairs that are in order here."""
    pair = Pair.of(*ids)
    assert pair.low.encode() < pair.high.encode()


def test_readings_belong_to_their_person() -> None:
    read = channel(is_open=True, epoch=1).with_reading("bob", Reading(3, 2, 1))
    assert read.reading("bob") == read.high == Reading(3, 2, 1)
    assert read.reading("ann") == read.low == Reading()


def test_digests_differ_where_texts_do() -> None:
    texts = ["", "a", "a ", "A", "é", "e\u0301", "\u00e9\u200b"]
    assert len({digest(text) for text in texts}) == len(texts)
    assert digest("a") == digest("a")
    assert len(digest("a")) == 32
