"""Forwards unary calls many at a time: what costs is the RPC per hop, so they share one stream."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
import structlog
from google.protobuf import descriptor_pool
from google.protobuf.message_factory import GetMessageClass

from chassis.refusals import Expired, OutcomeUnknown, PeerUnavailable
from gateway.errors import ForwardedStatus

if TYPE_CHECKING:
    from chassis.calls import Call
    from gateway.routes import Route

_log = structlog.get_logger(__name__)

_MAX_CALLS = 256
_MAX_BYTES = 1024 * 1024
_MAX_TRIES = 3
_FRAME_WAIT_SECONDS = 0.01
"""How long a frame may hold up the next one: a slow call must not hold up others for long."""
_GATHER_FROM = 16
"""From how many calls on it pays to gather as many again; with fewer, both ends have time to spare."""
_GATHERING_SECONDS = 0.01
"""How long a frame waits for as many calls as the one before it carried."""
_PATIENCE_SECONDS = 5.0
"""How long a call waits for a service that can't be reached."""
_LOOK_SECONDS = 0.2
_STREAM_SECONDS = 60.0
"""After how long a stream gives way to another, which may lead to another replica."""


@dataclass(slots=True, eq=False)
class _Item:
    request: bytes
    call: Call
    deadline: float
    arrived: float
    answer: asyncio.Future[bytes]
    tries: int = 0
    tag: int = 0


