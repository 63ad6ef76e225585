"""The HTTP port: the same methods as Connect (JSON and binary) and gRPC-Web, as one plain ASGI app.

The `connectrpc` library speaks the protocols. What it would refuse before a call begins is refused
here, so that every error has a reason and a sentence, and none quotes what the caller sent.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from connectrpc.code import Code
from connectrpc.errors import ConnectError, ErrorDetail
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.server import ConnectASGIApplication, Endpoint
from protobuf.wkt import Any as ConnectAny
from protobuf.wkt import Struct

from chassis.calls import REQUEST_ID_KEY, current_call, new_request_id
from gateway.admission import MAX_REQUEST_BYTES, Admitted, read_presented
from gateway.asgi import connect_code, header, readable, respond, respond_error
from gateway.codecs import BinaryCodec, JsonCodec, Response
from gateway.errors import (
    ERRORS,
    BodyUnreadable,
    ContentTypeUnknown,
    DeadlineExceeded,
    MethodUnknown,
    RequestTooLarge,
    VerbUnknown,
    status_of,
)
from gateway.forwarding import call_within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from connectrpc.request import RequestContext
    from google.protobuf import any_pb2

    from chassis.refusals import Refusal
    from gateway.admission import HttpAdmission
    from gateway.asgi import App, Message, Receive, Scope, Send
    from gateway.forwarding import (
        ClientStreamForwarder,
        Forwarders,
        ServerStreamForwarder,
        UnaryForwarder,
    )
    from gateway.routes import Route

_UNARY_TYPES = {"application/json", "application/proto"}
_STREAM_TYPES = {"application/connect+json", "application/connect+proto"}
_WEB_TYPES = {
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpc-web+json",
}
# What callers may say. All else is dropped before anything reads it.
_HEADERS_READ = {
    b"accept-encoding",
    b"authorization",
    b"connect-accept-encoding",
    b"connect-content-encoding",
    b"connect-protocol-version",
    b"connect-timeout-ms",
    b"content-encoding",
    b"content-type",
    b"grpc-accept-encoding",
    b"grpc-encoding",
    b"grpc-timeout",
    b"host",
    b"origin",
    b"sec-fetch-site",
    b"traceparent",
    b"tracestate",
    b"x-request-id",
}
_PROTOCOL_HEADERS = {
    b"connect-timeout-ms": re.compile(rb"[0-9]{1,10}"),
    b"connect-protocol-version": re.compile(rb"1"),
    b"grpc-timeout": re.compile(rb"[0-9]{1,8}[HMSmun]"),
}
_BY_CONNECT_CODE: dict[Code, type[Refusal]] = {
    Code.RESOURCE_EXHAUSTED: RequestTooLarge,
    Code.DEADLINE_EXCEEDED: DeadlineExceeded,
    Code.INVALID_ARGUMENT: BodyUnreadable,
    Code.UNIMPLEMENTED: BodyUnreadable,
    # "protocol error" of one kind or another
    Code.INTERNAL: BodyUnreadable,
}

_admitted: ContextVar[Admitted] = ContextVar("_admitted")


class EdgeError(ConnectError):
    """An error in our words, as connectrpc carries it."""


class _Detail(ErrorDetail):
    """A detail for connectrpc, whose protobuf runtime is another one and knows none of ours."""

    def __init__(self, detail: any_pb2.Any) -> None:
        super().__init__(ConnectAny(type_url=detail.type_url, value=detail.value))
        self._readable = readable(detail)

    def value(self, *_: object) -> Any:
        """Return what connectrpc shows beside the bytes, for people."""
        return Struct.from_python(self._readable)


def edge_error(error: Exception, request_id: str = "") -> EdgeError:
    """Turn any error into one that callers may see."""
    status = status_of(error, request_id)
    details = [_Detail(detail) for detail in status.details]
    return EdgeError(connect_code(status), status.message, details)


@dataclass(frozen=True, slots=True)
class _Gatekeeper:
    """Lets calls in before their body is read, and gives the library's own errors our form."""

    admission: HttpAdmission

    async def on_start(self, ctx: RequestContext[Any, Any]) -> str:
        headers = list(ctx.request_headers.allitems())
        presented = read_presented(headers)
        ctx.response_headers[REQUEST_ID_KEY] = presented.request_id
        try:
            admitted = await self.admission.admit(presented, ctx.http_method, headers)
        except Exception as error:  # noqa: BLE001 - masked and logged
            raise edge_error(error, presented.request_id) from None
        current_call.set(admitted.call)
        _admitted.set(admitted)
        return presented.request_id

    async def on_end(
        self, token: str, ctx: RequestContext[Any, Any], error: Exception | None
    ) -> None:
        if error is None or isinstance(error, EdgeError):
            return
        if isinstance(error, ConnectError):
            if error.code is Code.CANCELED:
                # The caller has gone: nobody reads it.
                return
            if error.code in _BY_CONNECT_CODE:
                raise edge_error(_BY_CONNECT_CODE[error.code](), token) from None
        raise edge_error(error, token) from None


