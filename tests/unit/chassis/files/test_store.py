"""Files are kept whole and durably, given out in small pieces, and leave nothing behind."""

from __future__ import annotations

import asyncio
import io
import os
import stat
import sys
import threading
from asyncio.subprocess import PIPE
from contextlib import aclosing
from pathlib import Path

import pytest
from obstore.store import LocalStore

from chassis.files.refusals import FileMissing, FilesUnavailable
from chassis.files.store import FileStore
from chassis.process import StartError
from chassis.refusals import StorageUnavailable

LARGE = os.urandom(1024) * (12 * 1024)
"""12 MiB: more than two parts."""


async def opened(folder: Path) -> FileStore:
    return await FileStore.open(folder.as_uri())


async def content(store: FileStore, key: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([piece async for piece in store.read(key, start, end)])


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("given", [b"", b"small", LARGE], ids=["empty", "small", "large"])
async def test_what_is_put_is_read(tmp_path: Path, given: bytes) -> None:
    store = await opened(tmp_path)
    file = io.BytesIO(given)
    file.seek(0, os.SEEK_END)
    await store.put("some/key", file)
    assert await content(store, "some/key") == given
    assert files_in(tmp_path) == {"some/key"}


async def test_a_part_is_read_in_small_pieces(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.put("key", io.BytesIO(LARGE))
    assert await content(store, "key", 5) == LARGE[5:]
    assert await content(store, "key", 5, 200_005) == LARGE[5:200_005]
    assert await content(store, "key", 5, len(LARGE) + 5) == LARGE[5:]
    assert await content(store, "key", 5, 5) == b""
    assert max([len(piece) async for piece in store.read("key")]) <= 128 * 1024


async def test_a_reader_who_leaves_early_holds_nothing_open(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.put("key", io.BytesIO(LARGE))
    async with aclosing(store.read("key")) as pieces:
        await anext(pieces)
        assert str(tmp_path / "key") in _open_files()
    assert str(tmp_path / "key") not in _open_files()


async def test_two_files_are_put_at_a_time(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    begun: set[int] = set()
    may_go_on = threading.Event()

    class Gated(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            begun.add(id(self))
            may_go_on.wait()
            return super().read(size)

    files = [Gated(b"x") for _ in range(5)]
    async with asyncio.TaskGroup() as group:
        for number, file in enumerate(files):
            group.create_task(store.put(f"key{number}", file))
        while len(begun) < 2:
            await asyncio.to_thread(os.sched_yield)
        assert len(begun) == 2
        may_go_on.set()
    assert len(files_in(tmp_path)) == 5


async def test_what_is_deleted_is_gone_and_may_be_deleted_again(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.put("a/1", io.BytesIO(b"x"))
    await store.put("a/2", io.BytesIO(b"x"))
    await store.delete(["a/1", "never/was", "a/2"])
    assert files_in(tmp_path) == set()
    await store.delete(["a/1"])
    await store.delete([])
    with pytest.raises(FileMissing):
        await content(store, "a/1")


@pytest.mark.parametrize(
    "key", ["", "/etc/passwd", "a/../b", "..", "a//b", "a/", ".hidden", "a b", "é", "a\n", "a#1"]
)
async def test_a_key_that_is_not_made_of_ids_is_a_fault(tmp_path: Path, key: str) -> None:
    store = await opened(tmp_path)
    with pytest.raises(ValueError, match="a key"):
        await store.put(key, io.BytesIO(b"x"))
    with pytest.raises(ValueError, match="a key"):
        await content(store, key)
    with pytest.raises(ValueError, match="a key"):
        await store.delete(["fine", key])


async def test_a_file_and_its_name_are_on_disk_before_put_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, int]] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        fsync(descriptor)
        synced.append((os.readlink(f"/proc/self/fd/{descriptor}"), os.fstat(descriptor).st_size))

    monkeypatch.setattr(os, "fsync", noted)
    store = await opened(tmp_path)
    await store.put("a/b/key", io.BytesIO(b"1234"))
    assert synced[0] == (str(tmp_path / "a/b/key"), 4)
    assert [path for path, _ in synced[1:]] == [
        str(tmp_path / "a/b"),
        str(tmp_path / "a"),
        str(tmp_path),
    ]
    synced.clear()
    await store.delete(["a/b/key"])
    assert [path for path, _ in synced] == [str(tmp_path / "a/b")]


async def test_the_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new one" / "files"
    store = await opened(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    await store.put("key", io.BytesIO(b"x"))
    assert files_in(folder) == {"key"}


@pytest.mark.parametrize(
    "url",
    ["", "photos", "/photos", "file:photos", "file://host/photos", "ftp://x/y", "s3://", "s3:b/c"],
)
async def test_a_url_that_names_no_store_is_told_at_start(url: str) -> None:
    with pytest.raises(StartError, match="file:///absolute/folder or s3://bucket/prefix"):
        await FileStore.open(url)


async def test_a_folder_that_cannot_be_used_is_told_at_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StartError, match="no files can be kept there"):
        await opened(tmp_path / "file")
    with pytest.raises(StartError, match="no files can be kept there"):
        await opened(tmp_path / "file" / "below")
    with pytest.raises(StartError, match="no files can be kept there"):
        await opened(Path("/proc"))


async def test_a_failing_store_is_a_refusal_that_names_no_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = await opened(tmp_path)
    (tmp_path / "secret-key").mkdir()
    with pytest.raises(FilesUnavailable) as caught:
        await store.put("secret-key", io.BytesIO(b"x"))
    assert isinstance(caught.value, StorageUnavailable)
    with pytest.raises(FilesUnavailable):
        await store.delete(["secret-key"])
    said = capsys.readouterr()
    assert "Is a directory" in said.out + said.err
    assert "secret-key" not in said.out + said.err


async def test_a_put_that_is_cancelled_has_ended_when_its_caller_is_told(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    begun = asyncio.Event()
    may_go_on = threading.Event()
    loop = asyncio.get_running_loop()

    class Gated(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 8 * 1024 * 1024:
                loop.call_soon_threadsafe(begun.set)
                may_go_on.wait()
            return super().read(size)

    putting = asyncio.create_task(store.put("key", Gated(LARGE)))
    await begun.wait()
    assert files_in(tmp_path) == {"key#1"}
    assert await store.sweep_partial(3600) == 0
    for _ in range(3):
        putting.cancel()
        await asyncio.sleep(0)
    assert not putting.done()
    may_go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await putting
    # Deleted now, it does not come back.
    assert files_in(tmp_path) == {"key"}
    assert await content(store, "key") == LARGE


async def test_a_put_that_fails_after_it_was_cancelled_is_cancelled(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    begun = asyncio.Event()
    may_go_on = threading.Event()
    loop = asyncio.get_running_loop()

    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            loop.call_soon_threadsafe(begun.set)
            may_go_on.wait()
            raise OSError

    putting = asyncio.create_task(store.put("key", Failing(b"x")))
    await begun.wait()
    putting.cancel()
    may_go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert files_in(tmp_path) == set()


async def test_what_a_killed_process_left_half_written_is_swept(tmp_path: Path) -> None:
    program = (
        "import asyncio, pathlib, sys\n"
        "from chassis.files.store import FileStore\n"
        "class Endless:\n"
        "    read_so_far = 0\n"
        "    def seek(self, offset, whence=0):\n"
        "        return 1 << 40\n"
        "    def read(self, size):\n"
        "        self.read_so_far += size\n"
        "        if self.read_so_far == 16 << 20:\n"
        "            print('half written', flush=True)\n"
        "            sys.stdin.read()\n"
        "        return bytes(size)\n"
        "async def main():\n"
        "    store = await FileStore.open(pathlib.Path(sys.argv[1]).as_uri())\n"
        "    await store.put('key', Endless())\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(tmp_path), stdin=PIPE, stdout=PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"half written\n"
    process.kill()
    await process.wait()
    assert files_in(tmp_path) == {"key#1"}
    # Someone else's store on the same folder would delete it only once it is old.
    store = FileStore(LocalStore(tmp_path), tmp_path)
    assert await store.sweep_partial(3600) == 0
    assert await store.sweep_partial(0) == 1
    assert files_in(tmp_path) == set()


async def test_opening_leaves_alone_what_another_replica_is_writing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "key#1").write_bytes(b"half")
    (tmp_path / "a" / "key").write_bytes(b"whole")
    await opened(tmp_path)
    assert files_in(tmp_path) == {"a/key", "a/key#1"}


def _open_files() -> set[str]:
    found: set[str] = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:
            continue
    return found
