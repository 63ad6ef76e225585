"""A real gateway on free ports, stand-in services behind it, and an issuer of tokens."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from google.rpc import error_details_pb2, status_pb2
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from chassis.errors import STATUS_DETAILS_KEY, ErrorTable, abort
from chassis.settings import load_settings
from gateway.development import DevelopmentIssuer, load_key
from gateway.settings import GatewaySettings
from gateway.wiring import Gateway, running
from paperplane.friendship.v1 import friendship_pb2
from paperplane.messaging.v1 import attachments_pb2, messaging_pb2
from tests.support.uploads import upload

GET_PERSON = "/paperplane.friendship.v1.PeopleService/GetPerson"
CREATE_PERSON = "/paperplane.friendship.v1.PeopleService/CreatePerson"
AUTHORIZE_CHANNELS = "/paperplane.friendship.v1.ChannelAuthorizationService/AuthorizeChannels"
DOWNLOAD = "/paperplane.messaging.v1.AttachmentService/DownloadAttachment"
GET_PHOTO = "/paperplane.friendship.v1.PeopleService/GetPhoto"
SET_PHOTO = "/paperplane.friendship.v1.PeopleService/SetPhoto"
UPLOAD = "/paperplane.messaging.v1.AttachmentService/UploadAttachment"
WATCH_MESSAGES = "/paperplane.messaging.v1.MessagingService/WatchMessages"
MARKER = "zqxmarker"
"""A text that people write, which must turn up nowhere but in the services."""

Person = friendship_pb2.Person


@dataclass
class Received:
    """A call as a stand-in service got it."""

    metadata: dict[str, str]
    remaining: float | None
    request: Any


@dataclass
class StandIn:
    """What the stand-in services got, and what they do: told by the test, call by call."""

    received: list[Received] = field(default_factory=list["Received"])
    refusal: status_pb2.Status | None = None
    plain_refusal: tuple[grpc.StatusCode, str] | None = None
    hang: bool = False
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    endless: bool = False
    sent: int = 0
    content: bytes = bytes(range(256)) * 10
    content_type: str = "image/png"
    file_name: str = "naïve 🛩.png"
    completed: int = 0
    """How many streams of requests came to their regular end."""

    def reset(self) -> None:
        """Forget everything, for the next test. Calls of earlier ones stay out of it."""
        self.__dict__.update(StandIn().__dict__)

    async def take(self, request: Any, context: Any) -> None:
        """Note a call, and do to it as told."""
        metadata: dict[str, str] = dict(context.invocation_metadata())
        self.received.append(Received(metadata, context.time_remaining(), request))
        cancelled = self.cancelled
        self.entered.set()
        if self.refusal is not None:
            await abort(context, self.refusal)
        if self.plain_refusal is not None:
            await context.abort(*self.plain_refusal)
        if self.hang:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()


class StandInService(grpc.GenericRpcHandler):
    """Serves a few methods of both services, and one that is not for people."""

    def __init__(self, does: StandIn) -> None:
        self._does = does
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        self._handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            GET_PERSON: unary(
                self._get_person,
                friendship_pb2.GetPersonRequest.FromString,
                friendship_pb2.GetPersonResponse.SerializeToString,
            ),
            CREATE_PERSON: unary(
                self._create_person,
                friendship_pb2.CreatePersonRequest.FromString,
                friendship_pb2.CreatePersonResponse.SerializeToString,
            ),
            WATCH_MESSAGES: stream(
                self._watch,
                messaging_pb2.WatchMessagesRequest.FromString,
                messaging_pb2.WatchMessagesResponse.SerializeToString,
            ),
            UPLOAD: grpc.stream_unary_rpc_method_handler(
                self._upload,
                attachments_pb2.UploadAttachmentRequest.FromString,
                attachments_pb2.UploadAttachmentResponse.SerializeToString,
            ),
            DOWNLOAD: stream(
                self._download,
                attachments_pb2.DownloadAttachmentRequest.FromString,
                attachments_pb2.DownloadAttachmentResponse.SerializeToString,
            ),
            GET_PHOTO: unary(
                self._get_photo,
                friendship_pb2.GetPhotoRequest.FromString,
                friendship_pb2.GetPhotoResponse.SerializeToString,
            ),
            SET_PHOTO: grpc.stream_unary_rpc_method_handler(
                self._set_photo,
                friendship_pb2.SetPhotoRequest.FromString,
                friendship_pb2.SetPhotoResponse.SerializeToString,
            ),
            AUTHORIZE_CHANNELS: unary(self._leak),
        }

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Return the handler of a method, if there is one."""
        return self._handlers.get(handler_call_details.method)

    async def _get_person(
        self, request: friendship_pb2.GetPersonRequest, context: Any
    ) -> friendship_pb2.GetPersonResponse:
        await self._does.take(request, context)
        return friendship_pb2.GetPersonResponse(
            person=Person(person_id=request.person_id, display_name="Zoë 🛩", can_message=True)
        )

    async def _create_person(
        self, request: friendship_pb2.CreatePersonRequest, context: Any
    ) -> friendship_pb2.CreatePersonResponse:
        await self._does.take(request, context)
        return friendship_pb2.CreatePersonResponse(person=Person(handle=request.handle))

    async def _watch(
        self, request: messaging_pb2.WatchMessagesRequest, context: Any
    ) -> AsyncIterator[messaging_pb2.WatchMessagesResponse]:
        yield messaging_pb2.WatchMessagesResponse(
            event=messaging_pb2.Event(caught_up=messaging_pb2.CaughtUp()), cursor="c0"
        )
        while self._does.endless:
            self._does.sent += 1
            yield messaging_pb2.WatchMessagesResponse(cursor="x" * 10_000)
        await self._does.take(request, context)

    async def _upload(
        self, requests: AsyncIterator[attachments_pb2.UploadAttachmentRequest], context: Any
    ) -> attachments_pb2.UploadAttachmentResponse:
        first = await anext(requests)
        await self._does.take(first, context)
        size = 0
        async for request in requests:
            size += len(request.chunk)
            self._does.sent += 1
        # When a call is cancelled, grpc may end the requests a moment before it cancels the handler.
        # No service answers without waiting for something in between.
        await asyncio.to_thread(bool)
        self._does.completed += 1
        return attachments_pb2.UploadAttachmentResponse(
            attachment=messaging_pb2.Attachment(
                attachment_id="a1", file_name=first.header.file_name, size_bytes=size
            )
        )

    async def _download(
        self, request: attachments_pb2.DownloadAttachmentRequest, context: Any
    ) -> AsyncIterator[attachments_pb2.DownloadAttachmentResponse]:
        await self._does.take(request, context)
        content, content_type = self._does.content, self._does.content_type
        if request.offset >= len(content):
            await abort(context, refusal("RANGE_NOT_SATISFIABLE", "OUT_OF_RANGE"))
        end = request.offset + request.length if request.length else len(content)
        attachment = messaging_pb2.Attachment(
            attachment_id=request.attachment_id,
            file_name=self._does.file_name,
            content_type=content_type,
        )
        yield attachments_pb2.DownloadAttachmentResponse(
            header=attachments_pb2.DownloadHeader(
                attachment=attachment, content_type=content_type, total_bytes=len(content)
            )
        )
        part = content[request.offset : end]
        cancelled = self._does.cancelled
        try:
            for begin in range(0, len(part), 1000):
                self._does.sent += 1
                yield attachments_pb2.DownloadAttachmentResponse(chunk=part[begin : begin + 1000])
        finally:
            cancelled.set()

    async def _get_photo(
        self, request: friendship_pb2.GetPhotoRequest, context: Any
    ) -> friendship_pb2.GetPhotoResponse:
        await self._does.take(request, context)
        return friendship_pb2.GetPhotoResponse(content=b"photo", content_type="image/webp")

    async def _set_photo(
        self, requests: AsyncIterator[friendship_pb2.SetPhotoRequest], context: Any
    ) -> friendship_pb2.SetPhotoResponse:
        first = await anext(requests)
        await self._does.take(first, context)
        self._does.sent = sum([len(request.chunk) async for request in requests])
        return friendship_pb2.SetPhotoResponse(person=Person(photo_id="p1"))

    async def _leak(self, request: bytes, context: Any) -> bytes:
        """Answer what the gateway must never ask."""
        await self._does.take(request, context)
        return b""


