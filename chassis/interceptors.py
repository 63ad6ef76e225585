"""What happens around every call of a service, in one place and one order.

Outermost, errors become statuses, so that nothing beneath can leak a text. Then the call's context is
set, since logs and handlers need it. Then the caller is required, before anything is parsed. Then the
request is parsed and validated, and the handler runs.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc
import protovalidate
import structlog
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from chassis.calls import call_from_metadata, caller_id, current_call
from chassis.errors import ErrorTable, abort
from chassis.refusals import FieldViolation, InvalidRequest, Refusal
from paperplane.options.v1 import options_pb2

_log = structlog.get_logger(__name__)
_Context = grpc.aio.ServicerContext[Any, Any]


def _with_nul(message: Message) -> str:
    """Return the path of the first text in a message that has the character U+0000, or nothing."""
    for field, value in message.ListFields():
        values: Any = value if field.is_repeated else [value]
        for each in values:
            if isinstance(each, str) and "\0" in each:
                return field.name
            if isinstance(each, Message) and (inner := _with_nul(each)):
                return f"{field.name}.{inner}"
    return ""


def decode(kind: type[Message], data: bytes) -> Message:
    """Parse a request.

    Raises:
        InvalidRequest: it is not a message of this kind.
    """
    try:
        return kind.FromString(data)
    except DecodeError:
        # The parser's own words may quote the request.
        raise InvalidRequest.field(
            "", f"not a valid {kind.DESCRIPTOR.full_name}: malformed, or a text is not UTF-8"
        ) from None


def parse(kind: type[Message], data: bytes) -> Message:
    """Parse a request and check it against the rules in its proto.

    Raises:
        InvalidRequest: it is not a message of this kind, or breaks rules; says which.
    """
    request = decode(kind, data)
    # PostgreSQL keeps no such text, and no caller should depend on which database there is.
    if b"\0" in data and (field := _with_nul(request)):
        raise InvalidRequest.field(field, "leave out the character U+0000, which no text may have")
    violations = protovalidate.collect_violations(request)
    if violations:
        raise InvalidRequest(
            tuple(
                FieldViolation(
                    ".".join(element.field_name for element in violation.proto.field.elements)
                    if violation.proto.field
                    else "",
                    violation.proto.message or violation.proto.rule_id,
                )
                for violation in violations
            )
        )
    return request


class ServiceInterceptor(grpc.aio.ServerInterceptor):
    """Wraps every handler of the given services.

    Arguments:
        services: the descriptors of the services that are served.
        errors: how refusals look to callers.
    """

    def __init__(self, services: list[ServiceDescriptor], errors: ErrorTable) -> None:
        self._errors = errors
        self._needs_caller = {
            service.full_name: audience(service) == options_pb2.AUDIENCE_USERS
            for service in services
        }
        self._requests: Mapping[str, type[Message]] = {
            f"/{service.full_name}/{method.name}": GetMessageClass(method.input_type)
            for service in services
            for method in service.methods
        }

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Return the handler with everything around it."""
        found = await continuation(handler_call_details)
        method = handler_call_details.method
        if found is None or method not in self._requests:
            # Unknown methods, health and reflection are the library's own affair.
            return found
        # The library's types are those of its synchronous servers.
        handler: Any = found
        kind = self._requests[method]
        needs_caller = self._needs_caller[method[1:].rpartition("/")[0]]

        async def unary(data: bytes, context: _Context) -> Any:
            async with self._around(context, method, needs_caller):
                return await handler.unary_unary(parse(kind, data), context)

        async def unary_stream(data: bytes, context: _Context) -> AsyncIterator[Any]:
            async with self._around(context, method, needs_caller):
                async for response in handler.unary_stream(parse(kind, data), context):
                    yield response

        async def stream_unary(requests: AsyncIterator[bytes], context: _Context) -> Any:
            parsed = (parse(kind, data) async for data in requests)
            async with self._around(context, method, needs_caller):
                return await handler.stream_unary(parsed, context)

        async def stream_stream(
            requests: AsyncIterator[bytes], context: _Context
        ) -> AsyncIterator[Any]:
            # What streams in are frames of calls, each with a request that is validated on its own.
            parsed = (decode(kind, data) async for data in requests)
            async with self._around(context, method, needs_caller):
                async for response in handler.stream_stream(parsed, context):
                    yield response

        serializer = handler.response_serializer
        if handler.request_streaming and not handler.response_streaming:
            return grpc.stream_unary_rpc_method_handler(stream_unary, None, serializer)
        if handler.request_streaming:
            return grpc.stream_stream_rpc_method_handler(stream_stream, None, serializer)
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(unary_stream, None, serializer)
        return grpc.unary_unary_rpc_method_handler(unary, None, serializer)

    @asynccontextmanager
    async def _around(
        self, context: _Context, method: str, needs_caller: bool
    ) -> AsyncGenerator[None]:
        call = call_from_metadata(context.invocation_metadata())
        # Each call runs in a task of its own, so there is nothing to set back afterwards; nor could
        # it be, since a stream that is broken off is closed from another task.
        current_call.set(call)
        try:
            if needs_caller:
                caller_id()
            yield
        except grpc.aio.AbortError:
            raise
        except Refusal as refusal:
            status = self._errors.status(refusal, call.request_id)
            await abort(context, status)
        except Exception:  # noqa: BLE001 - it is logged, and told without its text
            _log.exception("call.failed", method=method)
            await abort(context, self._errors.status(RuntimeError(), call.request_id))


def audience(service: ServiceDescriptor) -> int:
    """Return who may call a service, as its proto says: a value of `options.v1.Audience`."""
    return service.GetOptions().Extensions[options_pb2.audience]
