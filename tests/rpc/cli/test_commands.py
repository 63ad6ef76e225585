"""Each command does what it says, in words and in JSON."""

from __future__ import annotations

import pytest

from paperplane.friendship.v1 import friendship_pb2 as friendship
from tests.rpc.cli.conftest import Paperplane


def test_a_friendship_from_search_to_block(paperplane: Paperplane) -> None:
    assert "Bob Dubois" in paperplane.ok("find", "bob").stdout
    assert "pending" in paperplane.ok("request", "@bob", "--note", "It's me").stdout
    assert "@bob" in paperplane.ok("requests", "--box", "sent").stdout
    assert "It's me" in paperplane.ok("requests", "--as", "bob").stdout
    assert "you are friends" in paperplane.ok("accept", "alice", "--as", "bob").stdout
    assert "✈  @bob" in paperplane.ok("friends").stdout
    assert "#1 you Hello" in paperplane.ok("send", "bob", "Hello").stdout
    assert "1 new" in paperplane.ok("channels", "--as", "bob").stdout
    assert "#1 @alice Hello" in paperplane.ok("history", "alice", "--as", "bob").stdout
    paperplane.ok("edit", "bob", "1", "Hello Bob")
    assert "Hello Bob (edited)" in paperplane.ok("history", "bob").stdout
    paperplane.ok("delete", "bob", "1")
    assert "(deleted)" in paperplane.ok("history", "bob").stdout
    paperplane.ok("remove", "bob")
    refused = paperplane.run("send", "alice", "Late", "--as", "bob")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "no message passes. (CHANNEL_CLOSED)" in refused.stderr
    assert "closed" in paperplane.ok("channels").stdout
    paperplane.ok("block", "bob")
    assert "@bob" in paperplane.ok("blocked").stdout
    paperplane.ok("unblock", "bob")
    assert "nobody" in paperplane.ok("blocked").stdout


def test_an_ignored_request_can_still_be_accepted(paperplane: Paperplane) -> None:
    paperplane.ok("request", "bob")
    paperplane.ok("ignore", "alice", "--as", "bob")
    assert "No requests" in paperplane.ok("requests", "--as", "bob").stdout
    assert "@alice" in paperplane.ok("requests", "--box", "ignored", "--as", "bob").stdout
    assert "@bob" in paperplane.ok("requests", "--box", "sent").stdout
    paperplane.ok("accept", "alice", "--as", "bob")
    assert "@alice" in paperplane.ok("friends", "--as", "bob").stdout


@pytest.mark.parametrize("prefix", ["", "request:"])
def test_a_request_can_be_named_by_its_id(paperplane: Paperplane, prefix: str) -> None:
    sent = paperplane.ok("request", "bob", "--json").json["friendRequest"]
    paperplane.ok("cancel", prefix + sent["requestId"])
    state = paperplane.backend.requests[sent["requestId"]].state
    assert state == friendship.FRIEND_REQUEST_STATE_CANCELLED


@pytest.mark.parametrize("name", ["bob", "@bob", "BOB", "id:bob"])
def test_people_are_named_by_handle_or_id(paperplane: Paperplane, name: str) -> None:
    assert paperplane.ok("show", name, "--json").json["person"]["personId"] == "bob"


def test_show_without_a_name_shows_oneself(paperplane: Paperplane) -> None:
    assert "Alice Martin" in paperplane.ok("show").stdout


def test_a_profile_changes_only_what_is_named(paperplane: Paperplane) -> None:
    paperplane.ok("profile", "--headline", "On the night shift")
    shown = paperplane.ok("show", "--json").json["person"]
    assert (shown["displayName"], shown["headline"]) == ("Alice Martin", "On the night shift")


def test_every_command_prints_one_json_document(paperplane: Paperplane) -> None:
    def keys(*arguments: str) -> set[str]:
        return set(paperplane.ok(*arguments, "--json").json)

    assert keys("find", "b") == {"people", "nextPageToken"}
    assert keys("show", "bob") == {"person"}
    assert keys("request", "bob") == {"friendRequest"}
    assert keys("requests") == {"friendRequests", "nextPageToken", "cursor"}
    assert keys("cancel", "bob") == {"friendRequest"}
    paperplane.ok("request", "bob")
    assert keys("ignore", "alice", "--as", "bob") == {"friendRequest"}
    assert keys("accept", "alice", "--as", "bob") == {"friendRequest"}
    assert keys("friends") == {"friends", "nextPageToken", "cursor"}
    assert keys("channels") == {"channels", "nextPageToken", "cursor"}
    assert keys("send", "bob", "Hello") == {"message"}
    assert keys("edit", "bob", "1", "Hi") == {"message"}
    assert keys("history", "bob") == {"messages", "nextPageToken"}
    assert keys("delete", "bob", "1") == {"message"}
    assert keys("remove", "bob") == set()
    assert keys("block", "bob") == set()
    assert keys("blocked") == {"people", "nextPageToken"}
    assert keys("unblock", "bob") == set()
    assert keys("profile", "--name", "Alice M.") == {"person"}
    assert keys("token", "alice") == {"token"}
    assert keys("photo", "--remove") == {"person"}
    assert keys("sign-in", "bob") == {"person"}
    assert keys("sign-out") == {"person"}


def test_lists_follow_their_pages_up_to_the_limit(paperplane: Paperplane) -> None:
    for number in range(450):
        paperplane.backend.add_person(f"walker{number}", "Walker")
    whole = paperplane.ok("find", "walker", "--limit", "1000", "--json").json
    assert len({each["personId"] for each in whole["people"]}) == 450
    assert whole["nextPageToken"] == ""
    part = paperplane.ok("find", "walker", "--limit", "210", "--json").json
    assert len(part["people"]) == 210


def test_history_is_oldest_first_and_the_latest(paperplane: Paperplane) -> None:
    paperplane.backend.befriend("alice", "bob")
    for number in range(1, 6):
        paperplane.backend.say("bob", "alice", f"text {number}")
    shown = paperplane.ok("history", "bob", "--limit", "2", "--json").json["messages"]
    assert [message["seq"] for message in shown] == ["4", "5"]


def test_a_text_can_come_from_standard_input(paperplane: Paperplane) -> None:
    paperplane.backend.befriend("alice", "bob")
    sent = paperplane.ok("send", "bob", "--json", stdin="two\nlines\n").json["message"]
    assert sent["text"] == "two\nlines"


def test_nothing_that_others_wrote_reaches_the_terminal_as_a_command(
    paperplane: Paperplane,
) -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J\x9b31m[bold]x[/bold]\u202e"
    backend = paperplane.backend
    backend.befriend("alice", "bob")
    backend.add_person("bob", f"Bob{hostile}")
    backend.people["bob"].headline = hostile
    backend.say("bob", "alice", hostile)
    paperplane.ok("request", "alice", "--as", "bob", "--note", hostile)
    commands = (["find", "bob"], ["show", "bob"], ["friends"], ["requests"], ["channels"])
    for command in (*commands, ["history", "bob"]):
        for arguments in (command, [*command, "--json"]):
            shown = paperplane.ok(*arguments).stdout
            assert not set("\x1b\x07\x9b\u202e") & set(shown), arguments
            assert "[bold]x[/bold]" in shown, arguments


def test_help_documents_the_exit_codes(paperplane: Paperplane) -> None:
    shown = paperplane.ok("--help").stdout
    assert "Exit codes: 0 done" in shown
