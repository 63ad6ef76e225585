"""A doorbell across replicas: rings travel over NATS, and losing every one of them only delays.

A ring says that a log has grown, and up to where. Subjects are hashes: whoever reads along on the bus
learns neither who anybody is nor what happened.
"""

# pyright: reportUnknownMemberType=false
# The library's types leave out what its futures hold.

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

import nats
import structlog
from nats.errors import Error as NatsError

from chassis.doorbell import Listener, LocalDoorbell

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

_log = structlog.get_logger(__name__)

_RECONNECT_SECONDS = 1
_CONFIRM_SECONDS = 2
_PING_SECONDS = 5
"""How often the bus is asked whether it still answers; twice in vain, and it is taken for lost."""
_MOST_WAITING = 100_000
"""How many rings may wait to be passed on; the oldest gives way."""
_EVERYONE = "all"


class _Ring(NamedTuple):
    door: str
    payload: bytes


class NatsDoorbell:
    """Rings at a person's door on every replica that shares a bus; `open` makes one.

    Whoever was cut off from the bus has missed rings, and nobody knows which: once it is back,
    everybody looks at their logs.

    Arguments:
        subject: what all subjects begin with; replicas of one service share it.
        key: keeps the hashes of ids from being guessed. The replicas share it, through their database.
    """

    def __init__(self, subject: str, key: bytes) -> None:
        self._local = LocalDoorbell()
        self._subject = subject
        self._key = key
        self._doors: dict[str, tuple[str, int]] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._rings: deque[_Ring] = deque(maxlen=_MOST_WAITING)
        self._wanted: set[str] = set()
        self._news = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, subject: str, key: bytes) -> AsyncGenerator[NatsDoorbell]:
        """Ring over a bus for as long as the context lasts. It need not be there.

        Arguments:
            url: `nats://host:port`, or several with commas between; see `NatsDoorbell` for the rest.
        """
        doorbell = cls(subject, key)
        carrying = asyncio.create_task(doorbell._carry(url.split(",")))
        carrying.add_done_callback(_say_why)
        try:
            yield doorbell
        finally:
            # The library swallows a cancellation that comes at certain moments while it connects.
            while not carrying.done():
                carrying.cancel()
                await asyncio.wait((carrying,), timeout=0.1)

    def ring(self, person_id: str, position: int) -> None:
        """Say that the person's log has grown to a position. Call it after the commit."""
        self._local.ring(person_id, position)
        self._pass_on(_Ring(self._door(person_id), b"%d" % position))

    def whisper(self, person_id: str, whisper: bytes) -> None:
        """Pass on something fleeting that is in no log."""
        self._local.whisper(person_id, whisper)
        self._pass_on(_Ring(self._door(person_id), b"~" + whisper))

    @contextmanager
    def listen(self, person_id: str) -> Generator[Listener]:
        """Listen at the person's door until the context ends."""
        door = self._door(person_id)
        _, listeners = self._doors.get(door, (person_id, 0))
        self._doors[door] = person_id, listeners + 1
        self._want(door)
        try:
            with self._local.listen(person_id) as listener:
                yield listener
        finally:
            _, listeners = self._doors[door]
            if listeners > 1:
                self._doors[door] = person_id, listeners - 1
            else:
                del self._doors[door]
                self._want(door)

    def nudge_all(self) -> None:
        """Wake every listener of this process, for example because the server stops."""
        self._local.nudge_all()

    # ---- the bus --------------------------------------------------------------------------------

    def _door(self, person_id: str) -> str:
        return hashlib.blake2b(person_id.encode(), key=self._key, digest_size=16).hexdigest()

    def _pass_on(self, ring: _Ring) -> None:
        self._rings.append(ring)
        self._news.set()

    def _want(self, door: str) -> None:
        self._wanted.add(door)
        self._news.set()

    async def _carry(self, servers: list[str]) -> None:
        """Connect, however long it takes, and carry what there is to carry."""
        while True:
            client = await self._connect(servers)
            try:
                await self._carry_by(client)
            finally:
                with suppress(NatsError, OSError):
                    await client.close()
            # The library does not come back from what a server refuses, though that may be mended.
            self._subscriptions.clear()
            self._wanted.update(self._doors)
            self._news.set()
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _carry_by(self, client: Client) -> None:
        """Carry what there is to carry for as long as the client may come back by itself."""
        try:
            await client.subscribe(f"{self._subject}.{_EVERYONE}", cb=self._hear_everyone)
        except NatsError as error:
            _log.warning("bus.failed", error=type(error).__name__)
        await self._look_around(client)
        while not client.is_closed:
            await self._news.wait()
            self._news.clear()
            # The order matters to nobody: what is not heard yet is nudged once it can be.
            await self._send_rings(client)
            await self._follow_doors(client)

    async def _connect(self, servers: list[str]) -> Client:
        async def on_error(error: Exception) -> None:
            _log.warning("bus.failed", error=type(error).__name__)

        async def on_disconnected() -> None:
            _log.warning("bus.lost")

        async def on_closed() -> None:
            self._news.set()

        async def on_reconnected() -> None:
            _log.info("bus.back")
            # Whoever rang meanwhile was heard by nobody, here or there.
            await self._look_around(client)

        while True:
            try:
                client = await nats.connect(
                    servers,
                    no_echo=True,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=_RECONNECT_SECONDS,
                    # Rings of before a break are worth nothing after it: everybody looks then.
                    pending_size=0,
                    error_cb=on_error,
                    disconnected_cb=on_disconnected,
                    reconnected_cb=on_reconnected,
                    closed_cb=on_closed,
                    connect_timeout=2,
                    ping_interval=_PING_SECONDS,
                    max_outstanding_pings=2,
                )
            except (NatsError, OSError) as error:
                _log.warning("bus.unreachable", error=type(error).__name__)
                await asyncio.sleep(_RECONNECT_SECONDS)
            else:
                _log.info("bus.connected")
                return client

    async def _look_around(self, client: Client) -> None:
        """Let everybody look at their logs, on all replicas."""
        self._local.nudge_all()
        await self._publish(client, _Ring(_EVERYONE, b""))

    async def _send_rings(self, client: Client) -> None:
        while self._rings:
            await self._publish(client, self._rings.popleft())

    async def _publish(self, client: Client, ring: _Ring) -> None:
        try:
            await client.publish(f"{self._subject}.{ring.door}", ring.payload)
        except (NatsError, OSError):
            # There is nobody to hear it now. Once there is, all look at their logs.
            _log.debug("ring.lost")

    async def _follow_doors(self, client: Client) -> None:
        """Subscribe to the doors at which somebody listens, and to no others."""
        wanted, self._wanted = self._wanted, set()
        new = [door for door in wanted if door in self._doors and door not in self._subscriptions]
        try:
            for door in wanted - self._doors.keys():
                if (subscription := self._subscriptions.pop(door, None)) is not None:
                    await subscription.unsubscribe()
            for door in new:
                subject = f"{self._subject}.{door}"
                self._subscriptions[door] = await client.subscribe(subject, cb=self._hear)
            if new:
                await client.flush(_CONFIRM_SECONDS)
        except (NatsError, OSError, TimeoutError) as error:
            _log.warning("bus.failed", error=type(error).__name__)
        # What was rung before they could hear it is in their logs.
        for door in new:
            if (listened := self._doors.get(door)) is not None:
                self._local.nudge(listened[0])

    async def _hear(self, message: Msg) -> None:
        listened = self._doors.get(message.subject.rpartition(".")[2])
        if listened is None:
            return
        if message.data.startswith(b"~"):
            self._local.whisper(listened[0], message.data[1:])
        elif message.data.isdigit():
            self._local.ring(listened[0], int(message.data))

    async def _hear_everyone(self, _: Msg) -> None:
        self._local.nudge_all()


def _say_why(carrying: asyncio.Task[None]) -> None:
    if not carrying.cancelled() and (error := carrying.exception()) is not None:
        _log.error("bus.given_up", exc_info=error)
