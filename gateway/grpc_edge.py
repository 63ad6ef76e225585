"""The gRPC port: generic handlers that pass bytes through, made once for each method."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import grpc

from chassis.calls import REQUEST_ID_KEY, new_request_id
from chassis.errors import CODES, STATUS_DETAILS_KEY
from gateway.admission import MAX_REQUEST_BYTES, read_presented
from gateway.errors import MethodUnknown, RequestTooLarge, status_of
from gateway.forwarding import call_within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.admission import Admission
    from gateway.forwarding import (
        ClientStreamForwarder,
        Forwarders,
        ServerStreamForwarder,
        UnaryForwarder,
    )

    _Context = grpc.aio.ServicerContext[bytes, bytes]
    _Handler = grpc.RpcMethodHandler[Any, Any]


class PassThrough(grpc.GenericRpcHandler):
    """Serves the methods of the routes; any other is unknown to it.

    Nothing is done for a call that could have been done for its method: this is the hot path.

    Arguments:
        admission: lets calls in.
        default_timeout: how many seconds a unary call may take whose caller set no deadline.
        forwarders: where the calls of each method are taken.
    """

    def __init__(
        self,
        admission: Admission,
        default_timeout: float,
        forwarders: Forwarders,
    ) -> None:
        self._admission = admission
        self._default_timeout = default_timeout
        self._handlers: dict[str, _Handler] = {
            **{route.path: self._unary(to) for route, to in forwarders.unary.items()},
            **{route.path: self._server(to) for route, to in forwarders.server_streams.items()},
            **{route.path: self._client(to) for route, to in forwarders.client_streams.items()},
        }
        # Of this kind, since it takes calls of every kind.
        self._unknown: _Handler = grpc.stream_stream_rpc_method_handler(_refuse_unknown)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> _Handler:
        """Return the handler of a method."""
        return self._handlers.get(handler_call_details.method, self._unknown)

    def _unary(self, forwarder: UnaryForwarder) -> _Handler:
        admit, default_timeout = self._admission.admit, self._default_timeout

        async def handle(request: bytes, context: _Context) -> bytes:
            presented = read_presented(context.invocation_metadata() or ())
            try:
                if len(request) > MAX_REQUEST_BYTES:
                    raise RequestTooLarge
                admitted = await admit(presented)
                response = await call_within(
                    forwarder, request, admitted.call, context.time_remaining(), default_timeout
                )
            except Exception as error:  # noqa: BLE001 - masked and logged
                await _abort(context, error, presented.request_id)
                raise AssertionError from None  # abort never returns
            if presented.own_request_id:
                # An id of ours would make each call 5 % dearer, to be looked at only if the call
                # failed; as initial metadata, which are sent on their own, 12 %.
                context.set_trailing_metadata(((REQUEST_ID_KEY, presented.request_id),))
            return response

        return grpc.unary_unary_rpc_method_handler(handle)

    def _server(self, forwarder: ServerStreamForwarder) -> _Handler:
        async def handle(request: bytes, context: _Context) -> None:
            presented = read_presented(context.invocation_metadata() or ())
            try:
                if len(request) > MAX_REQUEST_BYTES:
                    raise RequestTooLarge
                admitted = await self._admission.admit(presented)
                answers = forwarder.call(
                    request, admitted.call, context.time_remaining(), admitted.expires_at
                )
                await context.send_initial_metadata(((REQUEST_ID_KEY, presented.request_id),))
                async with aclosing(answers):
                    async for answer in answers:
                        await context.write(answer)
            except Exception as error:  # noqa: BLE001 - masked and logged
                await _abort(context, error, presented.request_id)

        return grpc.unary_stream_rpc_method_handler(handle)

    def _client(self, forwarder: ClientStreamForwarder) -> _Handler:
        async def handle(requests: AsyncIterator[bytes], context: _Context) -> bytes:
            presented = read_presented(context.invocation_metadata() or ())
            try:
                admitted = await self._admission.admit(presented)
                response = await forwarder.call(
                    _small(requests), admitted.call, context.time_remaining(), admitted.expires_at
                )
            except Exception as error:  # noqa: BLE001 - masked and logged
                await _abort(context, error, presented.request_id)
                raise AssertionError from None  # abort never returns
            context.set_trailing_metadata(((REQUEST_ID_KEY, presented.request_id),))
            return response

        return grpc.stream_unary_rpc_method_handler(handle)


async def _small(requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for request in requests:
        if len(request) > MAX_REQUEST_BYTES:
            raise RequestTooLarge
        yield request


async def _refuse_unknown(_: AsyncIterator[bytes], context: _Context) -> None:
    await _abort(context, MethodUnknown(), new_request_id())


async def _abort(context: _Context, error: Exception, request_id: str) -> None:
    status = status_of(error, request_id)
    await context.abort(
        CODES[status.code],
        status.message,
        trailing_metadata=(
            (REQUEST_ID_KEY, request_id),
            (STATUS_DETAILS_KEY, status.SerializeToString()),
        ),
    )
