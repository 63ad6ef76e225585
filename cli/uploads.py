"""Sends files of this machine to the server, piece by piece and never whole in memory."""

from __future__ import annotations

import asyncio
import errno
import mimetypes
import re
import stat
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from cli.errors import CliError, Misused
from paperplane.friendship.v1 import friendship_pb2 as friendship
from paperplane.messaging.v1 import attachments_pb2 as attachments

if TYPE_CHECKING:
    from cli.client import Client
    from cli.progress import Progress
    from paperplane.messaging.v1 import messaging_pb2 as messaging

_MOST_FILES = 10
"""How many files a message takes."""
_CHUNK_BYTES = 131_072
# What the contract takes in no name: controls, both slashes, what turns the direction of text. And
# what stands for bytes of a name that are not UTF-8.
_NOT_IN_NAMES = re.compile("[\x00-\x1f\x7f-\x9f/\\\\\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

_REFUSALS = {
    "ATTACHMENT_TOO_LARGE": "is larger than this server takes",
    "ATTACHMENT_TYPE_MISMATCH": "is not what its name says: its content is of another type",
    "PHOTO_TOO_LARGE": "is larger than a photo may be",
    "PHOTO_TYPE_UNKNOWN": "is no JPEG, PNG or WebP picture",
    "PICTURE_TOO_LARGE": "has more pixels than this server takes; make it smaller",
    "PICTURE_UNREADABLE": "is a picture that can't be read; it may be damaged",
    "STORAGE_UNAVAILABLE": "can't be stored now; try again shortly",
    "TOO_MANY_UPLOADS": "has to wait: too many files of yours are under way or were never sent",
    "UPLOAD_INCOMPLETE": "did not arrive whole: it changed meanwhile, or the line is too slow",
}

RequestT = TypeVar("RequestT", attachments.UploadAttachmentRequest, friendship.SetPhotoRequest)


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of this machine that can be sent.

    Arguments:
        path: where it is.
        name: what others will see that it is called.
        content_type: its media type by its name, or empty if that tells nothing.
        size_bytes: its size.
    """

    path: Path
    name: str
    content_type: str
    size_bytes: int


def local_files(paths: Sequence[Path]) -> list[LocalFile]:
    """Look at files before any of them is sent.

    Raises:
        Misused: some can't be sent, each with the reason, or there are too many for a message.
    """
    if len(paths) > _MOST_FILES:
        raise Misused(f"A message takes {_MOST_FILES} files at most.", "TOO_MANY_FILES")
    found: list[LocalFile] = []
    problems: list[str] = []
    for path in paths:
        try:
            found.append(_look_at(path))
        except (OSError, ValueError) as error:
            problems.append(f"{path}: {_reason(error)}")
    if problems:
        raise Misused("Nothing was sent.", "FILE_UNUSABLE", notes=tuple(problems))
    return found


def _look_at(path: Path) -> LocalFile:
    status = path.stat()
    # Whatever is no file is not even opened: a pipe would wait for someone to write.
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is no ordinary file")
    path.open("rb").close()
    if not status.st_size:
        raise OSError(errno.EINVAL, "it is empty")
    return LocalFile(path, _NOT_IN_NAMES.sub("_", path.name), _media_type(path), status.st_size)


def _reason(error: OSError | ValueError) -> str:
    match error:
        case FileNotFoundError() | ValueError():
            return "there is no such file"
        case PermissionError():
            return "you may not read it"
        case IsADirectoryError():
            return "it is a folder"
        case _:
            return error.strerror or "it can't be read"


def _media_type(path: Path) -> str:
    # The suffixes alone: of a whole name, mimetypes would take "data:..." for a URL.
    media_type, compression = mimetypes.guess_type(f"file{''.join(path.suffixes[-2:])}")
    # A compressed text is no text, and what it is compressed with is no type of its own.
    return "" if media_type is None or compression else media_type.lower()


async def upload_attachment(
    client: Client, file: LocalFile, progress: Progress
) -> messaging.Attachment:
    """Upload a file, to be sent with a message. Broken off, it leaves nothing behind.

    Raises:
        CliError: it was not taken.
    """
    header = attachments.UploadHeader(
        file_name=file.name, content_type=file.content_type, size_bytes=file.size_bytes
    )
    first = attachments.UploadAttachmentRequest(header=header)
    with _opened(file) as content:
        response = await client.upload(
            client.attachments.UploadAttachment, lambda: _requests(first, file, content, progress)
        )
    return response.attachment


async def upload_photo(client: Client, file: LocalFile, progress: Progress) -> friendship.Person:
    """Make a picture the caller's photo; returns the caller with it.

    Raises:
        CliError: it was not taken, and the photo is as it was.
    """
    # Which kind of picture it is, the server sees better than we by the name.
    first = friendship.SetPhotoRequest(header=friendship.PhotoHeader(size_bytes=file.size_bytes))
    with _opened(file) as content:
        response = await client.upload(
            client.people.SetPhoto, lambda: _requests(first, file, content, progress)
        )
    return response.person


async def _requests(
    first: RequestT, file: LocalFile, content: BinaryIO, progress: Progress
) -> AsyncGenerator[RequestT, None]:
    """Yield the header, then the content from its beginning."""
    done = content.seek(0)
    progress(file.name, done, file.size_bytes)
    yield first
    # Disks of other machines can be slow, and a chat goes on meanwhile.
    while chunk := await asyncio.to_thread(content.read, _CHUNK_BYTES):
        yield type(first)(chunk=chunk)
        done += len(chunk)
        progress(file.name, done, file.size_bytes)


@contextmanager
def _opened(file: LocalFile) -> Generator[BinaryIO]:
    """Open a file that is sent; errors name it, and say in plain words what is wrong with it."""
    try:
        with file.path.open("rb") as content:
            yield content
    except OSError as error:
        raise Misused(f"{file.path}: {_reason(error)}", "FILE_UNUSABLE") from None
    except CliError as error:
        if error.reason not in _REFUSALS:
            raise
        sentence = f"{file.name} {_REFUSALS[error.reason]}."
        raise type(error)(sentence, error.reason, error.code, error.notes) from None
