"""Reads and writes which photos there are: a row before its files are there, and until after they are gone."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, literal_column, select, update

from services.friendship.domain import Photo, PhotoState
from services.friendship.schema import people, photos

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

# Written into the SQL, not bound: only so is it known that the partial indexes serve.
IS_KEPT = photos.c.state == literal_column(str(PhotoState.KEPT.value))
_NOT_KEPT = photos.c.state != literal_column(str(PhotoState.KEPT.value))


def insert_photo(connection: Connection, photo: Photo) -> None:
    """Note that the files of a photo are about to be stored. Its person must be there."""
    connection.execute(
        insert(photos).values(
            photo_id=photo.photo_id,
            person_id=photo.person_id,
            state=PhotoState.STORING.value,
            create_time=photo.create_time,
        )
    )


def keep_photo(connection: Connection, photo: Photo) -> bool:
    """Give a person the photo whose files are stored, in place of the one they had.

    Returns:
        Whether it was still there to keep.
    """
    doom_photo_of(connection, photo.person_id)
    kept = connection.execute(
        update(photos)
        .where(photos.c.photo_id == photo.photo_id, _is(PhotoState.STORING))
        .values(state=PhotoState.KEPT.value)
    )
    return kept.rowcount == 1


def doom_photo_of(connection: Connection, person_id: str) -> None:
    """Take away the photo that a person has, if any. Two who do so for one person do it in turn."""
    connection.execute(
        select(people.c.person_id).where(people.c.person_id == person_id).with_for_update()
    )
    connection.execute(
        update(photos)
        .where(photos.c.person_id == person_id, IS_KEPT)
        .values(state=PhotoState.DOOMED.value)
    )


def doom_given_up(connection: Connection, photo_ids: Collection[str]) -> None:
    """Mark photos for removal that nobody is storing any more. Kept ones stay."""
    connection.execute(
        update(photos)
        .where(photos.c.photo_id.in_(photo_ids), _is(PhotoState.STORING))
        .values(state=PhotoState.DOOMED.value)
    )


def doom_stale(connection: Connection, before: int) -> None:
    """Mark photos for removal that began to be stored before a time, and never were."""
    connection.execute(
        update(photos)
        .where(_NOT_KEPT, _is(PhotoState.STORING), photos.c.create_time < before)
        .values(state=PhotoState.DOOMED.value)
    )


def find_doomed(connection: Connection, but: Collection[str], limit: int) -> list[str]:
    """Return ids of photos whose files are to be removed, but for some."""
    query = select(photos.c.photo_id).where(
        _NOT_KEPT, _is(PhotoState.DOOMED), photos.c.photo_id.not_in(but)
    )
    return list(connection.scalars(query.limit(limit)))


def delete_photos(connection: Connection, photo_ids: Collection[str]) -> None:
    """Forget photos whose files are gone."""
    connection.execute(
        delete(photos).where(photos.c.photo_id.in_(photo_ids), _is(PhotoState.DOOMED))
    )


def is_kept(connection: Connection, photo_id: str) -> bool:
    """Tell whether somebody has this photo."""
    query = select(photos.c.photo_id).where(photos.c.photo_id == photo_id, IS_KEPT)
    return connection.scalar(query) is not None


def _is(state: PhotoState) -> ColumnElement[bool]:
    return photos.c.state == state.value
