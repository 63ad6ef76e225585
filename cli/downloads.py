"""Brings files to this machine: whole or not at all, over nothing, and nowhere but where asked."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, BinaryIO

from cli.errors import CliError, Misused, Refused, Unreachable
from cli.text import one_line
from paperplane.messaging.v1 import attachments_pb2 as attachments

if TYPE_CHECKING:
    from cli.client import Client
    from cli.progress import Progress
    from paperplane.messaging.v1 import messaging_pb2 as messaging

_MOST_NAME_BYTES = 200
"""File systems take 255, of which a number and its brackets need some."""
_MOST_FRUITLESS = 4
"""How often in a row a download is taken up again without a byte to show for it."""
# A folder may lie on a disk that other systems write to, and these characters mean something there.
_NOT_IN_NAMES = re.compile(r'[<>:"/\\|?*]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


def safe_name(name: str) -> str:
    """Return a name for a file of this machine, after what its sender calls it.

    It names no path and no device, has nothing that a terminal or a shell would obey, is not hidden
    and not too long; its suffix stays.
    """
    name = one_line(re.split(r"[/\\]", name)[-1])
    name = _NOT_IN_NAMES.sub("_", name).lstrip("-.~ ").rstrip(". ")
    if _DEVICES.match(name):
        name = f"_{name}"
    suffix = PurePath(name).suffix
    if len(suffix.encode()) > _MOST_NAME_BYTES // 2:
        suffix = ""
    stem = name.removesuffix(suffix).encode()[: _MOST_NAME_BYTES - len(suffix.encode())]
    return (stem.decode(errors="ignore") + suffix) or "file"


def attachments_of(
    message: messaging.Message, only: int | None = None
) -> Sequence[messaging.Attachment]:
    """Return the files of a message.

    Arguments:
        message: which.
        only: the number of the one that is wanted, from 1; None for all.

    Raises:
        Refused: it has none.
        Misused: it has none of this number.
    """
    if message.HasField("delete_time"):
        raise Refused(f"Message #{message.seq} is deleted, and its files are.", "MESSAGE_DELETED")
    if not message.attachments:
        raise Refused(f"Message #{message.seq} has no files.", "NO_FILES")
    if only is None:
        return message.attachments
    if only > len(message.attachments):
        count = len(message.attachments)
        raise Misused(f"Message #{message.seq} has {count} files, so none is number {only}.")
    return [message.attachments[only - 1]]


def check_folder(folder: Path) -> None:
    """Look at a folder before anything is downloaded.

    Raises:
        Misused: it is none.
    """
    if not folder.is_dir():
        raise Misused(f"{folder}: there is no such folder.", "FOLDER_UNUSABLE")


async def download_attachment(
    client: Client, attachment: messaging.Attachment, folder: Path, progress: Progress
) -> Path:
    """Download a file; returns where it is.

    Until it is complete it has a name of its own, and if it never is, nothing stays of it.

    Arguments:
        client: of one who may have the file.
        attachment: which.
        folder: where to put it. What is there stays: the file then gets a number.
        progress: is told how far it has come.

    Raises:
        CliError: it can't be had, or not be written.
    """
    name = safe_name(attachment.file_name)
    part = folder / f".paperplane-{uuid.uuid4()}.part"
    try:
        # Not as a temporary file, which nobody else could read even once it is complete.
        with part.open("xb") as file:
            await _receive(client, attachment, file, progress)
        return _place(part, folder, name)
    except OSError as error:
        words = error.strerror or "it can't be written"
        raise CliError(f"{folder / name}: {words}.", "FILE_NOT_WRITTEN") from None
    finally:
        part.unlink(missing_ok=True)


async def _receive(
    client: Client, attachment: messaging.Attachment, file: BinaryIO, progress: Progress
) -> None:
    """Write a file's content, going on where it breaks off for as long as that leads anywhere."""
    received = fruitless = 0
    progress(attachment.file_name, 0, attachment.size_bytes)
    while received != attachment.size_bytes:
        before = received
        request = attachments.DownloadAttachmentRequest(
            attachment_id=attachment.attachment_id, offset=received
        )
        try:
            responses = client.stream(client.attachments.DownloadAttachment, request)
            async with aclosing(responses):
                async for response in responses:
                    received += file.write(response.chunk)
                    progress(attachment.file_name, received, attachment.size_bytes)
            if received == before:
                raise Unreachable("The file came incomplete. Try again.", "DOWNLOAD_INCOMPLETE")
        except CliError as error:
            fruitless = 0 if received > before else fruitless + 1
            if fruitless > _most_fruitless(error):
                raise
            await asyncio.sleep(0.1 * 2**fruitless)


def _most_fruitless(error: CliError) -> int:
    if isinstance(error, Unreachable):
        return _MOST_FRUITLESS
    # There is a new token by now, if one can be had; it helps at once or not at all.
    return 1 if error.code == "UNAUTHENTICATED" else 0


def _place(part: Path, folder: Path, name: str) -> Path:
    """Give a complete file its name, with a number if the name is taken."""
    plain, path, number = PurePath(name), folder / name, 1
    while True:
        try:
            # Taken in one step: two downloads at a time can't both find the name free.
            path.open("xb").close()
        except FileExistsError:
            number += 1
            path = folder / f"{plain.stem} ({number}){plain.suffix}"
        else:
            return part.replace(path)
