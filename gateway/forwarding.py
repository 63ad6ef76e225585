"""Where calls leave for the services: bytes out, bytes back, and what went wrong in our words."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import grpc
import structlog
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from chassis.client import write
from chassis.errors import STATUS_DETAILS_KEY
from chassis.refusals import OutcomeUnknown, PeerUnavailable, ServerStopping
from gateway.errors import (
    BackendFault,
    DeadlineExceeded,
    ForwardedStatus,
    MethodUnknown,
    TokenExpired,
    TooManyStreams,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Mapping

    from chassis.calls import Call
    from gateway.routes import Route

_log = structlog.get_logger(__name__)

MAX_TIMEOUT = 86_400.0
"""Longer deadlines are as good as none, and grpc core takes very long ones for passed ones."""
# What grpc core says when a call never left. Should its words change, the answer is the more
# cautious one: that the outcome is unknown.
_NEVER_SENT = ("failed to connect to all addresses", "errors resolving", "DNS resolution failed")


class UnaryForwarder(Protocol):
    """Takes calls of one unary method to the service that answers them."""

    async def call(self, request: bytes, call: Call, timeout: float) -> bytes:  # noqa: ASYNC109
        """Forward a call.

        Arguments:
            request: the serialized request.
            call: who calls, and what travels with it.
            timeout: how many seconds the answer may take.

        Raises:
            ForwardedStatus: the service's own refusal, for the caller to see unchanged.
            Refusal: the service could not be asked, or did not answer.
        """
        ...


async def call_within(
    forwarder: UnaryForwarder,
    request: bytes,
    call: Call,
    remaining: float | None,
    default_timeout: float,
) -> bytes:
    """Forward a call for no longer than its caller waits.

    Arguments:
        forwarder: takes it to its service.
        request: the serialized request.
        call: who calls, and what travels with it.
        remaining: how many seconds the caller still waits, if they set a deadline. The end of that
            is the edge's to see, which cancels the call.
        default_timeout: how many seconds it may take otherwise.

    Raises:
        DeadlineExceeded: the default timeout passed.
    """
    if remaining is not None:
        return await forwarder.call(request, call, min(remaining, MAX_TIMEOUT))
    try:
        async with asyncio.timeout(default_timeout):
            return await forwarder.call(request, call, default_timeout)
    except TimeoutError:
        raise DeadlineExceeded from None


class UnaryCalls:
    """Forwards each call as a call of its own.

    Arguments:
        channel: leads to the service.
        route: the method.
    """

    def __init__(self, channel: grpc.aio.Channel, route: Route) -> None:
        self._route = route
        self._method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
            route.path
        )

    async def call(self, request: bytes, call: Call, timeout: float) -> bytes:  # noqa: ASYNC109
        """Forward a call; see `UnaryForwarder`."""
        try:
            return await self._method(request, timeout=timeout, metadata=call.metadata())
        except grpc.aio.AioRpcError as error:
            raise explain(error, self._route, call.request_id) from None


class _OpenStream:
    """A stream under way, and why it was ended if it was."""

    def __init__(self) -> None:
        self.reason: Exception | None = None
        self.cancel: Callable[[], object] = lambda: None

    def end(self, reason: Exception) -> None:
        if self.reason is None:
            self.reason = reason
            self.cancel()


class Streams:
    """Keeps account of the streams under way, so that none outlives its token or our stopping.

    Arguments:
        per_person: how many streams a person may hold open, or "off".
        now: tells the time in seconds since 1970-01-01 UTC.
    """

    def __init__(
        self, per_person: int | Literal["off"], now: Callable[[], float] = time.time
    ) -> None:
        self._per_person = math.inf if per_person == "off" else per_person
        self._now = now
        self._open: dict[str, set[_OpenStream]] = {}
        self._stopping = False

    @contextmanager
    def opened(self, person_id: str, expires_at: float) -> Generator[_OpenStream]:
        """Count a stream for as long as the context lasts.

        Raises:
            TooManyStreams: the person holds as many as they may.
            ServerStopping: no new ones are begun.
        """
        if self._stopping:
            raise ServerStopping
        held = self._open.setdefault(person_id, set())
        if len(held) >= self._per_person:
            raise TooManyStreams
        stream = _OpenStream()
        held.add(stream)
        # Nobody's token lives longer than the loop's timers can count, except in theory.
        seconds = min(expires_at - self._now(), 30 * MAX_TIMEOUT)
        timer = asyncio.get_running_loop().call_later(seconds, stream.end, TokenExpired())
        try:
            yield stream
        finally:
            timer.cancel()
            held.discard(stream)
            if not held and self._open.get(person_id) is held:
                del self._open[person_id]

    def end_all(self) -> None:
        """End the streams under way and begin no new ones: the gateway stops."""
        self._stopping = True
        for held in list(self._open.values()):
            for stream in list(held):
                stream.end(ServerStopping())


class ServerStreamForwarder:
    """Takes calls of one server-streaming method to the service that answers them.

    Arguments:
        channel: leads to the service.
        route: the method.
        streams: keeps account of them.
    """

    def __init__(self, channel: grpc.aio.Channel, route: Route, streams: Streams) -> None:
        self._route = route
        self._streams = streams
        self._method: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(
            route.path
        )

    async def call(
        self,
        request: bytes,
        call: Call,
        remaining: float | None,
        expires_at: float,
    ) -> AsyncGenerator[bytes]:
        """Forward a call and yield its answers, each when the one before was taken.

        Arguments:
            request: the serialized request.
            call: who calls, and what travels with it.
            remaining: how many seconds the caller still waits, if they set a deadline.
            expires_at: when the caller's token expires.

        Raises:
            ForwardedStatus: the service's own refusal, for the caller to see unchanged.
            Refusal: the service broke off, the token expired, or the gateway stops.
        """
        with self._streams.opened(call.person_id, expires_at) as stream:
            timeout = None if remaining is None else min(remaining, MAX_TIMEOUT)
            answers = self._method(request, timeout=timeout, metadata=call.metadata())
            stream.cancel = answers.cancel
            try:
                async for answer in answers:
                    yield answer
            except grpc.aio.AioRpcError as error:
                raise explain(error, self._route, call.request_id) from None
            except asyncio.CancelledError:
                # Either our caller has gone, or we have ended the inner stream ourselves.
                if stream.reason is None or _caller_has_gone():
                    raise
                raise stream.reason from None
            finally:
                answers.cancel()


class ClientStreamForwarder:
    """Takes calls of one client-streaming method to the service that answers them.

    Arguments:
        channel: leads to the service.
        route: the method.
        streams: keeps account of them.
    """

    def __init__(self, channel: grpc.aio.Channel, route: Route, streams: Streams) -> None:
        self._route = route
        self._streams = streams
        self._method: grpc.aio.StreamUnaryMultiCallable[bytes, bytes] = channel.stream_unary(
            route.path
        )

    async def call(
        self,
        requests: AsyncIterator[bytes],
        call: Call,
        remaining: float | None,
        expires_at: float,
    ) -> bytes:
        """Forward a call, each request when the one before was taken.

        Arguments:
            requests: the serialized requests. If it raises, the service sees the call broken off,
                and never its regular end.
            call: who calls, and what travels with it.
            remaining: how many seconds the caller still waits, if they set a deadline.
            expires_at: when the caller's token expires.

        Raises:
            ForwardedStatus: the service's own refusal, for the caller to see unchanged.
            Refusal: the service broke off, the token expired, or the gateway stops.
            Exception: whatever `requests` raised.
        """
        with self._streams.opened(call.person_id, expires_at) as stream:
            timeout = None if remaining is None else min(remaining, MAX_TIMEOUT)
            inner = self._method(timeout=timeout, metadata=call.metadata())
            stream.cancel = inner.cancel
            # Apart from waiting for the answer, since a service may refuse before all was said.
            pump = asyncio.create_task(_pump(requests, inner))
            try:
                return await inner
            except grpc.aio.AioRpcError as error:
                raise explain(error, self._route, call.request_id) from None
            except asyncio.CancelledError:
                if _caller_has_gone():
                    raise
                if stream.reason is not None:
                    raise stream.reason from None
                # The requests broke off, and the pump has cancelled the call.
                await pump
                raise
            finally:
                inner.cancel()
                pump.cancel()
                await asyncio.wait((pump,))


async def _pump(
    requests: AsyncIterator[bytes], inner: grpc.aio.StreamUnaryCall[bytes, bytes]
) -> None:
    try:
        async for request in requests:
            if not await write(inner, request):
                # The call has ended; whoever waits for it learns how.
                return
        await inner.done_writing()
    except BaseException:
        inner.cancel()
        raise


class Forwarders(NamedTuple):
    """Where the calls of each method are taken, by how it streams."""

    unary: Mapping[Route, UnaryForwarder]
    server_streams: Mapping[Route, ServerStreamForwarder]
    client_streams: Mapping[Route, ClientStreamForwarder]


def _caller_has_gone() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def explain(error: grpc.aio.AioRpcError, route: Route, request_id: str) -> Exception:
    """Return what a failed inner call means for the caller.

    A status with details is the service's own word. One without comes from grpc core, whose texts
    name our sockets and are nobody's business.
    """
    status = _status_details(error)
    if status is not None:
        return ForwardedStatus(status)
    code = error.code()
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
        never_sent = (error.details() or "").startswith(_NEVER_SENT)
        harmless = never_sent or route.safe or route.server_streaming
        return PeerUnavailable() if harmless else OutcomeUnknown()
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded()
    if code is grpc.StatusCode.UNIMPLEMENTED:
        _log.error("backend.lacks_method", method=route.path, request_id=request_id)
        return MethodUnknown()
    _log.error("backend.failed", method=route.path, code=code.name, request_id=request_id)
    return BackendFault()


def _status_details(error: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    for key, value in error.trailing_metadata() or ():
        if key == STATUS_DETAILS_KEY and isinstance(value, bytes):
            try:
                status = status_pb2.Status.FromString(value)
            except DecodeError:
                return None
            return status if status.code == error.code().value[0] else None
    return None
