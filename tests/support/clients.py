"""Two ways to call the public ports, behind one small interface: stubs over gRPC, and JSON over plain HTTP.

Requests and responses are the JSON form of the contract in both, so that a scenario is written once.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import secrets
import struct
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any, Protocol

import grpc
import httpx
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from chassis.client import write
from paperplane.friendship.v1 import friendship_pb2, friendship_pb2_grpc
from paperplane.messaging.v1 import (
    attachments_pb2,
    attachments_pb2_grpc,
    messaging_pb2,
    messaging_pb2_grpc,
)

PATIENCE_SECONDS = 30.0
"""How long an answer or an event may take on a busy machine."""
_END_OF_STREAM = 0b10
_numbers = itertools.count(1)

Json = dict[str, Any]


def fresh_id(name: str) -> str:
    """Return an id for a person whom no other test knows. It is a good handle too."""
    return f"{name}_{next(_numbers):03}_{secrets.token_hex(4)}"


class Refused(Exception):
    """The system refused a call.

    Attributes:
        code: the status code, as gRPC names it.
        reason: the reason of its ErrorInfo.
        message: the sentence.
    """

    def __init__(self, code: str, reason: str, message: str) -> None:
        super().__init__(f"{code} {reason}: {message}")
        self.code = code
        self.reason = reason
        self.message = message


class Client(Protocol):
    """Calls methods as one person."""

    async def call(self, method: str, **request: Any) -> Json:
        """Call a unary method by its bare name; return the response.

        Raises:
            Refused: it was refused.
        """
        ...

    async def upload(self, method: str, *requests: Json) -> Json:
        """Call a method that streams its requests; return the response.

        Raises:
            Refused: it was refused.
        """
        ...

    def watch(self, method: str, **request: Any) -> AsyncIterator[Json]:
        """Call a streaming method; yield its responses.

        Raises:
            Refused: the stream was refused or ended with an error.
        """
        ...


class Services:
    """The methods of generated modules, by their bare names.

    Arguments:
        modules: pairs of a `_pb2` and its `_pb2_grpc` module.
    """

    def __init__(self, *modules: tuple[ModuleType, ModuleType]) -> None:
        self.paths: dict[str, str] = {}
        self._stubs: dict[str, tuple[Any, Any]] = {}
        for messages, services in modules:
            for service in messages.DESCRIPTOR.services_by_name.values():
                stub = getattr(services, f"{service.name}Stub")
                for method in service.methods:
                    request = getattr(messages, method.input_type.name)
                    self._stubs[method.name] = (stub, request)
                    self.paths[method.name] = f"/{service.full_name}/{method.name}"

    def request_of(self, method: str) -> type[Message]:
        """Return the class of a method's requests."""
        kind: type[Message] = self._stubs[method][1]
        return kind

    def prepare(self, channel: grpc.aio.Channel, method: str, request: Json) -> tuple[Any, Any]:
        """Return a method's callable and its request."""
        stub, kind = self._stubs[method]
        return getattr(stub(channel), method), json_format.ParseDict(request, kind())


STUBS = Services(
    (friendship_pb2, friendship_pb2_grpc),
    (messaging_pb2, messaging_pb2_grpc),
    (attachments_pb2, attachments_pb2_grpc),
)
"""The committed stubs."""


