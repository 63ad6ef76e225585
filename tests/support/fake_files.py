"""The fake backend's files: attachments and photos, as the contract promises them to one client."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import grpc
import protovalidate
from PIL import Image, UnidentifiedImageError

from paperplane.friendship.v1 import friendship_pb2 as friendship
from paperplane.messaging.v1 import attachments_pb2 as attachments
from paperplane.messaging.v1 import attachments_pb2_grpc as attachments_grpc
from paperplane.messaging.v1 import messaging_pb2 as messaging
from tests.support.fake_refusals import Context, refuse

if TYPE_CHECKING:
    from tests.support.fake_backend import FakeBackend

_CHUNK_BYTES = 65_536
_PICTURES = ("image/jpeg", "image/png", "image/gif", "image/webp")


@dataclass
class StoredFile:
    """A file, and who may have it."""

    attachment: messaging.Attachment
    content: bytes
    preview: bytes
    readers: frozenset[str]
    is_sent: bool = False


class Cut(NamedTuple):
    """Where a transfer breaks off, and how."""

    after_bytes: int
    code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE
    reason: str = "SERVICE_UNAVAILABLE"

    def refuse(self, context: Context) -> NoReturn:
        refuse(context, self.code, self.reason, "It broke off.")


class Files:
    """What is kept, and what tests arrange about it."""

    def __init__(self) -> None:
        self.stored: dict[str, StoredFile] = {}
        self.photos: dict[str, dict[friendship.PhotoSize.ValueType, bytes]] = {}
        self.most_bytes = 1_000_000
        """The size of the largest file that is taken."""
        self.cuts: list[Cut] = []
        """Where each of the next transfers breaks off."""
        self.go_on = threading.Event()
        """While it is not set, transfers wait after their first piece."""
        self.go_on.set()
        self.has_begun = threading.Event()
        """A transfer's first piece is through."""

    def wait(self, context: Context) -> None:
        """Let a transfer go on once it may, or once it has ended."""
        self.has_begun.set()
        while context.is_active() and not self.go_on.wait(timeout=0.02):
            pass

    def receive(
        self, context: Context, requests: Iterator[Any], too_large: str
    ) -> tuple[Any, bytes]:
        """Take in an upload; returns its header and its content."""
        first = self._checked(context, next(requests))
        size, content = first.header.size_bytes, bytearray()
        if size > self.most_bytes:
            refuse(context, grpc.StatusCode.RESOURCE_EXHAUSTED, too_large, "It is too large.")
        cut = self.cuts.pop(0) if self.cuts else None
        for request in requests:
            content += self._checked(context, request).chunk
            if cut is not None and len(content) >= cut.after_bytes:
                cut.refuse(context)
            self.wait(context)
        if len(content) != size:
            code = grpc.StatusCode.INVALID_ARGUMENT
            refuse(context, code, "UPLOAD_INCOMPLETE", "It is not what was announced.")
        return first.header, bytes(content)

    @staticmethod
    def _checked(context: Context, request: Any) -> Any:
        try:
            protovalidate.validate(request)
        except protovalidate.ValidationError as error:
            refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", str(error))
        return request


class Attachments(attachments_grpc.AttachmentServiceServicer):
    """AttachmentService."""

    def __init__(self, backend: FakeBackend) -> None:
        self._backend = backend
        self._files = backend.files

    def UploadAttachment(
        self, request_iterator: Any, context: Any
    ) -> attachments.UploadAttachmentResponse:
        caller = self._backend.caller(context, "UploadAttachment", None)
        header, content = self._files.receive(context, request_iterator, "ATTACHMENT_TOO_LARGE")
        attachment = messaging.Attachment(
            attachment_id=self._backend.new_id(),
            file_name=header.file_name,
            content_type=header.content_type or "application/octet-stream",
            size_bytes=len(content),
        )
        preview = b""
        if header.content_type in _PICTURES:
            picture = read_picture(context, content, "ATTACHMENT_TYPE_MISMATCH")
            attachment.width, attachment.height = picture.size
            attachment.has_preview = True
            picture.thumbnail((800, 800))
            preview = as_jpeg(picture)
        self._backend.maybe_unavailable(context, "UploadAttachment")
        stored = StoredFile(attachment, content, preview, frozenset({caller}))
        self._files.stored[attachment.attachment_id] = stored
        return attachments.UploadAttachmentResponse(attachment=attachment)

    def DownloadAttachment(
        self, request: Any, context: Any
    ) -> Iterator[attachments.DownloadAttachmentResponse]:
        caller = self._backend.caller(context, "DownloadAttachment", request)
        stored = self._files.stored.get(request.attachment_id)
        content = (stored.preview if request.preview else stored.content) if stored else b""
        if stored is None or caller not in stored.readers or not content:
            refuse(context, grpc.StatusCode.NOT_FOUND, "ATTACHMENT_NOT_FOUND", "There is none.")
        if request.offset > len(content):
            code = grpc.StatusCode.OUT_OF_RANGE
            refuse(context, code, "RANGE_NOT_SATISFIABLE", "The offset is behind the end.")
        header = attachments.DownloadHeader(attachment=stored.attachment, total_bytes=len(content))
        yield attachments.DownloadAttachmentResponse(header=header)
        cut = self._files.cuts.pop(0) if self._files.cuts else Cut(len(content))
        wanted = content[request.offset : request.offset + cut.after_bytes]
        for start in range(0, len(wanted), _CHUNK_BYTES):
            piece = wanted[start : start + _CHUNK_BYTES]
            yield attachments.DownloadAttachmentResponse(chunk=piece)
            self._files.wait(context)
        if request.offset + len(wanted) < len(content):
            cut.refuse(context)


def read_picture(context: Context, content: bytes, reason: str) -> Image.Image:
    """Open a picture, or refuse what is none."""
    try:
        return Image.open(io.BytesIO(content)).convert("RGB")
    except UnidentifiedImageError:
        refuse(context, grpc.StatusCode.INVALID_ARGUMENT, reason, "It is of another type.")


def as_jpeg(picture: Image.Image) -> bytes:
    """Write a picture."""
    written = io.BytesIO()
    picture.save(written, "JPEG")
    return written.getvalue()
