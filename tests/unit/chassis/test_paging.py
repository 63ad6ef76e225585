"""Page tokens and cursors: worth something to the one they were made for, and to nobody else."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from chassis.inbox import Cursors
from chassis.paging import MAX_PAGE_BYTES, Pager, TokenSigner, fitting
from chassis.refusals import CursorExpired, CursorInvalid, PageTokenInvalid
from paperplane.messaging.v1 import messaging_pb2 as pb

SIGNER = TokenSigner(b"k" * 32)
OTHER_KEY = TokenSigner(b"l" * 32)


@pytest.mark.parametrize("values", [[], [1], ["é", 2**62, None], [[1, [2]], {"a": "b"}]], ids=str)
def test_token_gives_back_its_values(values: list[Any]) -> None:
    token = SIGNER.seal(values, "purpose", "ann")
    assert SIGNER.open(token, "purpose", "ann") == values
    assert token.isascii()
    assert token.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "bound",
    [
        ("purpose", "bob"),
        ("other", "ann"),
        ("ann", "purpose"),
        ("purposeann",),
        ("purpose", "ann", ""),
        ("purpos", "eann"),
        ('purpose", "ann',),
        (),
    ],
    ids=str,
)
def test_token_opens_with_its_own_bindings_only(bound: tuple[str, ...]) -> None:
    token = SIGNER.seal([1], "purpose", "ann")
    with pytest.raises(ValueError, match="not made here"):
        SIGNER.open(token, *bound)


def test_token_of_another_key_does_not_open() -> None:
    with pytest.raises(ValueError, match="not made here"):
        SIGNER.open(OTHER_KEY.seal([1], "x"), "x")


def test_changed_token_does_not_open() -> None:
    token = SIGNER.seal([12345, "text"], "x")
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    for place in range(len(raw)):
        for bit in (1, 128):
            changed = bytearray(raw)
            changed[place] ^= bit
            with pytest.raises(ValueError, match="not made here"):
                SIGNER.open(base64.urlsafe_b64encode(changed).decode(), "x")


@pytest.mark.parametrize("text", ["", "a", "AAAA", "é", "=", "a b", "\0", "A" * 5, "-_" * 40])
def test_text_that_is_no_token_does_not_open(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a token|not made here"):
        SIGNER.open(text, "x")


def pager(person_id: str = "ann", **fields: Any) -> Pager:
    given: dict[str, Any] = {"channel_id": "c", "after_seq": 5, **fields}
    request = pb.ListMessagesRequest(**given)
    return Pager(SIGNER, person_id, request)


def test_first_page_starts_nowhere_and_the_next_where_it_ended() -> None:
    first = pager()
    assert first.start() is None
    assert first.next_token(None) == ""
    token = first.next_token([7, "x"])
    assert pager(page_token=token).start() == [7, "x"]
    # AIP-158: the size of a page may change on the way.
    assert pager(page_token=token, page_size=9).start() == [7, "x"]


def test_page_size_of_zero_is_the_default() -> None:
    assert (pager().size, pager(page_size=1).size, pager(page_size=200).size) == (50, 1, 200)


@pytest.mark.parametrize(
    "other",
    [
        {"channel_id": "d"},
        {"after_seq": 6},
        {"before_seq": 5},
        {"person_id": "bob"},
    ],
    ids=str,
)
def test_page_token_of_another_list_is_invalid(other: dict[str, Any]) -> None:
    token = pager().next_token([7])
    with pytest.raises(PageTokenInvalid):
        pager(page_token=token, **other).start()


def test_page_token_of_another_method_is_invalid() -> None:
    token = Pager(SIGNER, "ann", pb.ListChannelsRequest()).next_token([7])
    with pytest.raises(PageTokenInvalid):
        Pager(SIGNER, "ann", pb.ListMessagesRequest(page_token=token)).start()


CURSORS = Cursors(SIGNER, "log", "life-1")


def test_cursor_gives_back_its_position() -> None:
    assert CURSORS.position("ann", CURSORS.at("ann", 0)) == 0
    assert CURSORS.position("ann", CURSORS.at("ann", 2**60)) == 2**60
    assert CURSORS.position("ann", "") == 0


def test_cursor_of_someone_or_something_else_is_invalid() -> None:
    sealed_alike = SIGNER.seal(["life-1", 5], "page", "log", "ann")
    for wrong in (
        CURSORS.at("bob", 5),
        Cursors(SIGNER, "other log", "life-1").at("ann", 5),
        Cursors(OTHER_KEY, "log", "life-1").at("ann", 5),
        sealed_alike,
        "5",
        CURSORS.at("ann", 5)[:-2],
    ):
        with pytest.raises(CursorInvalid):
            CURSORS.position("ann", wrong)


def test_cursor_of_another_life_of_the_log_is_expired() -> None:
    earlier = Cursors(SIGNER, "log", "life-0").at("ann", 5)
    with pytest.raises(CursorExpired):
        CURSORS.position("ann", earlier)
    # That its life is over is told to its owner only.
    with pytest.raises(CursorInvalid):
        CURSORS.position("bob", earlier)


def test_page_holds_what_fits_and_at_least_one_item() -> None:
    small, large = pb.Message(text="x" * 100), pb.Message(text="x" * MAX_PAGE_BYTES)
    assert fitting([]) == 0
    assert fitting([small] * 200) == 200
    assert fitting([large, small]) == 1
    assert fitting([small, large, small]) == 2
    half = pb.Message(text="x" * (MAX_PAGE_BYTES // 2))
    assert fitting([half] * 5) == 2