def refusal(reason: str = "PERSON_NOT_FOUND", code: str = "NOT_FOUND") -> status_pb2.Status:
    """Make a refusal as services do."""
    return ErrorTable("paperplane", {}).make(
        grpc.StatusCode[code],
        reason,
        "Niemand heißt so. 🛩",
        error_details_pb2.BadRequest(),
    )


@dataclass
class Backend:
    """A stand-in service that can be stopped and started."""

    address: str
    does: StandIn
    server: grpc.aio.Server | None = None

    async def start(self) -> None:
        """Serve."""
        self.server = grpc.aio.server()
        self.server.add_generic_rpc_handlers((StandInService(self.does),))
        self.server.add_insecure_port(self.address)
        await self.server.start()

    async def stop(self) -> None:
        """Break off whatever is under way."""
        if self.server is not None:
            await self.server.stop(0)
            self.server = None


@dataclass
class GatewayUnderTest:
    """What a test needs of a running gateway."""

    gateway: Gateway
    does: StandIn
    backend: Backend
    channel: grpc.aio.Channel
    http: httpx.AsyncClient
    issuer: DevelopmentIssuer
    stop: Callable[[], Awaitable[None]]
    """Stops the gateway, its clients still there."""

    def authorization(self, person_id: str = "alice", lifetime_seconds: int = 60) -> str:
        """Return the header of a person's fresh token."""
        return f"Bearer {self.issuer.token(person_id, lifetime_seconds)}"

    async def get_person(
        self,
        *metadata: tuple[str, str],
        authorization: str | None = None,
        timeout: float | None = 5,  # noqa: ASYNC109 - gRPC's
        path: str = GET_PERSON,
    ) -> friendship_pb2.GetPersonResponse:
        """Call a method over gRPC."""
        call = self.channel.unary_unary(
            path,
            friendship_pb2.GetPersonRequest.SerializeToString,
            friendship_pb2.GetPersonResponse.FromString,
        )
        token = self.authorization() if authorization is None else authorization
        given = (("authorization", token),) if token else ()
        return await call(
            friendship_pb2.GetPersonRequest(person_id="bob"),
            metadata=(*given, *metadata),
            timeout=timeout,
        )

    def watch(self, authorization: str | None = None) -> grpc.aio.UnaryStreamCall[Any, Any]:
        """Open a stream over gRPC."""
        call = self.channel.unary_stream(
            WATCH_MESSAGES,
            messaging_pb2.WatchMessagesRequest.SerializeToString,
            messaging_pb2.WatchMessagesResponse.FromString,
        )
        return call(
            messaging_pb2.WatchMessagesRequest(),
            metadata=(("authorization", authorization or self.authorization()),),
        )

    async def upload(
        self,
        requests: AsyncIterator[attachments_pb2.UploadAttachmentRequest],
        authorization: str | None = None,
    ) -> attachments_pb2.UploadAttachmentResponse:
        """Stream requests over gRPC."""
        call = self.channel.stream_unary(
            UPLOAD,
            attachments_pb2.UploadAttachmentRequest.SerializeToString,
            attachments_pb2.UploadAttachmentResponse.FromString,
        )
        response: attachments_pb2.UploadAttachmentResponse = await upload(
            call(metadata=(("authorization", authorization or self.authorization()),)), requests
        )
        return response

    async def post(
        self, path: str, body: Any = None, content: Any = None, **headers: Any
    ) -> httpx.Response:
        """Call a method over HTTP, as JSON if nothing else is said."""
        given = {key.replace("_", "-"): value for key, value in headers.items()}
        return await self.http.post(
            path,
            content=json.dumps(body).encode() if content is None else content,
            headers={
                "content-type": "application/json",
                "authorization": self.authorization(),
                **given,
            },
        )


