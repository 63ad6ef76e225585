"""The little of HTTP that is not Connect: plain answers, small bodies, Connect-like errors."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from connectrpc.code import Code
from google.protobuf import json_format
from google.protobuf.message import DecodeError

from chassis.errors import CODES

if TYPE_CHECKING:
    from google.protobuf import any_pb2
    from google.rpc import status_pb2

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_HTTP_STATUS = {
    "INVALID_ARGUMENT": HTTPStatus.BAD_REQUEST,
    "FAILED_PRECONDITION": HTTPStatus.BAD_REQUEST,
    "OUT_OF_RANGE": HTTPStatus.BAD_REQUEST,
    "UNAUTHENTICATED": HTTPStatus.UNAUTHORIZED,
    "PERMISSION_DENIED": HTTPStatus.FORBIDDEN,
    "NOT_FOUND": HTTPStatus.NOT_FOUND,
    "ALREADY_EXISTS": HTTPStatus.CONFLICT,
    "ABORTED": HTTPStatus.CONFLICT,
    "RESOURCE_EXHAUSTED": HTTPStatus.TOO_MANY_REQUESTS,
    "UNIMPLEMENTED": HTTPStatus.NOT_IMPLEMENTED,
    "UNAVAILABLE": HTTPStatus.SERVICE_UNAVAILABLE,
    "DEADLINE_EXCEEDED": HTTPStatus.GATEWAY_TIMEOUT,
}
_TEXT = "text/plain; charset=utf-8"
_JSON = "application/json"


class BodyTooLarge(Exception):
    """The body has more bytes than it may."""


class Disconnected(Exception):
    """The client left before its request was complete."""


async def respond(
    send: Send,
    status: HTTPStatus,
    body: str,
    content_type: str = _TEXT,
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> None:
    """Answer a request."""
    data = body.encode()
    content: list[tuple[bytes, bytes]] = []
    # Not even a length of nothing (RFC 9110 §8.6).
    if status is not HTTPStatus.NO_CONTENT:
        content = [
            (b"content-type", content_type.encode()),
            (b"content-length", str(len(data)).encode()),
        ]
    await send(
        {
            "type": "http.response.start",
            "status": status.value,
            "headers": [
                *content,
                (b"cache-control", b"no-store"),
                (b"x-content-type-options", b"nosniff"),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": data})


async def respond_json(
    send: Send,
    status: HTTPStatus,
    value: object,
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> None:
    """Answer a request with JSON."""
    await respond(send, status, json.dumps(value, separators=(",", ":")), _JSON, headers)


async def respond_error(
    send: Send,
    http_status: HTTPStatus,
    status: status_pb2.Status,
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> None:
    """Answer a request with an error in the form that Connect gives to errors."""
    value = {
        "code": connect_code(status).value,
        "message": status.message,
        "details": [
            {
                "type": detail.type_url.rpartition("/")[2],
                "value": base64.b64encode(detail.value).decode().rstrip("="),
                "debug": readable(detail),
            }
            for detail in status.details
        ],
    }
    await respond(send, http_status, json.dumps(value, ensure_ascii=False), _JSON, headers)


def readable(detail: any_pb2.Any) -> dict[str, Any]:
    """Return an error detail as JSON, which Connect lets us show beside its bytes."""
    try:
        value = json_format.MessageToDict(detail)
    except (TypeError, DecodeError):
        # Of a type that we don't know; its bytes go out all the same.
        return {}
    del value["@type"]
    return value


def connect_code(status: status_pb2.Status) -> Code:
    """Return Connect's name for a status code."""
    name = CODES[status.code].name
    return Code.CANCELED if name == "CANCELLED" else Code[name]


def http_status_of(status: status_pb2.Status) -> HTTPStatus:
    """Return the HTTP status that goes with a status code, as the Connect protocol has it."""
    return _HTTP_STATUS.get(CODES[status.code].name, HTTPStatus.INTERNAL_SERVER_ERROR)


async def read_body(receive: Receive, max_bytes: int) -> bytes:
    """Read a request's body.

    Raises:
        BodyTooLarge: it is larger than `max_bytes`; no more than that was read.
        Disconnected: the client left.
    """
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        body += message.get("body", b"")
        if len(body) > max_bytes:
            raise BodyTooLarge
        if not message.get("more_body", False):
            return bytes(body)


def header(scope: Scope, name: bytes) -> str:
    """Return a header's value, or an empty text."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def text_headers(scope: Scope) -> list[tuple[str, str]]:
    """Return all headers of a request, their names in small letters."""
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
