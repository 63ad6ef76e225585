"""Keeps files under keys in a folder or an S3 bucket, durably, and without ever holding one whole."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
import time
from collections.abc import AsyncGenerator, Collection, Generator, Iterable
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self
from urllib.parse import unquote, urlsplit

import structlog
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from chassis.files.refusals import FileMissing, FilesUnavailable
from chassis.process import StartError

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.store import ClientConfig, RetryConfig

_log = structlog.get_logger(__name__)

_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_PARTIAL = re.compile(r".+#\d+")
"""What obstore calls a file that it is still writing: its final name, `#` and a number."""
_PROBE = "probe"

_PART = 5 * 1024 * 1024
"""How much of a file is put at once, in bytes. S3 takes no smaller part than this."""
_READ = 256 * 1024
"""How much is read of a file that is put, in bytes."""
_PIECE = 64 * 1024
"""How much is read at least from the store, in bytes."""
_MAX_PIECE = 128 * 1024
"""How much is handed out at most, in bytes: a network may bring more at a time."""
_PUTS_AT_ONCE = 2

_CLIENT: ClientConfig = {
    "connect_timeout": "5s",
    # A download takes as long as its reader does, so that only silence counts as failure.
    "read_timeout": "30s",
    "timeout": "1day",
    # For an endpoint that the operator names so; by itself it is https.
    "allow_http": True,
}
_RETRY: RetryConfig = {"max_retries": 3, "retry_timeout": timedelta(seconds=20)}
_OS_ERROR = re.compile(r"os error (\d+)")


class FileStore:
    """Files by key, in a folder of this machine or in a bucket.

    A key is made by the caller of ids that the caller made: never of what people call things.
    A file that has been put is never changed, only deleted. `open` makes one.

    Arguments:
        store: where the files are kept.
        folder: the folder where they are kept, if it is one.
    """

    def __init__(self, store: LocalStore | S3Store, folder: Path | None) -> None:
        self._store = store
        self._folder = folder
        # Each holds a part in memory: a hundred uploads that end together take turns.
        self._turns = asyncio.Semaphore(_PUTS_AT_ONCE)

    @classmethod
    async def open(cls, url: str) -> Self:
        """Open the store that an option names, and try it out. Other replicas may use it, too.

        Arguments:
            url: `file:///absolute/folder`, which is made for this user alone if it is not there,
                or `s3://bucket/prefix`, whose region, endpoint and credentials are those of the
                environment variables that Amazon's own tools read (`AWS_REGION`,
                `AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID` and so on).

        Raises:
            StartError: the URL is none of these, or nothing can be kept there now.
        """
        parts = urlsplit(url)
        if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
            return cls(*_open_folder(url, Path(unquote(parts.path))))
        if parts.scheme == "s3" and parts.netloc and not parts.query and not parts.fragment:
            return cls(await _open_bucket(url), None)
        message = f"{url}: files are kept in file:///absolute/folder or s3://bucket/prefix"
        raise StartError(message)

    async def put(self, key: str, file: BinaryIO) -> None:
        """Keep a file, from its beginning to its end. Once this returns, a power cut can't undo it.

        When it is cancelled it is kept all the same, before the caller is told: else it could appear
        after the caller has deleted it.

        Arguments:
            key: where to keep it.
            file: what to keep. Nobody else may read or write it meanwhile.

        Raises:
            FilesUnavailable: it is not kept, or at least not for certain.
        """
        _check(key)
        async with self._turns:
            putting = asyncio.create_task(self._put(key, file))
            try:
                await asyncio.shield(putting)
            except asyncio.CancelledError:
                while not putting.done():
                    with suppress(asyncio.CancelledError):
                        await asyncio.wait((putting,))
                # What came of it is of no more interest.
                putting.exception()
                raise

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes]:
        """Yield a file, or a part of it, in pieces of at most 128 KiB.

        Arguments:
            key: where it is kept.
            start: the first byte wanted, counted from 0. It must be before the end of the file.
            end: the first byte no longer wanted. Left out, or behind the end: all there are.

        Raises:
            FileMissing: there is no such file.
            FilesUnavailable: it can't be read, or not to its end.
        """
        _check(key)
        # An empty range is an error of obstore's, and so is any range of an empty file.
        if end is not None and start >= end:
            return
        part: GetOptions | None = None
        if start or end is not None:
            part = {"range": {"offset": start} if end is None else (start, end)}
        with _storage("read"):
            found = await self._store.get_async(key, options=part)
            async for piece in found.stream(min_chunk_size=_PIECE):
                for at in range(0, len(piece), _MAX_PIECE):
                    yield piece[at : at + _MAX_PIECE]

    async def delete(self, keys: Collection[str]) -> None:
        """Delete files for good. One that is not there is deleted already.

        Raises:
            FilesUnavailable: some may still be there.
        """
        for key in keys:
            _check(key)
        with _storage("delete"):
            if self._folder is not None:
                await asyncio.to_thread(_delete, [self._folder / key for key in keys])
            elif keys:
                await self._store.delete_async(list(keys))

    async def sweep_partial(self, older_than_seconds: float) -> int:
        """Delete what a killed process left half written, and return how many files that were.

        In a bucket such parts can't be seen: a lifecycle rule of its own ends uploads that were
        never completed.

        Arguments:
            older_than_seconds: how long nothing was written to what is deleted. Whoever still writes
                it has written something since.

        Raises:
            FilesUnavailable: some may still be there.
        """
        if self._folder is None:
            return 0
        with _storage("sweep"):
            before = time.time() - older_than_seconds
            return await asyncio.to_thread(_sweep, self._folder, before)

    async def _put(self, key: str, file: BinaryIO) -> None:
        with _storage("put"):
            content = await _content(file)
            await self._store.put_async(key, content, chunk_size=_PART, max_concurrency=1)
            if self._folder is not None:
                await asyncio.to_thread(_sync, self._folder / key, self._folder)


def _open_folder(url: str, folder: Path) -> tuple[LocalStore, Path]:
    try:
        is_new = not folder.exists()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if is_new:
            _fsync(folder.parent)
        with tempfile.TemporaryFile(dir=folder):
            return LocalStore(folder), folder
    except OSError as error:
        raise _start_error(url, error) from error


async def _open_bucket(url: str) -> S3Store:
    try:
        store = S3Store.from_url(url, client_options=_CLIENT, retry_config=_RETRY)
        await store.put_async(_PROBE, b"", use_multipart=False)
        await store.delete_async([_PROBE])
    except (OSError, ValueError, BaseError) as error:
        raise _start_error(url, error) from error
    return store


def _start_error(url: str, error: Exception) -> StartError:
    return StartError(f"{url}: no files can be kept there: {str(error).partition(chr(10))[0]}")


def _check(key: str) -> None:
    if _KEY.fullmatch(key) is None:
        message = "a key has parts of A-Z a-z 0-9 . _ - with / between them, none beginning with ."
        raise ValueError(message)


@contextmanager
def _storage(doing: str) -> Generator[None]:
    """Refuse for what goes wrong with the storage, and log why, without keys."""
    try:
        yield
    except FileNotFoundError as error:
        _log.warning("files.missing", doing=doing)
        raise FileMissing from error
    except (OSError, BaseError) as error:
        # What obstore says holds keys; the number of the system's error tells a full disk.
        reason = _OS_ERROR.search(str(error))
        _log.error(
            "files.unavailable",
            doing=doing,
            error=type(error).__name__,
            reason=os.strerror(int(reason[1])) if reason else None,
        )
        raise FilesUnavailable from error


async def _content(file: BinaryIO) -> bytes | AsyncGenerator[bytes]:
    """Return what a file holds: all of it if that is no more than a part, else in pieces."""
    size = await asyncio.to_thread(file.seek, 0, os.SEEK_END)
    await asyncio.to_thread(file.seek, 0)
    if size <= _PART:
        return await asyncio.to_thread(file.read)
    return _pieces(file)


async def _pieces(file: BinaryIO) -> AsyncGenerator[bytes]:
    while piece := await asyncio.to_thread(file.read, _READ):
        yield piece


def _sync(file: Path, folder: Path) -> None:
    """Write a file, its name, and the folders down to it to disk: obstore does not."""
    for path in (file, *file.parents):
        _fsync(path)
        if path == folder:
            break


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _delete(files: Iterable[Path]) -> None:
    folders: set[Path] = set()
    for file in files:
        try:
            file.unlink()
        except FileNotFoundError:
            continue
        folders.add(file.parent)
    for folder in folders:
        _fsync(folder)


def _sweep(folder: Path, before: float) -> int:
    swept = 0
    for path in folder.rglob("*"):
        if _PARTIAL.fullmatch(path.name) is None:
            continue
        try:
            if path.stat().st_mtime <= before:
                path.unlink()
                swept += 1
        except FileNotFoundError:
            # It has just got its final name.
            continue
    return swept
