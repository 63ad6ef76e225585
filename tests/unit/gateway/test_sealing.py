"""Seals: only who has the key can make or open one, for one purpose and for a time."""

from __future__ import annotations

import base64

import pytest

from gateway.sealing import Seal, SealBroken, SealExpired, parse_secrets

OLD, NEW = b"o" * 32, b"n" * 32
NOW = 1_800_000_000.0


def seal(*secrets: bytes, purpose: str = "session", now: float = NOW) -> Seal:
    return Seal(secrets, purpose, 60, lambda: now)


def test_what_was_closed_opens() -> None:
    sealed = seal(OLD).close({"sub": "zoë 🛩"})

    assert seal(OLD).open(sealed.text) == ({"sub": "zoë 🛩"}, NOW + 60)
    assert sealed.expires_at == NOW + 60
    assert sealed.text.isascii()
    assert not set(sealed.text) & set(' ",;\\')


def test_it_shows_nothing_of_itself() -> None:
    sealed = seal(OLD).close({"sub": "somebody"}).text

    assert b"somebody" not in base64.urlsafe_b64decode(sealed)


def test_a_key_that_is_replaced_still_opens_but_no_longer_closes() -> None:
    before = seal(OLD).close({"a": "b"}).text
    after = seal(NEW, OLD).close({"a": "b"}).text

    assert seal(NEW, OLD).open(before).value == {"a": "b"}
    assert seal(NEW).open(after).value == {"a": "b"}
    with pytest.raises(SealBroken):
        seal(OLD).open(after)


def test_it_opens_for_its_purpose_alone() -> None:
    sealed = seal(OLD, purpose="sign-in").close({"sub": "alice"}).text

    with pytest.raises(SealBroken):
        seal(OLD).open(sealed)


def test_it_opens_until_its_last_moment() -> None:
    sealed = seal(OLD).close({"a": "b"}).text

    seal(OLD, now=NOW + 59).open(sealed)
    with pytest.raises(SealExpired):
        seal(OLD, now=NOW + 60).open(sealed)


def test_every_changed_character_breaks_it() -> None:
    sealed = seal(OLD).close({"a": "b"}).text
    core = sealed.rstrip("=")

    for place, character in enumerate(core[:-1]):
        changed = core[:place] + ("A" if character != "A" else "B") + sealed[place + 1 :]
        with pytest.raises(SealBroken):
            seal(OLD).open(changed)


@pytest.mark.parametrize("text", ["", "x", "é", "=" * 8, "gAAAAA", "A" * 4096, "A" * 5000])
def test_what_is_no_seal_breaks(text: str) -> None:
    with pytest.raises(SealBroken):
        seal(OLD).open(text)


def test_secrets_are_read_a_line_each() -> None:
    assert parse_secrets(b"\n" + NEW + b"\r\n\n  " + OLD + b"\n") == [NEW, OLD]


@pytest.mark.parametrize("content", [b"", b"\n \n", b"x" * 31, NEW + b"\nshort"])
def test_what_could_be_guessed_is_no_secret(content: bytes) -> None:
    with pytest.raises(ValueError, match="32 characters or more"):
        parse_secrets(content)