@asynccontextmanager
async def a_gateway(**options: str) -> AsyncGenerator[GatewayUnderTest]:
    """Run a gateway and stand-in services. It is its own issuer, if it isn't told of another.

    Arguments:
        options: settings of the gateway, by their names.
    """
    async with AsyncExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="pp")))
        does = StandIn()
        backend = Backend(f"unix:{folder}/s", does)
        await backend.start()
        opened.push_async_callback(backend.stop)
        environment = {
            "grpc_port": "0",
            "http_port": "0",
            "friendship": backend.address,
            "messaging": backend.address,
            "drain_seconds": "1",
            **options,
        }
        if "issuer" not in environment:
            environment |= {"development": "true", "development_key": str(folder / "key.pem")}
        settings = load_settings(
            GatewaySettings,
            {f"PAPERPLANE_{name.upper()}": value for name, value in environment.items()},
        )
        its_own = await opened.enter_async_context(AsyncExitStack())
        gateway = await its_own.enter_async_context(running(settings))
        channel = await opened.enter_async_context(
            grpc.aio.insecure_channel(
                f"127.0.0.1:{gateway.grpc_port}", [("grpc.use_local_subchannel_pool", 1)]
            )
        )
        http = await opened.enter_async_context(
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.http_port}", trust_env=False)
        )
        issuer = DevelopmentIssuer(load_key(folder / "key.pem"))
        yield GatewayUnderTest(gateway, does, backend, channel, http, issuer, its_own.aclose)


