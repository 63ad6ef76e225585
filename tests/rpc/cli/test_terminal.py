"""On a terminal, a chat is a line to edit under what comes in, and a newcomer is asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rpc.cli.conftest import CONTENT, Paperplane
from tests.support.terminal import Terminal

pytestmark = pytest.mark.slow


@pytest.fixture
def terminal(paperplane: Paperplane) -> Iterator[Terminal]:
    paperplane.backend.befriend("alice", "bob")
    paperplane.backend.say("bob", "alice", "long ago")
    terminal = Terminal(paperplane.environment, "chat", "bob")
    try:
        yield terminal
    finally:
        terminal.close()


def test_what_comes_in_does_not_garble_what_is_typed(
    paperplane: Paperplane, terminal: Terminal
) -> None:
    talk = next(iter(paperplane.backend.talks.values()))
    terminal.shows("── 1 new ──")
    terminal.shows("@bob long ago")
    terminal.shows("✈ @bob")
    terminal.type("half a sent")
    terminal.shows("half a sent")
    paperplane.backend.say("bob", "alice", "in between \x1b[2J")
    terminal.shows("@bob in between ")
    # The line is drawn again under it.
    terminal.shows("> half a sent")
    terminal.type("ence\r")
    terminal.shows("you half a sentence")
    terminal.shows("✈ @bob")
    paperplane.backend.type("bob", "alice")
    terminal.shows("is typing…")
    terminal.type("\x04")
    assert terminal.leaves() == 0
    assert [message.text for message in talk.messages][-1] == "half a sentence"
    assert talk.read["alice"] == 2


def test_typing_is_told_once_in_a_while_and_not_for_commands(
    paperplane: Paperplane, terminal: Terminal
) -> None:
    backend = paperplane.backend
    terminal.shows("✈ @bob")
    terminal.type("/help\r")
    terminal.shows("/delete")
    terminal.type("hello there\r")
    terminal.shows("you hello there")
    # While a line is printed above the prompt, the terminal takes Ctrl-D for itself.
    terminal.shows("✈ @bob")
    terminal.type("\x04")
    assert terminal.leaves() == 0
    assert [method for method, _ in backend.calls].count("SendTyping") == 1


def test_the_status_bar_says_what_is_read_and_closed(
    paperplane: Paperplane, terminal: Terminal
) -> None:
    talk = next(iter(paperplane.backend.talks.values()))
    terminal.shows("✈ @bob")
    terminal.type("hello\r")
    terminal.shows("you hello")
    paperplane.backend.mark_read("bob", "alice", 2)
    terminal.shows("✓ read")
    paperplane.backend.part("alice", "bob")
    terminal.shows("The channel is closed")
    terminal.shows("closed")
    terminal.type("too late\r")
    terminal.shows("Not sent: too late")
    terminal.shows("CHANNEL_CLOSED")
    terminal.shows("@bob · closed")
    terminal.type("\x03")
    assert terminal.leaves() == 1
    assert [message.text for message in talk.messages] == ["long ago", "hello"]


def test_files_are_sent_and_had_and_the_status_bar_says_how_far_they_are(
    paperplane: Paperplane, folder: Path, terminal: Terminal
) -> None:
    (folder / "my data.bin").write_bytes(CONTENT)
    files = paperplane.backend.files
    files.go_on.clear()
    terminal.shows("✈ @bob")
    terminal.type("/file my\\ data.bin Look\r")
    try:
        terminal.shows("my data.bin")
        terminal.shows(" %")
    finally:
        files.go_on.set()
    terminal.shows("#2 you Look")
    terminal.shows("1 ▤ my data.bin · application/octet-stream · 384.0 kB")
    terminal.shows("✈ @bob")
    terminal.type("/download #2\r")
    terminal.shows("Saved my data (2).bin (384.0 kB).")
    terminal.shows("✈ @bob")
    terminal.type("\x04")
    assert terminal.leaves() == 0
    assert (folder / "my data (2).bin").read_bytes() == CONTENT


def test_a_newcomer_is_asked_for_a_profile(paperplane: Paperplane) -> None:
    terminal = Terminal(paperplane.environment, "sign-in", "zoe")
    try:
        terminal.shows("Handle [zoe]: ")
        terminal.type("zoe_b\r")
        terminal.shows("Name to show [zoe_b]: ")
        terminal.type("Zoë Berger\r")
        terminal.shows("Signed in as @zoe_b.")
        assert terminal.leaves() == 0
    finally:
        terminal.close()
    assert paperplane.backend.people["zoe"].display_name == "Zoë Berger"
