"""On a terminal, a chat is a line to edit under what comes in, and a newcomer is asked."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Iterator

import pytest

from tests.rpc.cli.conftest import Paperplane

_PATIENCE_SECONDS = 20.0

pytestmark = pytest.mark.slow
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[=>]")


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, environment: dict[str, str], *arguments: str) -> None:
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (24, 80))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cli.app", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**os.environ, **environment, "TERM": "xterm"},
        )
        os.close(slave)
        self.raw = ""
        self._seen = 0

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def shows(self, text: str) -> None:
        """Read until a text has been drawn since the last one that was waited for."""
        ends = time.monotonic() + _PATIENCE_SECONDS
        while (found := self._drawn().find(text, self._seen)) < 0:
            left = ends - time.monotonic()
            assert left > 0, f"no {text!r} in {self._drawn()[self._seen :]!r}"
            if select.select([self._master], [], [], left)[0]:
                self._read()
        self._seen = found + len(text)

    def _read(self) -> None:
        drawn = os.read(self._master, 65_536).decode(errors="replace")
        self.raw += drawn
        # Asked where its cursor is, a terminal answers.
        self.type("\x1b[6;1R" * drawn.count("\x1b[6n"))

    def _drawn(self) -> str:
        return _ESCAPES.sub("", self.raw)

    def leaves(self) -> int:
        try:
            return self.process.wait(_PATIENCE_SECONDS)
        finally:
            self.close()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self._master >= 0:
            os.close(self._master)
            self._master = -1


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
