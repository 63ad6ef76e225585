"""Uploads are taken in whole or not at all, and never kept under a name."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import AsyncIterator, Iterator

import pytest

from chassis.files.refusals import FilesUnavailable, UploadEmpty, UploadIncomplete, UploadTooLarge
from chassis.files.spool import HEAD_BYTES, spool


async def chunks(*given: bytes) -> AsyncIterator[bytes]:
    for chunk in given:
        yield chunk


async def then_nothing(*given: bytes) -> AsyncIterator[bytes]:
    for chunk in given:
        yield chunk
    await asyncio.Event().wait()


async def only_empty_ones() -> AsyncIterator[bytes]:
    while True:
        await asyncio.sleep(0)
        yield b""


async def test_what_comes_is_given_from_its_beginning_to_its_end() -> None:
    async with spool(chunks(b"one", b"", b"two"), max_bytes=6, declared=6) as upload:
        upload.file.seek(0)
        assert (upload.size, upload.head, upload.file.read()) == (6, b"onetwo", b"onetwo")


async def test_only_the_head_is_held_in_memory() -> None:
    async with spool(chunks(*[b"x" * 100_000] * 3), max_bytes=300_000) as upload:
        assert upload.size == 300_000
        assert len(upload.head) == HEAD_BYTES


async def test_the_file_has_no_name() -> None:
    async with spool(chunks(b"x"), max_bytes=1) as upload:
        assert os.fstat(upload.file.fileno()).st_nlink == 0


@pytest.fixture
def full_disk() -> Iterator[None]:
    """Let no file of this process grow beyond 1 MB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [1_000_001, 3_000_000])
@pytest.mark.usefixtures("full_disk")
async def test_where_there_is_no_room_it_is_refused_and_not_at_fault(size: int) -> None:
    with pytest.raises(FilesUnavailable):
        async with spool(chunks(*[b"x"] * 3, bytes(size)), max_bytes=10_000_000):
            pass


async def test_too_large_a_declaration_is_refused_before_a_byte_is_read() -> None:
    given = chunks(b"x")
    with pytest.raises(UploadTooLarge):
        async with spool(given, max_bytes=10, declared=11):
            pass
    assert await anext(given) == b"x"


async def test_the_first_byte_too_many_is_refused() -> None:
    given = chunks(b"12345", b"6", b"never read")
    with pytest.raises(UploadTooLarge):
        async with spool(given, max_bytes=5):
            pass
    assert await anext(given) == b"never read"


@pytest.mark.parametrize("content", [b"12", b"1234"])
async def test_another_size_than_declared_is_refused(content: bytes) -> None:
    with pytest.raises(UploadIncomplete):
        async with spool(chunks(content), max_bytes=10, declared=3):
            pass


@pytest.mark.parametrize("declared", [0, 3])
async def test_nothing_at_all_is_refused(declared: int) -> None:
    with pytest.raises(UploadEmpty):
        async with spool(chunks(b""), max_bytes=10, declared=declared):
            pass


@pytest.mark.parametrize("stalled", [then_nothing(b"x"), then_nothing(), only_empty_ones()])
async def test_a_sender_who_stops_is_not_waited_for(stalled: AsyncIterator[bytes]) -> None:
    with pytest.raises(UploadIncomplete):
        async with spool(stalled, max_bytes=10, idle_seconds=0.01):
            pass


async def test_what_breaks_the_sender_breaks_the_upload() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        async with spool(broken(), max_bytes=10):
            pass