class GrpcClient:
    """Calls through generated stubs.

    Arguments:
        channel: leads to the gRPC port.
        services: the stubs.
        token: of the person who calls; empty for none.
    """

    def __init__(self, channel: grpc.aio.Channel, services: Services, token: str) -> None:
        self._channel = channel
        self._services = services
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()

    async def call(self, method: str, **request: Any) -> Json:
        """Call a unary method; see `Client`."""
        callable_, message = self._services.prepare(self._channel, method, request)
        try:
            response = await callable_(message, metadata=self._metadata, timeout=PATIENCE_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise refusal_of(error) from None
        return json_format.MessageToDict(response)

    async def upload(self, method: str, *requests: Json) -> Json:
        """Call a method that streams its requests; see `Client`."""
        callable_, _ = self._services.prepare(self._channel, method, {})
        kind = self._services.request_of(method)
        messages = [json_format.ParseDict(request, kind()) for request in requests]
        call = callable_(metadata=self._metadata, timeout=PATIENCE_SECONDS)
        for message in messages:
            if not await write(call, message.SerializeToString()):
                break
        else:
            await call.done_writing()
        try:
            response = await call
        except grpc.aio.AioRpcError as error:
            raise refusal_of(error) from None
        return json_format.MessageToDict(response)

    async def watch(self, method: str, **request: Any) -> AsyncIterator[Json]:
        """Call a streaming method; see `Client`."""
        callable_, message = self._services.prepare(self._channel, method, request)
        call = callable_(message, metadata=self._metadata)
        try:
            async for response in call:
                yield json_format.MessageToDict(response)
        except grpc.aio.AioRpcError as error:
            raise refusal_of(error) from None
        finally:
            call.cancel()


class ConnectClient:
    """Calls as any HTTP client can: Connect with JSON bodies.

    Arguments:
        http: a plain HTTP client, whose base URL is the HTTP port.
        paths: the paths of methods by their bare names.
        token: of the person who calls; empty for none.
    """

    def __init__(self, http: httpx.AsyncClient, paths: dict[str, str], token: str) -> None:
        self._http = http
        self._paths = paths
        self._headers = {"authorization": f"Bearer {token}"} if token else {}

    async def call(self, method: str, **request: Any) -> Json:
        """Call a unary method; see `Client`."""
        response = await self._http.post(self._paths[method], json=request, headers=self._headers)
        answer: Json = response.json()
        if response.status_code != 200:
            raise json_refusal(answer)
        return answer

    async def upload(self, method: str, *requests: Json) -> Json:
        """Call a method that streams its requests; see `Client`."""
        answer = await self._http.post(
            self._paths[method],
            content=b"".join(envelope(json.dumps(request).encode()) for request in requests),
            headers={**self._headers, "content-type": "application/connect+json"},
        )
        frame = _first_frame(answer.content)
        assert frame is not None, answer.text
        flags, content = frame[0], json.loads(frame[1])
        if flags & _END_OF_STREAM:
            raise json_refusal(content["error"])
        response: Json = content
        return response

    async def watch(self, method: str, **request: Any) -> AsyncIterator[Json]:
        """Call a streaming method; see `Client`."""
        async with self._http.stream(
            "POST",
            self._paths[method],
            content=envelope(json.dumps(request).encode()),
            headers={**self._headers, "content-type": "application/connect+json"},
            timeout=httpx.Timeout(PATIENCE_SECONDS, read=None),
        ) as response:
            if response.status_code != 200:
                raise json_refusal(json.loads(await response.aread()))
            buffer = b""
            async for chunk in response.aiter_raw():
                buffer += chunk
                while (frame := _first_frame(buffer)) is not None:
                    flags, data = frame
                    buffer = buffer[5 + len(data) :]
                    value: Json = json.loads(data)
                    if not flags & _END_OF_STREAM:
                        yield value
                    elif "error" in value:
                        raise json_refusal(value["error"])


class Stream:
    """A watch under way, read event by event.

    Arguments:
        responses: what it yields.
    """

    def __init__(self, responses: AsyncIterator[Json]) -> None:
        self._responses = responses
        self.cursor = ""
        """Where the last event stands."""

    async def next(self, kind: str | None = None) -> Json:
        """Return the next event's content, which must be of a kind if one is named.

        Raises:
            Refused: the stream ended with an error instead.
        """
        async with asyncio.timeout(PATIENCE_SECONDS):
            response = await anext(self._responses)
        self.cursor = response["cursor"]
        event: Json = response["event"]
        kinds = event.keys() - {"eventTime"}
        assert len(kinds) == 1
        assert kind is None or kinds == {kind}, f"{kinds} came instead of {kind}"
        content: Json = event[kinds.pop()]
        return content

    async def until_caught_up(self) -> list[str]:
        """Return the kinds of the events up to `caughtUp`."""
        kinds: list[str] = []
        while True:
            async with asyncio.timeout(PATIENCE_SECONDS):
                response = await anext(self._responses)
            self.cursor = response["cursor"]
            kind = (response["event"].keys() - {"eventTime"}).pop()
            if kind == "caughtUp":
                return kinds
            kinds.append(kind)


@asynccontextmanager
async def watching(client: Client, method: str, **request: Any) -> AsyncGenerator[Stream]:
    """Watch for as long as the context lasts."""
    responses: Any = client.watch(method, **request)
    try:
        yield Stream(responses)
    finally:
        await responses.aclose()


def refusal_of(error: grpc.aio.AioRpcError) -> Refused:
    """Return what a failed gRPC call says."""
    status = status_pb2.Status()
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            assert isinstance(value, bytes)
            status.ParseFromString(value)
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        detail.Unpack(info)
    return Refused(error.code().name, info.reason, error.details() or "")


def json_refusal(error: Json) -> Refused:
    """Return what a Connect error says."""
    reason = ""
    for detail in error.get("details", ()):
        if detail["type"] == "google.rpc.ErrorInfo":
            content = base64.b64decode(detail["value"] + "==")
            reason = error_details_pb2.ErrorInfo.FromString(content).reason
    code = "CANCELLED" if error["code"] == "canceled" else error["code"].upper()
    return Refused(code, reason, error.get("message", ""))


def envelope(data: bytes, flags: int = 0) -> bytes:
    """Frame a message as Connect streams do."""
    return struct.pack(">BI", flags, len(data)) + data


def _first_frame(buffer: bytes) -> tuple[int, bytes] | None:
    if len(buffer) < 5:
        return None
    flags, size = struct.unpack(">BI", buffer[:5])
    return (flags, buffer[5 : 5 + size]) if len(buffer) >= 5 + size else None