def connect_app(
    admission: HttpAdmission,
    default_timeout: float,
    forwarders: Forwarders,
) -> App:
    """Make the app that serves the methods of the routes."""
    unary, server_streams, client_streams = forwarders
    endpoints = {
        **{route.path: _unary(route, to, default_timeout) for route, to in unary.items()},
        **{route.path: _server_stream(route, to) for route, to in server_streams.items()},
        **{route.path: _client_stream(route, to) for route, to in client_streams.items()},
    }

    app = _Application(
        service=None,
        endpoints=lambda _: endpoints,
        interceptors=[_Gatekeeper(admission)],
        read_max_bytes=MAX_REQUEST_BYTES,
        codecs=[BinaryCodec(), JsonCodec(edge_error)],
    )
    taking_their_time = {route.path for route in client_streams}

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] not in taking_their_time:
            receive = _in_time(receive, default_timeout)
        await app(scope, receive, send)

    return serve


def _in_time(receive: Receive, seconds: float) -> Receive:
    """Return what receives a request that must be whole in time.

    The library waits for the rest of a body until the caller's own deadline, and they need not set one.
    """
    until = asyncio.get_running_loop().time() + seconds
    whole = False

    async def receive_in_time() -> Message:
        nonlocal whole
        if whole:
            return await receive()
        try:
            async with asyncio.timeout_at(until):
                message = await receive()
        except TimeoutError:
            raise ConnectError(Code.DEADLINE_EXCEEDED, "") from None
        whole = not message.get("more_body", False)
        return message

    return receive_in_time


class _Application(ConnectASGIApplication[None]):
    @property
    def path(self) -> str:
        return "/"


def _method(route: Route, kind: StreamType) -> MethodInfo[Any, Any]:
    return MethodInfo(
        name=route.name,
        service_name=route.service.full_name,
        input=route.request,
        output=route.response,
        # Connect would offer GET for methods without side effects. A query string ends up in the
        # logs of every proxy, and what people search for has no business there.
        idempotency_level=IdempotencyLevel.UNKNOWN,
        stream_type=kind,
    )


def _unary(route: Route, forwarder: UnaryForwarder, default_timeout: float) -> Any:
    async def handle(request: bytes, ctx: RequestContext[Any, Any]) -> Response:
        call = _admitted.get().call
        try:
            answer = await call_within(forwarder, request, call, _remaining(ctx), default_timeout)
            return Response(answer, route.response)
        except Exception as error:  # noqa: BLE001 - masked and logged
            raise edge_error(error, call.request_id) from None

    return Endpoint.unary(_method(route, StreamType.UNARY), handle)


def _server_stream(route: Route, forwarder: ServerStreamForwarder) -> Any:
    async def handle(request: bytes, ctx: RequestContext[Any, Any]) -> AsyncIterator[Response]:
        admitted = _admitted.get()
        answers = forwarder.call(request, admitted.call, _remaining(ctx), admitted.expires_at)
        try:
            async with aclosing(answers):
                async for answer in answers:
                    yield Response(answer, route.response)
        except Exception as error:  # noqa: BLE001 - masked and logged
            raise edge_error(error, admitted.call.request_id) from None

    return Endpoint.server_stream(_method(route, StreamType.SERVER_STREAM), handle)


