"""Photos of people: set, shown, taken away, and swept up.

A photo has a row before it has files, and until after they are gone (ADR 17). So whatever breaks in
between, a person has the old photo or the new one, whole, and no file is there that no row tells of.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Collection
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import structlog

from chassis.files.media_types import check_type
from chassis.files.pictures import Square
from chassis.files.refusals import (
    FileMissing,
    FilesUnavailable,
    TypeMismatch,
    UploadIncomplete,
)
from chassis.files.spool import spool
from services.friendship.domain import Person, Photo, Relationship, SeenPerson
from services.friendship.refusals import PersonNotFound, PhotoNotFound
from services.friendship.store import people as people_store
from services.friendship.store import photos as store

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from chassis.clock import Clock, NewId
    from chassis.database import Database
    from chassis.files.pictures import Picture, PictureRenderer
    from chassis.files.store import FileStore
    from chassis.files.sweeper import Sweeper
    from services.friendship.store import Write

CONTENT_TYPE = "image/webp"
"""What every photo is kept as, whatever was uploaded."""
_log = structlog.get_logger(__name__)
_TAKEN = frozenset({"image/jpeg", "image/png", "image/webp"})
_IDLE_SECONDS = 60.0
_UPLOAD_SECONDS = 600.0
_STORING_MICROSECONDS = 3_600_000_000
"""How long ago a photo may have begun to be stored, until nobody can still be storing it."""
_SWEPT_AT_ONCE = 200


class PhotoSize(Enum):
    """The sizes that each photo is kept in, in pixels a side."""

    SMALL = 96
    LARGE = 512


def new_photo_id() -> str:
    """Return an id of 128 random bits: who knows it can see the photo, so nobody may guess it (ADR 20)."""
    return secrets.token_urlsafe(16)


class Photos:
    """What people do with photos.

    Arguments:
        database: the service's database.
        files: where photos are kept.
        pictures: makes them of what is uploaded.
        sweeper: told when there is something to sweep.
        clock: tells the time.
        new_id: makes the ids of photos.
        max_bytes: how large an upload may be.
    """

    def __init__(
        self,
        database: Database[Write],
        files: FileStore,
        pictures: PictureRenderer,
        sweeper: Sweeper,
        clock: Clock,
        new_id: NewId,
        max_bytes: int,
    ) -> None:
        self._database = database
        self._files = files
        self._pictures = pictures
        self._sweeper = sweeper
        self._clock = clock
        self._new_id = new_id
        self._max_bytes = max_bytes
        self._given_up: set[str] = set()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def set(
        self, caller_id: str, content_type: str, size: int, chunks: AsyncIterator[bytes]
    ) -> SeenPerson:
        """Give the caller a photo, in place of the one they have. If it fails they keep that one.

        Of several at the same time, the last to be complete stays.

        Arguments:
            caller_id: who.
            content_type: what it is said to be, or empty.
            size: how many bytes are to come, or 0 if nobody said.
            chunks: the content.

        Raises:
            PersonNotFound: the caller is not in the network.
            UploadTooLarge: it has too many bytes.
            UploadIncomplete: it is not as much as was said, or took too long to come.
            TypeMismatch: it is no JPEG, PNG or WebP, or not the one that it is said to be.
            PictureUnreadable, PictureTooLarge: it is one that can't be taken.
            FilesUnavailable, StorageUnavailable: it can't be kept now.
        """
        await self._database.read(lambda c: _find(c, caller_id))
        try:
            async with (
                asyncio.timeout(_UPLOAD_SECONDS),
                spool(
                    chunks, max_bytes=self._max_bytes, declared=size, idle_seconds=_IDLE_SECONDS
                ) as upload,
            ):
                found = check_type(content_type, "", upload.head)
                if found not in _TAKEN:
                    raise TypeMismatch
                # One at a time of each person: who sends many at once waits, and nobody else.
                turn = self._turns.setdefault(caller_id, asyncio.Lock())
                squares = [Square(size.value) for size in PhotoSize]
                async with turn, self._pictures.render(upload.file, found, squares) as picture:
                    return await self._keep(caller_id, picture)
        except TimeoutError:
            raise UploadIncomplete from None

    async def delete(self, caller_id: str) -> SeenPerson:
        """Take the caller's photo away, if they have one.

        Raises:
            PersonNotFound: the caller is not in the network.
        """
        person: Person = await self._database.write(partial(_take_away, person_id=caller_id))
        self._sweeper.nudge()
        return SeenPerson(person, Relationship.SELF)

    async def get(self, photo_id: str, size: PhotoSize) -> bytes:
        """Return a photo that somebody has, as `CONTENT_TYPE`.

        Raises:
            PhotoNotFound: nobody has it.
            FilesUnavailable: it can't be read now.
        """
        if not await self._database.read(lambda c: store.is_kept(c, photo_id)):
            raise PhotoNotFound
        try:
            return b"".join([piece async for piece in self._files.read(_key(photo_id, size))])
        except FileMissing:
            raise PhotoNotFound from None

    async def sweep(self) -> None:
        """Remove photos that nobody has, and that nobody is about to have.

        Raises:
            FilesUnavailable, StorageUnavailable, OutcomeUnknown: some of them are still there.
        """
        given_up = frozenset(self._given_up)
        before = self._clock() - _STORING_MICROSECONDS
        await self._database.write(partial(_doom, given_up=given_up, before=before))
        self._given_up -= given_up
        failed: set[str] = set()
        while doomed := await self._database.read(
            partial(store.find_doomed, but=failed, limit=_SWEPT_AT_ONCE)
        ):
            for photo_id in doomed:
                try:
                    await self._files.delete([_key(photo_id, size) for size in PhotoSize])
                except FilesUnavailable:
                    # It is in no other's way.
                    failed.add(photo_id)
            swept = [photo_id for photo_id in doomed if photo_id not in failed]
            await self._database.write(partial(store.delete_photos, photo_ids=swept))
            _log.info("photos.swept", photos=len(swept))
        await self._files.sweep_partial(_STORING_MICROSECONDS / 1_000_000)
        if failed:
            raise FilesUnavailable

    async def _keep(self, caller_id: str, picture: Picture) -> SeenPerson:
        photo = Photo(self._new_id(), caller_id, self._clock())
        try:
            await self._database.write(partial(store.insert_photo, photo=photo))
            for size, square in zip(PhotoSize, picture.renditions, strict=True):
                await self._files.put(_key(photo.photo_id, size), square.file)
            person: Person = await self._database.write(partial(_change, photo=photo))
        except BaseException:
            # Unless it is kept after all, which only the database knows.
            self._given_up.add(photo.photo_id)
            raise
        finally:
            # The one before, or this one.
            self._sweeper.nudge()
        return SeenPerson(person, Relationship.SELF)


def _key(photo_id: str, size: PhotoSize) -> str:
    return f"{photo_id}.{size.value}"


def _find(connection: Connection, person_id: str) -> Person:
    found = people_store.find_person(connection, person_id)
    if found is None:
        raise PersonNotFound
    return found


def _change(connection: Connection, photo: Photo) -> Person:
    if not store.keep_photo(connection, photo):
        # Storing it took so long that it was swept up.
        raise UploadIncomplete
    return _find(connection, photo.person_id)


def _take_away(connection: Connection, person_id: str) -> Person:
    store.doom_photo_of(connection, person_id)
    return _find(connection, person_id)


def _doom(connection: Connection, given_up: Collection[str], before: int) -> None:
    store.doom_given_up(connection, given_up)
    store.doom_stale(connection, before)
