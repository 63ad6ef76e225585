"""A friendship service that ends itself at a chosen moment of setting a photo, as `kill -9` would.

Run as `python -m tests.support.mortal_friendship MOMENT SETTINGS`, with the service's settings in JSON.
It says which port it serves on.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from chassis.files import pictures
from chassis.files import store as file_store
from chassis.files.store import FileStore
from chassis.files.sweeper import Sweeper
from chassis.telemetry import configure_logging
from services.friendship import photos
from services.friendship.photos import Photos
from services.friendship.settings import FriendshipSettings
from services.friendship.store import photos as store
from services.friendship.wiring import running


def die() -> None:
    """End here and now."""
    os.kill(os.getpid(), signal.SIGKILL)


def before(owner: Any, name: str, call: int = 1) -> Callable[[], None]:
    """Die at a call of a function, counted from 1."""
    function = getattr(owner, name)
    calls = 0

    def called(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            die()
        return function(*arguments, **named)

    return lambda: setattr(owner, name, called)


def after(owner: Any, name: str) -> Callable[[], None]:
    """Die when a function has returned."""
    function = getattr(owner, name)

    async def called_async(*arguments: Any, **named: Any) -> None:
        await function(*arguments, **named)
        die()

    def called(*arguments: Any, **named: Any) -> None:
        function(*arguments, **named)
        die()

    is_async = inspect.iscoroutinefunction(function)
    return lambda: setattr(owner, name, called_async if is_async else called)


def careless() -> None:
    """Store the files of a photo before its row is written, and die in between."""

    async def keep(self: Any, _: str, picture: Any) -> None:
        for size, square in zip(photos.PhotoSize, picture.renditions, strict=True):
            await self._files.put(f"careless.{size.value}", square.file)
        die()

    setattr(Photos, "_keep", keep)  # noqa: B010 - as the others do


OLD = {
    "the upload has come": before(photos, "check_type"),
    "the picture is being decoded": after(pictures, "_start"),
    "the row is about to be written": before(store, "insert_photo"),
    "the row is written": before(FileStore, "put", 1),
    "a file has its name": before(file_store, "_sync", 1),
    "a file is stored": before(FileStore, "put", 2),
    "both files are stored": before(photos, "_change"),
    "the change is about to be committed": after(store, "keep_photo"),
}
"""Moments after which the person has the photo from before."""
NEW = {
    "the change is committed": before(Sweeper, "nudge"),
    "the old files are about to be removed": before(file_store, "_delete"),
    "the old files are removed": before(store, "delete_photos"),
}
"""Moments after which the person has the new photo."""
CARELESS = "files are stored without a row"


async def main(moment: str, settings: str) -> None:
    """Serve until the moment comes."""
    {**OLD, **NEW, CARELESS: careless}[moment]()
    async with running(FriendshipSettings.model_validate_json(settings)) as server:
        sys.stdout.write(f"{server.port}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    configure_logging("friendship", "WARNING")
    asyncio.run(main(*sys.argv[1:]))
