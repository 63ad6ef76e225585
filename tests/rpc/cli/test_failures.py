"""What goes wrong is said in a sentence, with an exit code that scripts can go by."""

from __future__ import annotations

import json

import pytest

from tests.rpc.cli.conftest import Paperplane


def test_a_refusal_is_one_sentence_and_its_reason(paperplane: Paperplane) -> None:
    ran = paperplane.run("show", "nobody")
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert ran.stderr == "There is no such person. (PERSON_NOT_FOUND)\n"


def test_a_refusal_is_json_when_asked_for(paperplane: Paperplane) -> None:
    ran = paperplane.run("show", "nobody", "--json")
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert json.loads(ran.stderr)["error"] == {
        "code": "NOT_FOUND",
        "reason": "PERSON_NOT_FOUND",
        "message": "There is no such person.",
        "notes": [],
        "exitCode": 1,
    }


def test_the_fields_that_are_wrong_are_named(paperplane: Paperplane) -> None:
    paperplane.backend.befriend("alice", "bob")
    ran = paperplane.run("send", "bob", "")
    assert ran.exit_code == 1
    assert "\n  text: A message needs a text.\n" in ran.stderr


def test_a_server_that_is_down_is_asked_after(paperplane: Paperplane) -> None:
    paperplane.backend.stop()
    try:
        ran = paperplane.run("friends")
        assert (ran.exit_code, ran.stdout) == (3, "")
        assert paperplane.backend.grpc_address in ran.stderr
        assert "Is it running? Start it with: make run" in ran.stderr
        as_json = paperplane.run("friends", "--json")
        assert json.loads(as_json.stderr)["error"]["reason"] == "SERVER_UNREACHABLE"
    finally:
        paperplane.backend.start()
    assert paperplane.ok("friends").exit_code == 0


def test_no_token_can_be_had_where_nothing_listens(paperplane: Paperplane) -> None:
    ran = paperplane.run("token", "alice", "--http", "127.0.0.1:1")
    assert (ran.exit_code, "make run" in ran.stderr) == (3, True)


def test_a_server_that_gives_no_tokens_says_so(paperplane: Paperplane) -> None:
    ran = paperplane.run("token", "alice", "--http", f"{paperplane.backend.http_address}/other")
    assert (ran.exit_code, "--token -" in ran.stderr) == (1, True)


def test_an_answer_that_got_lost_is_asked_for_again(paperplane: Paperplane) -> None:
    talk = paperplane.backend.befriend("alice", "bob")
    paperplane.backend.unavailable["SendMessage"] = 2
    assert "#1 you Once" in paperplane.ok("send", "bob", "Once").stdout
    assert [message.text for message in talk.messages] == ["Once"]
    attempts = [request for method, request in paperplane.backend.calls if method == "SendMessage"]
    assert len(attempts) == 3
    assert len({request.client_message_id for request in attempts}) == 1


@pytest.mark.parametrize("command", ["accept", "ignore", "cancel"])
def test_an_answer_to_no_request_is_refused(paperplane: Paperplane, command: str) -> None:
    ran = paperplane.run(command, "bob")
    assert (ran.exit_code, "@bob. (REQUEST_NOT_FOUND)" in ran.stderr) == (1, True)


def test_a_stranger_has_no_channel(paperplane: Paperplane) -> None:
    ran = paperplane.run("chat", "bob")
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "paperplane request bob (CHANNEL_NOT_FOUND)" in ran.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["frends"],
        ["send"],
        ["requests", "--box", "outer"],
        ["profile"],
        ["friends", "--server", "x:y"],
    ],
)
def test_a_wrong_command_line_ends_with_two(paperplane: Paperplane, arguments: list[str]) -> None:
    assert paperplane.run(*arguments).exit_code == 2
