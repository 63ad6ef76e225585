"""Delivery: brings every change of a friendship to the messaging service, whatever breaks.

The pairs whose epoch the messaging service does not know yet are the outbox, and they lie in the
database: a restart forgets nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

import grpc
import structlog

from chassis.refusals import PeerUnavailable
from paperplane.messaging.v1 import lifecycle_pb2, lifecycle_pb2_grpc
from services.friendship.store import pairs as store

if TYPE_CHECKING:
    from chassis.database import Database
    from services.friendship.domain import Pair, PairRecord
    from services.friendship.store import Write

_log = structlog.get_logger(__name__)

_BATCH = 1000
_APPLY_SECONDS = 5.0
_FIRST_RETRY_SECONDS = 0.05
_LAST_RETRY_SECONDS = 0.5
_POLL_SECONDS = 5.0


class ChannelKeeper(Protocol):
    """Opens and closes channels as friendships begin and end."""

    async def apply(self, changed: Sequence[PairRecord]) -> None:
        """Bring the channels of pairs to the pairs' present state.

        Raises:
            PeerUnavailable: it can't be reached now.
        """
        ...


class GrpcChannelKeeper:
    """The messaging service as a keeper of channels.

    Arguments:
        channel: leads to the messaging service.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = lifecycle_pb2_grpc.ChannelLifecycleServiceStub(channel)

    async def apply(self, changed: Sequence[PairRecord]) -> None:
        """Bring the channels of pairs to the pairs' present state.

        Raises:
            PeerUnavailable: the service can't be reached now.
        """
        request = lifecycle_pb2.ApplyFriendshipChangesRequest(
            changes=[
                lifecycle_pb2.FriendshipChange(
                    person_id=record.pair.low,
                    other_person_id=record.pair.high,
                    open=record.open,
                    epoch=record.epoch,
                )
                for record in changed
            ]
        )
        try:
            # To wait until it can be reached is what makes the change arrive as soon as it can be.
            await self._stub.ApplyFriendshipChanges(
                request, timeout=_APPLY_SECONDS, wait_for_ready=True
            )
        except grpc.aio.AioRpcError as error:
            if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                raise PeerUnavailable from error
            raise


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    pair: Pair
    epoch: int
    future: asyncio.Future[None]


class Delivery:
    """Empties the outbox for as long as the service runs.

    Changes that come while others are on their way leave together, after them.

    Arguments:
        database: the service's database.
        keeper: whom to tell.
        changed: set after each commit that may have filled the outbox.
    """

    def __init__(
        self, database: Database[Write], keeper: ChannelKeeper, changed: asyncio.Event
    ) -> None:
        self._database = database
        self._keeper = keeper
        self._changed = changed
        self._waiters: set[_Waiter] = set()
        self._task = asyncio.create_task(self._run())

    async def wait(self, pair: Pair, epoch: int, patience: float) -> bool:
        """Wait until the messaging service knows of an epoch, or of a later one.

        Arguments:
            pair: whose epoch. It must be committed.
            epoch: the epoch.
            patience: for how many seconds.

        Returns:
            Whether it knows. If not, it is going to be told all the same.
        """
        waiter = _Waiter(pair, epoch, asyncio.get_running_loop().create_future())
        self._waiters.add(waiter)
        self._changed.set()
        try:
            async with asyncio.timeout(patience):
                await waiter.future
        except TimeoutError:
            return False
        finally:
            self._waiters.discard(waiter)
        return True

    async def close(self) -> None:
        """Stop. What is not delivered is after the next start."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        retry = _FIRST_RETRY_SECONDS
        while True:
            self._changed.clear()
            try:
                done = await self._deliver_outbox()
            except Exception:  # noqa: BLE001 - a delivery that gives up breaks the promise of closing
                _log.exception("delivery.failed")
                done = False
            # Without news too it looks again: a commit's outcome can have been unknown to us.
            await self._wait_for_change(_POLL_SECONDS if done else retry)
            retry = _FIRST_RETRY_SECONDS if done else min(2 * retry, _LAST_RETRY_SECONDS)

    async def _wait_for_change(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _deliver_outbox(self) -> bool:
        """Deliver what is in the outbox now; tell whether all of it went out."""
        # Who waits now did so before the outbox is read: if a pair is not in it, it was delivered.
        waiting = tuple(self._waiters)
        outbox = await self._database.read(lambda c: store.read_outbox(c, _BATCH))
        if len(outbox) == _BATCH:
            self._changed.set()
        else:
            missing = {record.pair for record in outbox}
            _release(waiter for waiter in waiting if waiter.pair not in missing)
        if not outbox:
            return True
        delivered = await self._apply(outbox)
        if delivered:
            await self._database.write(partial(store.mark_delivered, delivered=delivered))
            known = {record.pair: record.epoch for record in delivered}
            _release(w for w in tuple(self._waiters) if known.get(w.pair, -1) >= w.epoch)
        return len(delivered) == len(outbox)

    async def _apply(self, changed: Sequence[PairRecord]) -> Sequence[PairRecord]:
        """Tell the keeper; return what it has taken."""
        try:
            await self._keeper.apply(changed)
        except PeerUnavailable:
            _log.warning("delivery.unreachable", pairs=len(changed))
            return []
        except Exception:  # noqa: BLE001 - whatever it was, the next attempt may succeed
            _log.exception("delivery.refused", pairs=len(changed))
            if len(changed) == 1:
                return []
            # One of them may be at fault: the others must not wait for it.
            return [taken for record in changed for taken in await self._apply([record])]
        return changed


def _release(waiters: Iterable[_Waiter]) -> None:
    for waiter in waiters:
        if not waiter.future.done():
            waiter.future.set_result(None)
