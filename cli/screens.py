"""Where a chat is shown and typed: as lines of text, or as lines of JSON; see also `prompt`."""

from __future__ import annotations

import asyncio
import codecs
import os
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from datetime import date, datetime
from typing import Any, Protocol

from rich.console import RenderableType
from rich.text import Text

from cli.errors import CliError
from cli.output import console, document, error_text, print_json
from cli.rendering import Transcript, closed_sentence, separator
from cli.text import clean
from paperplane.friendship.v1 import friendship_pb2 as friendship
from paperplane.messaging.v1 import messaging_pb2 as messaging

_LINES_READ_AHEAD = 100

OnTyping = Callable[[str], None]


class Screen(Protocol):
    """What a chat needs to be shown and typed."""

    def opened(
        self,
        friend: friendship.Person,
        channel: messaging.Channel,
        messages: Sequence[messaging.Message],
    ) -> None:
        """Show where the conversation stands, once, before all else."""

    def happened(self, event: messaging.Event) -> None:
        """Show what happened."""

    def connection(self, online: bool) -> None:
        """Show that the connection is lost, or back."""

    def waiting(self, count: int) -> None:
        """Show how much of what was typed has not been answered."""

    def failed(self, error: CliError, text: str) -> None:
        """Show why something typed was not done; `text` is the message not sent, or empty."""

    def progress(self, name: str, done: int, total: int) -> None:
        """Show how many bytes of a file are through."""

    def say(self, text: str) -> None:
        """Show a word of the program's own."""

    def lines(self, on_typing: OnTyping) -> AsyncGenerator[str, None]:
        """Yield what is typed; `on_typing` is told each line as it grows, where that is seen."""
        ...


class LineScreen:
    """Prints a line for everything that happens, and reads lines from standard input."""

    def __init__(self) -> None:
        self._transcript = Transcript(friendship.Person())
        self._typing_shown = False

    def opened(
        self,
        friend: friendship.Person,
        channel: messaging.Channel,
        messages: Sequence[messaging.Message],
    ) -> None:
        """Print the history, with a mark before what is new."""
        self._transcript = Transcript(friend)
        for line in opening_lines(self._transcript, friend, channel, messages):
            self.print(line)

    def happened(self, event: messaging.Event) -> None:
        """Print the event's lines; of several typing signs in a row, only the first."""
        is_typing = event.HasField("typing")
        if not (is_typing and self._typing_shown):
            for line in self._transcript.event(event, _today()):
                self.print(line)
        self._typing_shown = is_typing

    def connection(self, online: bool) -> None:
        """Print that it is lost, or back."""
        self.print(Text("online again" if online else "offline; trying to reconnect", "dim"))

    def waiting(self, count: int) -> None:
        """Say nothing: each message is printed once it is sent."""

    def failed(self, error: CliError, text: str) -> None:
        """Print the error on standard error."""
        if text:
            console(stderr=True).print(Text(f"Not sent: {clean(text)}", "yellow"))
        console(stderr=True).print(error_text(error))

    def progress(self, name: str, done: int, total: int) -> None:
        """Say nothing: a file is told of once it is through."""

    def say(self, text: str) -> None:
        """Print it."""
        self.print(Text(text, "dim"))

    def lines(self, on_typing: OnTyping) -> AsyncGenerator[str, None]:
        """Yield the lines of standard input; nobody sees them grow."""
        return stdin_lines()

    @staticmethod
    def print(line: RenderableType) -> None:
        """Print one line at once."""
        console().print(line)
        sys.stdout.flush()


class JsonScreen:
    """Prints a JSON document for everything that happens, one a line, and reads lines."""

    def opened(
        self,
        friend: friendship.Person,
        channel: messaging.Channel,
        messages: Sequence[messaging.Message],
    ) -> None:
        """Print the person, the channel and its latest messages."""
        self.print(
            {
                "person": document(friend),
                "channel": document(channel),
                "messages": [document(message) for message in messages],
            }
        )

    def happened(self, event: messaging.Event) -> None:
        """Print the event."""
        self.print(document(event))

    def connection(self, online: bool) -> None:
        """Print whether there is one."""
        self.print({"online": online})

    def waiting(self, count: int) -> None:
        """Say nothing: each message is printed once it is sent."""

    def failed(self, error: CliError, text: str) -> None:
        """Print the error on standard error, with the text that was not sent."""
        print_json({**error.document(), "text": text}, stderr=True, indent=None)

    def progress(self, name: str, done: int, total: int) -> None:
        """Say nothing: a file is told of once it is through."""

    def say(self, text: str) -> None:
        """Print it."""
        self.print({"note": text})

    def lines(self, on_typing: OnTyping) -> AsyncGenerator[str, None]:
        """Yield the lines of standard input; nobody sees them grow."""
        return stdin_lines()

    @staticmethod
    def print(value: dict[str, Any]) -> None:
        """Print one document at once."""
        print_json(value, indent=None)


def opening_lines(
    transcript: Transcript,
    friend: friendship.Person,
    channel: messaging.Channel,
    messages: Sequence[messaging.Message],
) -> list[RenderableType]:
    """Return the history's lines, with a mark before what the caller has not read."""
    lines: list[RenderableType] = []
    is_marked = channel.unread_count == 0
    for message in messages:
        *day, line = transcript.message(message, _today())
        lines += day
        is_new = message.seq > channel.read_seq and message.sender_id == friend.person_id
        if is_new and not is_marked:
            is_marked = True
            lines.append(separator(f"{channel.unread_count} new"))
        lines.append(line)
    if channel.state != messaging.CHANNEL_STATE_OPEN:
        lines.append(Text(closed_sentence(friend), "yellow"))
    return lines


async def stdin_lines() -> AsyncGenerator[str, None]:
    """Yield the lines of standard input, be it a pipe, a file or a terminal, until it ends."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    # A file is read no faster than it is sent.
    room = threading.Semaphore(_LINES_READ_AHEAD)

    descriptor = sys.stdin.fileno()

    def put(line: str | None) -> None:
        room.acquire()
        # Once the chat has ended and its loop is closed, nobody takes any more lines.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(lines.put_nowait, line)

    def read() -> None:
        # Bytes straight from the descriptor: a thread that waits in Python's own reader holds a
        # lock that the interpreter needs to end.
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        rest = ""
        try:
            while chunk := os.read(descriptor, 65_536):
                *whole, rest = (rest + decoder.decode(chunk)).split("\n")
                for line in whole:
                    put(line.removesuffix("\r"))
        except OSError:
            # The terminal is gone, which ends the input like any other end.
            rest = ""
        put(rest)
        put(None)

    threading.Thread(target=read, name="stdin", daemon=True).start()
    while (line := await lines.get()) is not None:
        room.release()
        yield line


def _today() -> date:
    return datetime.now().astimezone().date()
