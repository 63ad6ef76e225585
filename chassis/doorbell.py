"""The doorbell: tells whoever holds a person's stream that their log has grown.

The log is the truth. A ring that is lost only delays; a whisper that is lost is lost.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from contextlib import AbstractContextManager

_WHISPERS_KEPT = 32


class Listener:
    """One stream's ear at the door of one person."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._whispers: deque[bytes] = deque(maxlen=_WHISPERS_KEPT)
        self.position = 0
        """The highest position of the log that a ring has named."""

    def hear_ring(self, position: int) -> None:
        """Take note that the log has grown to a position."""
        self.position = max(self.position, position)
        self._rung.set()

    def hear_whisper(self, whisper: bytes) -> None:
        """Take note of something fleeting; the oldest gives way when too many wait."""
        self._whispers.append(whisper)
        self._rung.set()

    def take_whispers(self) -> list[bytes]:
        """Return what was whispered since the last call."""
        taken = list(self._whispers)
        self._whispers.clear()
        return taken

    def nudge(self) -> None:
        """Wake the listener without news, so that it looks around."""
        self._rung.set()

    async def wait(self, timeout: float) -> None:  # noqa: ASYNC109 - a bound, not an error
        """Return at a ring, a whisper or a nudge since the last call, or after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._rung.wait()
        except TimeoutError:
            # Nobody rang: the caller polls the log, which backs up rings that got lost.
            return
        finally:
            self._rung.clear()


class Doorbell(Protocol):
    """Rings at a person's door, wherever their streams hang."""

    def ring(self, person_id: str, position: int) -> None:
        """Say that the person's log has grown to a position. Call it after the commit."""
        ...

    def whisper(self, person_id: str, whisper: bytes) -> None:
        """Pass on something fleeting that is in no log."""
        ...

    def listen(self, person_id: str) -> AbstractContextManager[Listener]:
        """Listen at the person's door until the context ends."""
        ...

    def nudge_all(self) -> None:
        """Wake every listener of this process, for example because the server stops."""
        ...


class LocalDoorbell:
    """A doorbell within one process: a ring is a function call."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[Listener]] = {}

    def ring(self, person_id: str, position: int) -> None:
        """Say that the person's log has grown to a position. Call it after the commit."""
        for listener in self._listeners.get(person_id, ()):
            listener.hear_ring(position)

    def whisper(self, person_id: str, whisper: bytes) -> None:
        """Pass on something fleeting that is in no log."""
        for listener in self._listeners.get(person_id, ()):
            listener.hear_whisper(whisper)

    @contextmanager
    def listen(self, person_id: str) -> Generator[Listener]:
        """Listen at the person's door until the context ends."""
        listener = Listener()
        listeners = self._listeners.setdefault(person_id, set())
        listeners.add(listener)
        try:
            yield listener
        finally:
            listeners.discard(listener)
            if not listeners and self._listeners.get(person_id) is listeners:
                del self._listeners[person_id]

    def nudge(self, person_id: str) -> None:
        """Wake whoever listens at the person's door, so that they look at the log."""
        for listener in self._listeners.get(person_id, ()):
            listener.nudge()

    def nudge_all(self) -> None:
        """Wake every listener of this process, for example because the server stops."""
        for person_id in self._listeners:
            self.nudge(person_id)


@asynccontextmanager
async def open_doorbell(url: str, subject: str, key: bytes) -> AsyncGenerator[Doorbell]:
    """Give a doorbell for as long as the context lasts.

    Arguments:
        url: of the bus that replicas share, `nats://host:port`; nothing if there is but one.
        subject, key: see `chassis.nats_doorbell.NatsDoorbell`.
    """
    if not url:
        yield LocalDoorbell()
        return
    from chassis.nats_doorbell import NatsDoorbell

    async with NatsDoorbell.open(url, subject, key) as doorbell:
        yield doorbell