class IntakeForwarder:
    """Carries the calls of one method to its intake, in frames on one stream.

    What arrives while a frame is in flight leaves in the next; a call that finds nothing in flight
    leaves at once. Only after a large frame has been answered does the next one give its callers a
    moment to come together again: a frame costs both ends as much as several calls. When the stream
    breaks, calls that are safe to repeat go out again on the next stream; the others end with
    `OutcomeUnknown`. Now and then, when nothing is in flight, a new stream takes the place of the
    old one, so that the replicas of a service share the work, also those that were added since.

    Arguments:
        channel: leads to the service.
        route: the method; its descriptor names the intake.
        stream_seconds: about how long a stream is used.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        route: Route,
        stream_seconds: float = _STREAM_SECONDS,
    ) -> None:
        assert route.intake is not None
        method = descriptor_pool.Default().FindMethodByName(route.intake.method)
        self._request_class: Any = GetMessageClass(method.input_type)
        response_class: Any = GetMessageClass(method.output_type)
        self._method: Any = channel.stream_stream(
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=self._request_class.SerializeToString,
            response_deserializer=response_class.FromString,
        )
        self._route = route
        self._stream_seconds = stream_seconds
        self._idempotency_field = route.intake.idempotency_field
        self._waiting: list[_Item] = []
        self._written: dict[int, _Item] = {}
        self._cancelled: list[int] = []
        self._next_tag = 0
        self._enough = 1
        self._work = asyncio.Event()
        self._answered = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    async def call(self, request: bytes, call: Call, timeout: float) -> bytes:  # noqa: ASYNC109
        """Carry out one call.

        Arguments:
            request: the request, serialized.
            call: who calls.
            timeout: how many seconds the caller still waits. It is passed on; ending the wait is
                the caller's own affair, by cancelling.

        Returns:
            The response, serialized.

        Raises:
            ForwardedStatus: the service's own refusal.
            PeerUnavailable: the service was not reached.
            OutcomeUnknown: the stream broke; it may have been carried out.
        """
        now = time.monotonic()
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        item = _Item(request, call, now + timeout, now, answer)
        self._waiting.append(item)
        if len(self._waiting) >= self._enough:
            self._work.set()
        try:
            return await answer
        except asyncio.CancelledError:
            if self._written.pop(item.tag, None) is not None:
                self._cancelled.append(item.tag)
                self._work.set()
            raise
        finally:
            # A refusal's traceback leads to this frame: held from here, it would keep itself and the
            # request alive until the collector comes.
            del item, answer

    async def close(self) -> None:
        """End the stream and all calls on it."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        for item in [*self._waiting, *self._written.values()]:
            item.answer.cancel()

    async def _run(self) -> None:
        while True:
            # A stream is only opened for something to send.
            await self._work.wait()
            stream = self._method(wait_for_ready=True)
            try:
                if await self._connect(stream):
                    await self._exchange(stream)
            except Exception:  # noqa: BLE001 - a fault of ours must not end all sending
                _log.exception("intake.failed", method=self._route.path)
            finally:
                stream.cancel()
            self._sort_out_after_break()

    async def _connect(self, stream: Any) -> bool:
        connecting = asyncio.ensure_future(stream.wait_for_connection())
        try:
            while not connecting.done():
                await asyncio.wait([connecting], timeout=_LOOK_SECONDS)
                self._give_up_overdue()
            return connecting.exception() is None
        finally:
            connecting.cancel()

    async def _exchange(self, stream: Any) -> None:
        tasks = [
            asyncio.create_task(self._write_frames(stream)),
            asyncio.create_task(self._read_answers(stream)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, grpc.aio.AioRpcError):
                _log.warning("intake.broken", method=self._route.path, code=result.code().name)
            # A write into a stream that has just ended is how the library says so.
            elif isinstance(result, Exception) and not isinstance(
                result, asyncio.InvalidStateError
            ):
                raise result

    async def _write_frames(self, stream: Any) -> None:
        # Not all gateways change at once, or they would meet at one replica again and again.
        until = time.monotonic() + self._stream_seconds * random.uniform(0.75, 1.25)
        while True:
            await self._work.wait()
            self._work.clear()
            while self._waiting or self._cancelled:
                frame = self._next_frame()
                self._answered.clear()
                await stream.write(frame)
                # Unless some call is slow: then the next ones pass.
                if not self._written or await _happens_within(_FRAME_WAIT_SECONDS, self._answered):
                    await self._gather(len(frame.frame.calls))
                if not self._written and time.monotonic() > until:
                    return

    async def _gather(self, answered: int) -> None:
        if answered < _GATHER_FROM or len(self._waiting) >= answered:
            return
        self._enough = answered
        self._work.clear()
        try:
            await _happens_within(_GATHERING_SECONDS, self._work)
        finally:
            self._enough = 1

    def _next_frame(self) -> Any:
        request = self._request_class()
        frame = request.frame
        frame.cancelled_tags.extend(self._cancelled)
        self._cancelled.clear()
        now = time.monotonic()
        size = taken = 0
        for item in self._waiting:
            size += len(item.request)
            if taken and (taken >= _MAX_CALLS or size > _MAX_BYTES):
                break
            taken += 1
            if item.answer.done():
                continue
            if item.deadline <= now:
                item.answer.set_exception(Expired())
                continue
            self._add(frame, item, item.deadline - now)
        del self._waiting[:taken]
        return request

    def _add(self, frame: Any, item: _Item, timeout: float) -> None:
        self._next_tag = item.tag = tag = self._next_tag + 1
        item.tries += 1
        self._written[tag] = item
        call = item.call
        added = frame.calls.add(
            tag=tag,
            person_id=call.person_id,
            request_id=call.request_id,
            traceparent=call.traceparent,
            request=item.request,
        )
        added.timeout.seconds = int(timeout)
        added.timeout.nanos = int(timeout % 1 * 1e9)

    async def _read_answers(self, stream: Any) -> None:
        async for response in stream:
            for answer in response.frame.answers:
                item = self._written.pop(answer.tag, None)
                if item is None or item.answer.done():
                    continue
                if answer.WhichOneof("outcome") == "response":
                    item.answer.set_result(answer.response)
                else:
                    item.answer.set_exception(ForwardedStatus(answer.status))
            if not self._written:
                self._answered.set()

    def _sort_out_after_break(self) -> None:
        broken, self._written = list(self._written.values()), {}
        self._cancelled.clear()
        again: list[_Item] = []
        for item in broken:
            if item.answer.done():
                continue
            if item.tries < _MAX_TRIES and self._safe_to_repeat(item.request):
                again.append(item)
            else:
                item.answer.set_exception(OutcomeUnknown())
        # They go first, in their old order.
        self._waiting[:0] = again
        if self._waiting:
            self._work.set()

    def _safe_to_repeat(self, request: bytes) -> bool:
        parsed = self._route.request.FromString(request)
        return bool(getattr(parsed, self._idempotency_field))

    def _give_up_overdue(self) -> None:
        oldest = time.monotonic() - _PATIENCE_SECONDS
        kept: list[_Item] = []
        for item in self._waiting:
            if item.answer.done():
                continue
            if item.arrived > oldest:
                kept.append(item)
            else:
                item.answer.set_exception(OutcomeUnknown() if item.tries else PeerUnavailable())
        self._waiting = kept


async def _happens_within(seconds: float, event: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
