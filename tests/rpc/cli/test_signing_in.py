"""Signing in: tokens in development and elsewhere, several people, a profile for those without."""

from __future__ import annotations

from pathlib import Path

from tests.rpc.cli.conftest import Paperplane
from tests.support.fake_backend import make_token


def test_token_prints_the_token_and_nothing_else(paperplane: Paperplane) -> None:
    ran = paperplane.ok("token", "zoe")
    assert ran.stdout.count(".") == 2
    assert ran.stdout.split() == [ran.stdout.removesuffix("\n")]
    assert ran.stderr == ""
    assert paperplane.backend.calls[-1] == ("dev/token", {"personId": "zoe"})


def test_a_newcomer_gets_a_profile_by_options(paperplane: Paperplane) -> None:
    ran = paperplane.ok("sign-in", "zoe-1", "--handle", "zoe", "--name", "Zoë", "--headline", "Hi")
    assert ran.stdout == "Signed in as @zoe.\n"
    assert paperplane.ok("show", "--json").json["person"]["displayName"] == "Zoë"
    assert "Zoë" in paperplane.ok("show", "--as", "zoe").stdout
    assert "Zoë" in paperplane.ok("show", "--as", "zoe-1").stdout


def test_a_newcomer_without_a_terminal_is_not_asked(paperplane: Paperplane) -> None:
    ran = paperplane.ok("login", "zoe")
    assert "no profile yet" in ran.stderr
    assert "zoe" not in paperplane.backend.people


def test_a_refused_profile_signs_nobody_in(paperplane: Paperplane) -> None:
    ran = paperplane.run("sign-in", "zoe", "--handle", "bob", "--name", "Zoë")
    assert ran.exit_code == 1
    assert "HANDLE_TAKEN" in ran.stderr
    assert paperplane.run("show", "--as", "zoe").exit_code == 2


def test_who_signed_in_last_speaks_unless_another_is_named(paperplane: Paperplane) -> None:
    assert "Alice" in paperplane.ok("show").stdout
    assert "Bob" in paperplane.ok("show", "--as", "bob").stdout
    paperplane.environment["PAPERPLANE_AS"] = "bob"
    assert "Bob" in paperplane.ok("show").stdout
    assert "Alice" in paperplane.ok("show", "--as", "@alice").stdout


def test_a_token_can_be_passed_in(paperplane: Paperplane) -> None:
    ran = paperplane.ok("sign-in", "--token", "-", stdin=make_token("chloe") + "\n")
    assert ran.stdout == "Signed in as @chloe.\n"
    assert "Chloé" in paperplane.ok("show").stdout


def test_a_token_on_the_command_line_is_refused(paperplane: Paperplane) -> None:
    ran = paperplane.run("sign-in", "--token", make_token("chloe"))
    assert ran.exit_code == 2
    assert "pipe" in ran.stderr


def test_a_token_for_someone_else_is_refused(paperplane: Paperplane) -> None:
    ran = paperplane.run("sign-in", "bob", "--token", "-", stdin=make_token("chloe"))
    assert (ran.exit_code, "NOT_YOUR_TOKEN" in ran.stderr) == (2, True)
    assert paperplane.run("sign-in", "--token", "-", stdin="rubbish").exit_code == 2


def test_an_expired_development_token_is_replaced_unnoticed(paperplane: Paperplane) -> None:
    backend = paperplane.backend
    stored = paperplane.environment["PAPERPLANE_HOME"]
    tokens = {path.read_text() for path in (Path(stored) / "people").iterdir()}
    for token in tokens:
        backend.revoked.add(token.split('"token": "')[1].split('"')[0])
    asked = backend.calls.count(("dev/token", {"personId": "alice"}))
    assert "Alice" in paperplane.ok("show").stdout
    assert "Alice" in paperplane.ok("show").stdout
    # The new one was kept.
    assert backend.calls.count(("dev/token", {"personId": "alice"})) == asked + 1


def test_an_expired_token_that_was_passed_in_asks_to_sign_in_again(
    paperplane: Paperplane,
) -> None:
    token = make_token("chloe")
    paperplane.ok("sign-in", "--token", "-", stdin=token)
    paperplane.backend.revoked.add(token)
    ran = paperplane.run("friends")
    assert ran.exit_code == 1
    assert "TOKEN_EXPIRED" in ran.stderr
    assert "Sign in again" in ran.stderr


def test_who_signed_out_is_not_signed_in(paperplane: Paperplane) -> None:
    paperplane.ok("sign-out")
    ran = paperplane.run("friends")
    assert (ran.exit_code, "Nobody is signed in" in ran.stderr) == (2, True)
    assert "Bob" in paperplane.ok("show", "--as", "bob").stdout


def test_no_token_is_shown_in_any_output(paperplane: Paperplane) -> None:
    ran = paperplane.ok("sign-in", "alice", "--json")
    assert "eyJ" not in ran.stdout + ran.stderr