def status_of(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    """Return the status with its details that a gRPC error carries."""
    return status_pb2.Status.FromString(details_of(error))


def details_of(error: grpc.aio.AioRpcError) -> bytes:
    """Return the status with its details as it came."""
    trailing = error.trailing_metadata()
    assert trailing is not None
    details = trailing[STATUS_DETAILS_KEY]
    assert isinstance(details, bytes)
    return details


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """Return the reason that a gRPC error gives."""
    status = status_of(error)
    assert status.code == error.code().value[0]
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == "paperplane"
    assert status.message
    return info.reason


def http_reason(response: httpx.Response) -> str:
    """Return the reason that a Connect error gives, which must be there twice and the same."""
    return json_reason(response.json())


def json_reason(error: Any) -> str:
    """Return the reason that a Connect error gives, which must be there twice and the same."""
    detail = error["details"][0]
    assert detail["type"] == "google.rpc.ErrorInfo"
    info = error_details_pb2.ErrorInfo.FromString(base64.b64decode(detail["value"] + "=="))
    assert (info.domain, info.reason) == (detail["debug"]["domain"], detail["debug"]["reason"])
    assert error["message"]
    return info.reason


def envelope(data: bytes, flags: int = 0) -> bytes:
    """Frame a message as Connect streams and gRPC-Web do."""
    return struct.pack(">BI", flags, len(data)) + data


def envelopes(data: bytes) -> list[tuple[int, bytes]]:
    """Take the frames of a stream apart: flags and content."""
    found: list[tuple[int, bytes]] = []
    while data:
        flags, size = struct.unpack(">BI", data[:5])
        found.append((flags, data[5 : 5 + size]))
        data = data[5 + size :]
    return found


async def until_let_in(attempt: Callable[[], Awaitable[object]], reason: str) -> None:
    """Repeat a call for as long as it is refused for a reason."""
    async with asyncio.timeout(10):
        while True:
            try:
                await attempt()
            except grpc.aio.AioRpcError as error:
                if reason_of(error) != reason:
                    raise
            else:
                return


def peak_memory_mib() -> float:
    """Return the most memory that this process, with the servers in it, has held so far."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
_TO_JWK: dict[str, Callable[[Any], str]] = {
    "RS256": RSAAlgorithm.to_jwk,
    "ES256": ECAlgorithm.to_jwk,
    "EdDSA": OKPAlgorithm.to_jwk,
}


def new_key(algorithm: str) -> PrivateKey:
    """Make a private key for an algorithm."""
    if algorithm == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate()


@dataclass
class Issuer:
    """An identity provider outside of the gateway, with one key for each algorithm."""

    keys: dict[str, PrivateKey] = field(
        default_factory=lambda: {name: new_key(name) for name in ("ES256", "EdDSA")}
    )
    issuer: str = "https://issuer.example"
    audience: str = "paperplane-test"

    def entry(self, algorithm: str, kid: str | None = None) -> dict[str, Any]:
        """Return a public key as a JSON Web Key."""
        public: Any = self.keys[algorithm].public_key()
        entry: dict[str, Any] = json.loads(_TO_JWK[algorithm](public))
        return {**entry, "kid": kid or algorithm, "alg": algorithm, "use": "sig"}

    def key_set(self) -> bytes:
        """Return all public keys as a JSON Web Key Set."""
        return json.dumps({"keys": [self.entry(name) for name in self.keys]}).encode()

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Return good claims, with changes; None takes one away."""
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": "alice",
            "exp": int(time.time()) + 60,
            **changed,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, algorithm: str = "EdDSA", kid: str | None = None, **changed: Any) -> str:
        """Sign claims; see `claims`."""
        headers = {"kid": kid or algorithm}
        key: Any = self.keys[algorithm]
        return jwt.encode(self.claims(**changed), key, algorithm=algorithm, headers=headers)
