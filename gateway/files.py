"""Files over plain HTTP, which browsers and curl find easier than streams: attachments and photos."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc
import structlog

from chassis.calls import REQUEST_ID_KEY
from chassis.errors import CODES, reason_of
from chassis.refusals import InvalidRequest
from gateway.admission import Admitted, read_presented
from gateway.asgi import (
    Disconnected,
    header,
    http_status_of,
    respond,
    respond_error,
    text_headers,
)
from gateway.bodies import Answer, Body
from gateway.codecs import render_json
from gateway.errors import (
    AttachmentUnknown,
    BodyEncoded,
    ForwardedStatus,
    status_of,
)
from gateway.file_headers import (
    Range,
    disposition,
    file_name_of,
    guarding,
    parse_range,
    unmet_condition,
)
from gateway.forwarding import call_within
from paperplane.friendship.v1 import friendship_pb2
from paperplane.messaging.v1 import attachments_pb2

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from google.rpc import status_pb2

    from gateway.admission import HttpAdmission
    from gateway.asgi import App, Receive, Scope, Send
    from gateway.forwarding import Forwarders

_CHUNK = 131_072
"""How much of a file goes in one request, by the contract."""
_ATTACHMENTS = "/paperplane.messaging.v1.AttachmentService"
_PEOPLE = "/paperplane.friendship.v1.PeopleService"
_MOST_BYTES = 2**63 - 1
_log = structlog.get_logger(__name__)
_SIZES = {"96": friendship_pb2.PHOTO_SIZE_SMALL, "512": friendship_pb2.PHOTO_SIZE_LARGE}
_FOR_EVER = b"private, max-age=31536000, immutable"
_HTTP_STATUS = {
    "ATTACHMENT_TOO_LARGE": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "PHOTO_TOO_LARGE": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "RANGE_NOT_SATISFIABLE": HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    "CONTENT_ENCODING_UNKNOWN": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
}
"""Where HTTP says more than the status code that Connect would give."""


class _Request(NamedTuple):
    """A request that was let in."""

    scope: Scope
    body: Body
    send: Send
    admitted: Admitted

    @property
    def is_head(self) -> bool:
        return bool(self.scope["method"] == "HEAD")

    def header(self, name: bytes) -> str:
        return header(self.scope, name)


_Serve = Callable[[_Request], Awaitable[None]]


class FileEdge:
    """Serves attachments and photos: `/attachments`, `/photo`, and what lies below `/photos/`.

    Arguments:
        admission: lets requests in.
        forwarders: take them to the services.
        default_timeout: how many seconds a call may take that is no stream.
    """

    def __init__(
        self, admission: HttpAdmission, forwarders: Forwarders, default_timeout: float
    ) -> None:
        self._admission = admission
        self._default_timeout = default_timeout
        self._unary = {route.path: to for route, to in forwarders.unary.items()}
        self._downloads = {route.path: to for route, to in forwarders.server_streams.items()}
        self._uploads = {route.path: to for route, to in forwarders.client_streams.items()}

    def pages(self) -> Mapping[str, App]:
        """Return what is served at which path; below those that end with a slash, at any."""
        get_photo, get_attachment = self._get_photo, self._get_attachment
        return {
            "/attachments": self._page({"PUT": self._put_attachment}),
            "/attachments/": self._page({"GET": get_attachment, "HEAD": get_attachment}),
            "/photo": self._page({"PUT": self._put_photo, "DELETE": self._delete_photo}),
            "/photos/": self._page({"GET": get_photo, "HEAD": get_photo}),
        }

    def _page(self, verbs: Mapping[str, _Serve]) -> App:
        async def page(scope: Scope, receive: Receive, send: Send) -> None:
            serve = verbs.get(scope["method"])
            if serve is None:
                allow = ", ".join(verbs)
                await respond(
                    send,
                    HTTPStatus.METHOD_NOT_ALLOWED,
                    f"use {allow}\n",
                    headers=((b"allow", allow.encode()),),
                )
                return
            headers = text_headers(scope)
            presented = read_presented(headers)
            body, answer = Body(receive), Answer(send)
            try:
                admitted = await self._admission.admit(presented, scope["method"], headers)
                await serve(_Request(scope, body, answer.send, admitted))
            except Disconnected:
                return
            except Exception as error:  # noqa: BLE001 - masked and logged
                status = _status_for(scope, error, presented.request_id)
                if answer.begun:
                    # That it is not the whole shows by its length; there is no other way to tell.
                    _log.warning("download.broken_off", reason=reason_of(status))
                    return
                await _refuse(status, body, send, presented.request_id)

        return page

    async def _put_attachment(self, request: _Request) -> None:
        try:
            name = file_name_of(request.header(b"content-disposition"))
        except ValueError:
            name = ""
        if not name:
            raise InvalidRequest.field(
                "content-disposition",
                "name the file: Content-Disposition: attachment; filename*=UTF-8''plan%20B.pdf",
            )
        first = attachments_pb2.UploadAttachmentRequest(
            header=attachments_pb2.UploadHeader(
                file_name=name, content_type=_content_type(request), size_bytes=_length(request)
            )
        )
        answer = await self._upload(f"{_ATTACHMENTS}/UploadAttachment", first, request)
        kind = attachments_pb2.UploadAttachmentResponse
        await _respond_message(request, HTTPStatus.CREATED, answer, kind)

    async def _put_photo(self, request: _Request) -> None:
        first = friendship_pb2.SetPhotoRequest(
            header=friendship_pb2.PhotoHeader(
                content_type=_content_type(request), size_bytes=_length(request)
            )
        )
        answer = await self._upload(f"{_PEOPLE}/SetPhoto", first, request)
        await _respond_message(request, HTTPStatus.OK, answer, friendship_pb2.SetPhotoResponse)

    async def _delete_photo(self, request: _Request) -> None:
        answer = await self._call(
            f"{_PEOPLE}/DeletePhoto", friendship_pb2.DeletePhotoRequest(), request
        )
        await _respond_message(request, HTTPStatus.OK, answer, friendship_pb2.DeletePhotoResponse)

    async def _get_photo(self, request: _Request) -> None:
        photo_id, _, size = request.scope["path"].removeprefix("/photos/").partition("/")
        wanted = friendship_pb2.GetPhotoRequest(
            photo_id=photo_id,
            size=_SIZES.get(size, friendship_pb2.PHOTO_SIZE_UNSPECIFIED),
        )
        answer = await self._call(f"{_PEOPLE}/GetPhoto", wanted, request)
        photo = friendship_pb2.GetPhotoResponse.FromString(answer)
        headers = [
            *guarding(photo.content_type),
            (b"cache-control", _FOR_EVER),
            (b"content-length", str(len(photo.content)).encode()),
        ]
        await _start(request, HTTPStatus.OK, headers)
        body = b"" if request.is_head else photo.content
        await request.send({"type": "http.response.body", "body": body})

    async def _get_attachment(self, request: _Request) -> None:
        attachment_id = request.scope["path"].removeprefix("/attachments/")
        preview = request.scope["query_string"] == b"preview=1"
        tag = f'"{attachment_id}{".preview" if preview else ""}"'
        wanted = parse_range(request.header(b"range"))
        if request.header(b"if-range") not in ("", tag):
            wanted = None
        download = _Download(attachment_id, preview=preview, tag=tag, wanted=wanted)
        if wanted is not None and wanted.first is None:
            # The end of a file can only be asked for by who knows its length.
            download = download.resolved(await self._length_of(download, request))
        message = download.head() if request.is_head else download.request()
        try:
            async with aclosing(self._answers(message, request)) as answers:
                await _give_out(download, await _header(answers), answers, request)
        except ForwardedStatus as refused:
            if reason_of(refused.status) != "RANGE_NOT_SATISFIABLE":
                raise
            length = await self._length_of(download, request)
            told = (b"content-range", f"bytes */{length}".encode())
            request_id = request.admitted.call.request_id
            await _refuse(refused.status, request.body, request.send, request_id, told)

    async def _length_of(self, download: _Download, request: _Request) -> int:
        async with aclosing(self._answers(download.head(), request)) as answers:
            return (await _header(answers)).total_bytes

    async def _call(self, path: str, message: Message, request: _Request) -> bytes:
        return await call_within(
            self._unary[path],
            message.SerializeToString(),
            request.admitted.call,
            None,
            self._default_timeout,
        )

    async def _upload(self, path: str, first: Message, request: _Request) -> bytes:
        """Forward a header and then the body of a request, as it comes."""
        if request.header(b"content-encoding") not in ("", "identity"):
            raise BodyEncoded
        call, expires_at = request.admitted
        async with aclosing(_requests(first, request.body)) as requests:
            return await self._uploads[path].call(requests, call, None, expires_at)

    def _answers(self, message: Message, request: _Request) -> AsyncGenerator[bytes]:
        call, expires_at = request.admitted
        to = self._downloads[f"{_ATTACHMENTS}/DownloadAttachment"]
        return to.call(message.SerializeToString(), call, None, expires_at)


class _Download(NamedTuple):
    """What is asked for of an attachment."""

    attachment_id: str
    preview: bool
    tag: str
    wanted: Range | None

    def request(self) -> attachments_pb2.DownloadAttachmentRequest:
        first, last = self.wanted or (0, None)
        assert first is not None
        return attachments_pb2.DownloadAttachmentRequest(
            attachment_id=self.attachment_id,
            preview=self.preview,
            offset=first,
            length=0 if last is None else last - first + 1,
        )

    def head(self) -> attachments_pb2.DownloadAttachmentRequest:
        """Return what asks for no more than the header, and the least content that can be."""
        return attachments_pb2.DownloadAttachmentRequest(
            attachment_id=self.attachment_id, preview=self.preview, length=1
        )

    def resolved(self, total: int) -> _Download:
        """Return it with the end of a file of this length said in bytes from its beginning."""
        assert self.wanted is not None
        assert self.wanted.last is not None
        return self._replace(wanted=Range(max(0, total - self.wanted.last), None))


async def _header(answers: AsyncIterator[bytes]) -> attachments_pb2.DownloadHeader:
    return attachments_pb2.DownloadAttachmentResponse.FromString(await anext(answers)).header


async def _give_out(
    download: _Download,
    said: attachments_pb2.DownloadHeader,
    answers: AsyncIterator[bytes],
    request: _Request,
) -> None:
    tag = (b"etag", download.tag.encode())
    conditions = request.header(b"if-match"), request.header(b"if-none-match")
    if (unmet := unmet_condition(*conditions, download.tag)) is not None:
        await _start(request, unmet, [tag])
        await request.send({"type": "http.response.body"})
        return
    total = said.total_bytes
    headers = [
        *guarding(said.content_type),
        (
            b"content-disposition",
            disposition(said.attachment.file_name, said.content_type).encode(),
        ),
        (b"cache-control", b"private, no-store"),
        (b"accept-ranges", b"bytes"),
        tag,
    ]
    status, size = HTTPStatus.OK, total
    if download.wanted is not None and not request.is_head:
        first, last = download.wanted.first or 0, download.wanted.last
        end = total - 1 if last is None else min(last, total - 1)
        status, size = HTTPStatus.PARTIAL_CONTENT, end - first + 1
        headers.append((b"content-range", f"bytes {first}-{end}/{total}".encode()))
    await _start(request, status, [*headers, (b"content-length", str(size).encode())])
    if not request.is_head:
        async with request.body.watched() as gone:
            async for answer in answers:
                # What is sent to a client that has left goes nowhere, and nobody says so.
                if gone.done():
                    raise Disconnected
                piece = attachments_pb2.DownloadAttachmentResponse.FromString(answer).chunk
                await request.send({"type": "http.response.body", "body": piece, "more_body": True})
    await request.send({"type": "http.response.body"})


async def _requests(first: Message, body: Body) -> AsyncGenerator[bytes]:
    """Yield an upload's requests: its header, then the body in pieces.

    Raises:
        Disconnected: the client left before the end.
    """
    yield first.SerializeToString()
    kind: Any = type(first)
    async for piece in body.pieces():
        for begin in range(0, len(piece), _CHUNK):
            yield kind(chunk=piece[begin : begin + _CHUNK]).SerializeToString()


def _content_type(request: _Request) -> str:
    return request.header(b"content-type").partition(";")[0].strip().lower()


def _length(request: _Request) -> int:
    digits = request.header(b"content-length")
    return min(int(digits), _MOST_BYTES) if digits.isdecimal() and len(digits) < 30 else 0


def _hides(status: status_pb2.Status) -> bool:
    # Of a request for a file, nothing can be invalid but its id.
    return CODES[status.code] in (
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.INVALID_ARGUMENT,
    )


async def _start(request: _Request, status: HTTPStatus, headers: list[tuple[bytes, bytes]]) -> None:
    request_id = request.admitted.call.request_id.encode()
    await request.send(
        {
            "type": "http.response.start",
            "status": status.value,
            "headers": [*headers, (REQUEST_ID_KEY.encode(), request_id)],
        }
    )


async def _respond_message(
    request: _Request, status: HTTPStatus, answer: bytes, kind: type[Message]
) -> None:
    request_id = request.admitted.call.request_id.encode()
    await respond(
        request.send,
        status,
        render_json(answer, kind).decode(),
        "application/json",
        ((REQUEST_ID_KEY.encode(), request_id),),
    )


def _status_for(scope: Scope, error: Exception, request_id: str) -> status_pb2.Status:
    status = status_of(error, request_id)
    if scope["path"].startswith("/attachments/") and _hides(status):
        # Whoever is signed out gets the answer of a stranger, and both that of no attachment.
        return status_of(AttachmentUnknown(), request_id)
    return status


async def _refuse(
    status: status_pb2.Status, body: Body, send: Send, request_id: str, *more: tuple[bytes, bytes]
) -> None:
    http_status = _HTTP_STATUS.get(reason_of(status)) or http_status_of(status)
    headers = ((REQUEST_ID_KEY.encode(), request_id.encode()), (b"connection", b"close"), *more)
    await respond_error(body.draining(send), http_status, status, headers)
