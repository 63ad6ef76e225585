"""Takes an upload in: into a file without a name, so that whatever happens nothing is left of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO

from chassis.files.refusals import UploadEmpty, UploadIncomplete, UploadTooLarge
from chassis.files.scratch import refusing_full_disks, scratch_file

HEAD_BYTES = 64 * 1024
"""How much of an upload's beginning is at hand, for telling its type."""


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload that has come in whole. Its file lasts as long as the context it was given by.

    Arguments:
        file: what came, open for reading and writing.
        size: in bytes.
        head: its first 64 KiB, or all if it is shorter.
    """

    file: BinaryIO
    size: int
    head: bytes


@asynccontextmanager
async def spool(
    chunks: AsyncIterator[bytes], *, max_bytes: int, declared: int = 0, idle_seconds: float = 60.0
) -> AsyncGenerator[Upload]:
    """Take in an upload, and give it for as long as the context lasts.

    The file is in the system's folder for temporary files (`TMPDIR`), which must not be in memory.

    Arguments:
        chunks: the content, piece by piece.
        max_bytes: how much is taken.
        declared: how many bytes are to come, or 0 if nobody said.
        idle_seconds: how long to wait for the next byte.

    Raises:
        UploadTooLarge: more is declared, or came, than is taken.
        UploadIncomplete: it is not as much as declared, or the next byte did not come in time.
        UploadEmpty: nothing came.
        FilesUnavailable: there is no room for it.
    """
    if declared > max_bytes:
        raise UploadTooLarge
    with scratch_file() as file:
        size = 0
        head = bytearray()
        async with aclosing(_timely(chunks, idle_seconds)) as timely:
            async for chunk in timely:
                size += len(chunk)
                if size > max_bytes:
                    raise UploadTooLarge
                if 0 < declared < size:
                    raise UploadIncomplete
                head += chunk[: HEAD_BYTES - len(head)]
                with refusing_full_disks():
                    await asyncio.to_thread(file.write, chunk)
        if size == 0:
            raise UploadEmpty
        if size < declared:
            raise UploadIncomplete
        with refusing_full_disks():
            await asyncio.to_thread(file.flush)
        yield Upload(file, size, bytes(head))


async def _timely(chunks: AsyncIterator[bytes], idle_seconds: float) -> AsyncGenerator[bytes]:
    """Yield the chunks that hold anything, each in its time: an empty one gains nobody time."""
    now = asyncio.get_running_loop().time
    until = now() + idle_seconds
    while True:
        try:
            async with asyncio.timeout_at(until):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise UploadIncomplete from None
        if chunk:
            yield chunk
            until = now() + idle_seconds
        elif now() > until:
            raise UploadIncomplete