def _client_stream(route: Route, forwarder: ClientStreamForwarder) -> Any:
    async def handle(requests: AsyncIterator[bytes], ctx: RequestContext[Any, Any]) -> Response:
        admitted = _admitted.get()
        try:
            answer = await forwarder.call(
                requests, admitted.call, _remaining(ctx), admitted.expires_at
            )
            return Response(answer, route.response)
        except ConnectError:
            # The library's own word on a request that can't be read; our gatekeeper puts it in ours.
            raise
        except Exception as error:  # noqa: BLE001 - masked and logged
            raise edge_error(error, admitted.call.request_id) from None

    return Endpoint.client_stream(_method(route, StreamType.CLIENT_STREAM), handle)


def _remaining(ctx: RequestContext[Any, Any]) -> float | None:
    milliseconds = ctx.timeout_ms
    return None if milliseconds is None else milliseconds / 1000


class HttpEdge:
    """The ASGI app of the port: methods, and what else is served at fixed paths.

    Arguments:
        routes: the methods.
        connect: serves them.
        pages: what is served at other paths; below one that ends with a slash, at any.
    """

    def __init__(self, routes: list[Route], connect: App, pages: Mapping[str, App]) -> None:
        self._routes = {route.path: route for route in routes}
        self._connect = connect
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            message = f"only HTTP is served here, not {scope['type']}"
            raise RuntimeError(message)
        path: str = scope["path"]
        page = self._pages.get(path) or self._pages.get(path[: path.find("/", 1) + 1])
        if page is not None:
            await page(scope, receive, send)
            return
        route = self._routes.get(scope["path"])
        if route is None:
            await refuse(send, HTTPStatus.NOT_FOUND, MethodUnknown())
        elif scope["method"] != "POST":
            allow = ((b"allow", b"POST"),)
            await refuse(send, HTTPStatus.METHOD_NOT_ALLOWED, VerbUnknown(), allow)
        elif not _type_fits(header(scope, b"content-type"), route):
            await refuse(send, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, ContentTypeUnknown())
        else:
            headers = list(_headers_read(scope))
            if not all(_well_formed(key, value) for key, value in headers):
                await refuse(send, HTTPStatus.BAD_REQUEST, BodyUnreadable())
            else:
                await self._connect({**scope, "headers": headers}, receive, send)


def _headers_read(scope: Scope) -> Iterator[tuple[bytes, bytes]]:
    for key, value in scope["headers"]:
        if key == b"cookie":
            # Whatever else runs on this host may have set one with any bytes; ours is ASCII. They are
            # replaced and not left out, or what is left could be the name of ours.
            yield key, value.decode("ascii", "replace").encode("ascii", "replace")
        elif key in _HEADERS_READ and value.isascii():
            yield key, value


def _type_fits(content_type: str, route: Route) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    streams = route.server_streaming or route.client_streaming
    return kind in _WEB_TYPES or kind in (_STREAM_TYPES if streams else _UNARY_TYPES)


def _well_formed(key: bytes, value: bytes) -> bool:
    form = _PROTOCOL_HEADERS.get(key)
    return form is None or form.fullmatch(value) is not None


async def refuse(
    send: Send,
    http_status: HTTPStatus,
    refusal: Refusal,
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> None:
    """Answer a request with a refusal of ours."""
    request_id = new_request_id()
    await respond_error(
        send,
        http_status,
        ERRORS.status(refusal, request_id),
        ((REQUEST_ID_KEY.encode(), request_id.encode()), *headers),
    )


def healthz(is_stopping: Callable[[], bool]) -> App:
    """Make the page that says whether the gateway takes calls."""

    async def page(_: Scope, __: Receive, send: Send) -> None:
        if is_stopping():
            await respond(send, HTTPStatus.SERVICE_UNAVAILABLE, "stopping\n")
        else:
            await respond(send, HTTPStatus.OK, "ok\n")

    return page


def list_of_methods(routes: list[Route]) -> App:
    """Make the page that says which methods are served here, and how."""
    example = next(
        route for route in routes if not (route.server_streaming or route.client_streaming)
    )
    text = (
        "Paperplane's HTTP port: Connect (https://connectrpc.com) and gRPC-Web.\n\n"
        f"    POST {example.path}\n"
        "    content-type: application/json\n"
        "    authorization: Bearer <token>\n\n" + "".join(f"{route.path}\n" for route in routes)
    )

    async def page(_: Scope, __: Receive, send: Send) -> None:
        await respond(send, HTTPStatus.OK, text)

    return page
