"""Tokens are kept for their owner alone, and several people may be signed in."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.errors import Misused
from cli.sign_ins import SignIn, SignIns, home

ALICE = SignIn("alice-id", "secret-a", development=True, handle="alice")
BOB = SignIn("bob-id/..", "secret-b", development=False, handle="bob", server="h:1")


@pytest.fixture
def sign_ins(tmp_path: Path) -> SignIns:
    sign_ins = SignIns(tmp_path / "state")
    sign_ins.save(ALICE)
    sign_ins.save(BOB)
    sign_ins.choose("bob-id/..")
    return sign_ins


@pytest.mark.parametrize("name", ["alice-id", "alice", "@alice", "id:alice-id"])
def test_people_are_found_by_id_and_handle(sign_ins: SignIns, name: str) -> None:
    assert sign_ins.find(name) == ALICE


def test_the_last_one_speaks_when_nobody_is_named(sign_ins: SignIns) -> None:
    assert sign_ins.find(None) == BOB


def test_a_stranger_is_told_to_sign_in(sign_ins: SignIns) -> None:
    with pytest.raises(Misused, match="paperplane sign-in carol"):
        sign_ins.find("carol")


def test_who_was_forgotten_is_signed_out(sign_ins: SignIns) -> None:
    sign_ins.forget("bob-id/..")
    sign_ins.forget("bob-id/..")
    with pytest.raises(Misused):
        sign_ins.find(None)
    with pytest.raises(Misused):
        sign_ins.find("bob")


def test_only_the_owner_can_read_a_token(sign_ins: SignIns, tmp_path: Path) -> None:
    del sign_ins
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 3
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert (tmp_path / "state" / "people").stat().st_mode & 0o777 == 0o700


def test_a_damaged_file_is_named(sign_ins: SignIns, tmp_path: Path) -> None:
    for path in (tmp_path / "state" / "people").iterdir():
        path.write_text("{")
    with pytest.raises(Misused, match="damaged"):
        sign_ins.find("alice")


def test_the_folder_can_be_chosen(tmp_path: Path) -> None:
    given = {"PAPERPLANE_HOME": str(tmp_path), "XDG_STATE_HOME": "/elsewhere"}
    assert home(given) == tmp_path
    assert home({"XDG_STATE_HOME": "/elsewhere"}) == Path("/elsewhere/paperplane")
