"""The process is killed at every step of setting a photo: the old one is there or the new one, whole."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE

import grpc
import pytest

from chassis.clock import system_clock
from paperplane.friendship.v1 import friendship_pb2 as pb
from tests.support.friendship import Caller, World, friendship_world
from tests.support.mortal_friendship import CARELESS, NEW, OLD
from tests.support.pictures import BLUE, RED, plain, shows

pytestmark = pytest.mark.prove

TWO_HOURS = 7_200_000_000


async def killed_while_setting(world: World, person_id: str, moment: str) -> None:
    """Set a photo with a service on the world's data that is killed at a moment."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.mortal_friendship",
        moment,
        world.settings.model_dump_json(),
        stdout=PIPE,
    )
    assert process.stdout is not None
    try:
        port = int(await process.stdout.readline())
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            try:
                await Caller(person_id, channel).set_photo(plain(BLUE))
            except grpc.aio.AioRpcError as error:
                assert error.code() is grpc.StatusCode.UNAVAILABLE  # noqa: PT017 - it may succeed
        async with asyncio.timeout(10):
            assert await process.wait() == -signal.SIGKILL
    finally:
        # Whatever went wrong, it does not outlive the test.
        if process.returncode is None:
            process.kill()
            await process.wait()


def rows(world: World) -> list[tuple[str, int]]:
    return [(row[0], row[1]) for row in world.rows("SELECT photo_id, state FROM photos")]


def files(world: World) -> set[str]:
    return {path.name for path in (world.folder / "photos").iterdir()}


async def swept(world: World) -> None:
    """Wait until the first sweep is over, which leaves no row but of the photo that is kept."""
    async with asyncio.timeout(10):
        while {state for _, state in await asyncio.to_thread(rows, world)} != {1}:
            pass


@pytest.mark.parametrize("moment", [*OLD, *NEW])
async def test_a_kill_leaves_the_old_photo_or_the_new_one_and_nothing_else(moment: str) -> None:
    async with friendship_world() as world:
        ann = await world.person()
        old = (await ann.set_photo(plain(RED))).photo_id
        await swept(world)
        await world.stop()

        await killed_while_setting(world, ann.id, moment)

        world.clock = lambda: system_clock() + TWO_HOURS
        await world.start()
        ann = world.caller(ann.id)
        photo_id = (await ann.see(ann)).photo_id
        assert (photo_id == old) == (moment in OLD)
        for size in (pb.PHOTO_SIZE_SMALL, pb.PHOTO_SIZE_LARGE):
            assert shows(await ann.photo(photo_id, size), RED if moment in OLD else BLUE)
        await swept(world)
        assert rows(world) == [(photo_id, 1)]
        assert files(world) == {f"{photo_id}.96", f"{photo_id}.512"}


async def test_without_a_row_first_a_kill_leaves_files_that_nothing_sweeps() -> None:
    """The control: what the test above looks for is found where rows come after their files."""
    async with friendship_world() as world:
        ann = await world.person()
        photo_id = (await ann.set_photo(plain(RED))).photo_id
        await world.stop()
        await killed_while_setting(world, ann.id, CARELESS)
        await world.start()
        await swept(world)
        assert files(world) - {f"{photo_id}.96", f"{photo_id}.512"}
