"""Files are kept in a bucket as they are in a folder."""

from __future__ import annotations

import io
import os
from collections.abc import AsyncGenerator

import pytest

from chassis.files.refusals import FileMissing, FilesUnavailable
from chassis.files.store import FileStore
from chassis.process import StartError
from tests.support.bucket import Bucket, a_bucket

PART = 5 * 1024 * 1024
LARGE = os.urandom(1024) * (12 * 1024)
URL = "s3://bucket/some/prefix"


@pytest.fixture
async def bucket(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Bucket]:
    async with a_bucket() as bucket:
        for name, value in (
            ("AWS_ENDPOINT_URL", bucket.endpoint),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "key"),
        ):
            monkeypatch.setenv(name, value)
        yield bucket


async def content(store: FileStore, key: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([piece async for piece in store.read(key, start, end)])


async def test_files_lie_below_the_prefix_and_leave_nothing(bucket: Bucket) -> None:
    store = await FileStore.open(URL)
    assert bucket.objects == {}
    await store.put("a/key", io.BytesIO(b"small"))
    await store.put("empty", io.BytesIO(b""))
    assert bucket.objects == {"some/prefix/a/key": b"small", "some/prefix/empty": b""}
    assert await content(store, "a/key") == b"small"
    assert await content(store, "empty") == b""
    assert await content(store, "a/key", 1, 3) == b"ma"
    await store.delete(["a/key", "never/was", "empty"])
    assert bucket.objects == {}
    with pytest.raises(FileMissing):
        await content(store, "a/key")
    assert await store.sweep_partial(0) == 0


async def test_a_large_file_goes_there_in_parts_and_comes_back_in_pieces(bucket: Bucket) -> None:
    store = await FileStore.open(URL)
    bucket.requests.clear()
    await store.put("key", io.BytesIO(LARGE))
    sizes = [size for method, _, size in bucket.requests if method == "PUT"]
    assert sizes == [PART, PART, len(LARGE) - 2 * PART]
    assert await content(store, "key") == LARGE
    assert await content(store, "key", PART - 5) == LARGE[PART - 5 :]
    assert max([len(piece) async for piece in store.read("key")]) <= 128 * 1024


@pytest.mark.parametrize("status", [403, 404])
async def test_a_bucket_that_takes_nothing_is_told_at_start(bucket: Bucket, status: int) -> None:
    bucket.status = status
    with pytest.raises(StartError, match="no files can be kept there"):
        await FileStore.open(URL)


async def test_a_bucket_that_fails_is_a_refusal(
    bucket: Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    store = await FileStore.open(URL)
    await store.put("key", io.BytesIO(b"x"))
    bucket.status = 403
    with pytest.raises(FilesUnavailable):
        await store.put("secret-key", io.BytesIO(b"x"))
    with pytest.raises(FilesUnavailable):
        await content(store, "secret-key")
    with pytest.raises(FilesUnavailable):
        await store.delete(["secret-key"])
    said = capsys.readouterr()
    assert "PermissionDeniedError" in said.out + said.err
    assert "secret-key" not in said.out + said.err
