"""A chat on a terminal: a line to edit that nothing that comes in can garble, and a status bar."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress

from prompt_toolkit import PromptSession
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.patch_stdout import patch_stdout
from rich.text import Text

from cli.errors import CliError
from cli.output import error_text
from cli.rendering import PLANE, handle
from cli.screens import LineScreen, OnTyping
from cli.text import clean, one_line
from paperplane.friendship.v1 import friendship_pb2 as friendship
from paperplane.messaging.v1 import messaging_pb2 as messaging

_TYPING_SHOWN_SECONDS = 6.0


class PromptScreen(LineScreen):
    """A line to type on at the bottom of a terminal, under what happens, with a status bar."""

    def __init__(self) -> None:
        super().__init__()
        self._session: PromptSession[str] = PromptSession(
            "> ", erase_when_done=True, bottom_toolbar=self._status, refresh_interval=1.0
        )
        self._friend = friendship.Person()
        self._open = True
        self._online = True
        self._waiting = 0
        self._typing_until = 0.0
        self._moving = ""
        self._own_seq = 0
        self._read_seq = 0

    def opened(
        self,
        friend: friendship.Person,
        channel: messaging.Channel,
        messages: Sequence[messaging.Message],
    ) -> None:
        """Print the history and how to get help."""
        super().opened(friend, channel, messages)
        self._friend = friend
        self._open = channel.state == messaging.CHANNEL_STATE_OPEN
        self._read_seq = channel.friend_read_seq
        self._own_seq = max(
            (each.seq for each in messages if each.sender_id != friend.person_id), default=0
        )
        self.say("/help says what else can be typed; Ctrl-D leaves.")

    def happened(self, event: messaging.Event) -> None:
        """Print it, or show it in the status bar if it is about to pass."""
        match event.WhichOneof("kind"):
            case "typing":
                self._typing_until = time.monotonic() + _TYPING_SHOWN_SECONDS
            case "read":
                self._read_seq = event.read.seq
            case kind:
                if kind == "message_sent":
                    self._learn(event.message_sent.message)
                elif kind in ("channel_opened", "channel_closed"):
                    self._open = kind == "channel_opened"
                super().happened(event)
        self._session.app.invalidate()

    def connection(self, online: bool) -> None:
        """Show it in the status bar."""
        self._online = online
        self._session.app.invalidate()

    def waiting(self, count: int) -> None:
        """Show it in the status bar."""
        self._waiting = count
        self._session.app.invalidate()

    def progress(self, name: str, done: int, total: int) -> None:
        """Show it in the status bar."""
        self._moving = f"{one_line(name)} {done * 100 // total} %" if done < total else ""
        self._session.app.invalidate()

    def failed(self, error: CliError, text: str) -> None:
        """Print the error above the prompt."""
        self._moving = ""
        if text:
            self.print(Text(f"Not sent: {clean(text)}", "yellow"))
        self.print(error_text(error))

    async def lines(self, on_typing: OnTyping) -> AsyncGenerator[str, None]:
        """Yield what is typed, until Ctrl-D or Ctrl-C."""
        typed: asyncio.Queue[str | None] = asyncio.Queue()
        buffer = self._session.default_buffer

        def accept(_: Buffer) -> bool:
            typed.put_nowait(buffer.text)
            # The text goes and the prompt stays: between two prompts, keys would be lost.
            return False

        def changed(_: Buffer) -> None:
            on_typing(buffer.text)

        async def prompt() -> None:
            with suppress(EOFError, KeyboardInterrupt):
                await self._session.prompt_async()
            typed.put_nowait(None)

        buffer.accept_handler = accept
        buffer.on_text_changed += changed
        with patch_stdout(raw=True):
            prompting = asyncio.create_task(prompt())
            try:
                while (line := await typed.get()) is not None:
                    yield line
            finally:
                prompting.cancel()
                await asyncio.wait([prompting])

    def _learn(self, message: messaging.Message) -> None:
        if message.sender_id == self._friend.person_id:
            self._typing_until = 0.0
        else:
            self._own_seq = message.seq

    def _status(self) -> StyleAndTextTuples:
        # Style and text: nothing in a name is taken for markup.
        parts = [f"{PLANE} {handle(self._friend)}" if self._open else handle(self._friend)]
        if not self._open:
            parts.append("closed")
        if not self._online:
            parts.append("offline")
        if self._waiting and (not self._online or self._waiting > 1):
            parts.append(f"{self._waiting} to be sent")
        if self._moving:
            parts.append(self._moving)
        if time.monotonic() < self._typing_until:
            parts.append("is typing…")
        elif self._own_seq and self._read_seq >= self._own_seq:
            parts.append("✓ read")
        return [("", " · ".join(parts))]
