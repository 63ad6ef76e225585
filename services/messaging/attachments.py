"""Attachments: taking files in, letting the right people have them, and forgetting the others."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, NamedTuple
from weakref import WeakValueDictionary

from chassis.files.media_types import PICTURE_TYPES, check_type
from chassis.files.pictures import Fit, Same
from chassis.files.refusals import FileMissing, UploadIncomplete
from chassis.files.spool import spool
from services.messaging import store
from services.messaging.domain import (
    Attachment,
    AttachmentNotFound,
    AttachmentState,
    RangeNotSatisfiable,
    TooManyUploads,
)
from services.messaging.sending import Done
from services.messaging.sweeping import file_key, preview_key
from services.messaging.writing import Act, Write

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from chassis.clock import Clock, NewId
    from chassis.database import Database
    from chassis.files.pictures import PictureRenderer
    from chassis.files.spool import Upload as Spooled
    from chassis.files.store import FileStore
    from services.messaging.sweeping import Sweeping

_PREVIEW = Fit(800, 800)
_AT_A_TIME = 10
"""How many uploads of one person are taken in at a time: as many as a message has attachments."""
_IDLE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """How much is taken in.

    Attributes:
        max_bytes: of one file.
        max_waiting: how many files of one person may wait to be sent.
        seconds: how long an upload may take.
    """

    max_bytes: int
    max_waiting: int
    seconds: float


class Upload(NamedTuple):
    """What an uploader says of a file.

    Attributes:
        content_type: its media type, or empty.
        size_bytes: its size, or 0 if that is not known.
    """

    file_name: str
    content_type: str
    size_bytes: int


class _Content(NamedTuple):
    """What is about to be stored: the file, and its preview if it has one."""

    content_type: str
    file: BinaryIO
    size_bytes: int
    width: int = 0
    height: int = 0
    preview: BinaryIO | None = None
    preview_bytes: int = 0
    preview_type: str = ""


class Attachments:
    """The use cases around attachments.

    Arguments:
        database: the service's database.
        files: where the files are.
        pictures: writes pictures anew.
        sweeping: removes what was given up.
        clock: tells the time.
        new_id: makes attachment ids, which nobody can guess.
        limits: how much is taken in.
    """

    def __init__(
        self,
        database: Database[Write],
        files: FileStore,
        pictures: PictureRenderer,
        sweeping: Sweeping,
        clock: Clock,
        new_id: NewId,
        limits: UploadLimits,
    ) -> None:
        self._database = database
        self._files = files
        self._pictures = pictures
        self._sweeping = sweeping
        self._clock = clock
        self._new_id = new_id
        self._limits = limits
        self._under_way: Counter[str] = Counter()
        self._picture_turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def upload(
        self, uploader_id: str, upload: Upload, chunks: AsyncIterator[bytes]
    ) -> Attachment:
        """Take a file in. If it is cancelled or refused, nothing of the file is left.

        Raises:
            TooManyUploads: the person has too many under way or waiting.
            UploadTooLarge, UploadIncomplete, UploadEmpty: the stream is not what was announced.
            TypeMismatch: the content is not what the type or the name says.
            PictureUnreadable, PictureTooLarge: it claims to be a picture and can't be taken as one.
            StorageUnavailable: nothing was kept.
        """
        with self._counted(uploader_id):
            await self._database.read(partial(self._check_waiting, uploader_id))
            try:
                async with asyncio.timeout(self._limits.seconds), AsyncExitStack() as opened:
                    taken = await opened.enter_async_context(
                        spool(
                            chunks,
                            max_bytes=self._limits.max_bytes,
                            declared=upload.size_bytes,
                            idle_seconds=_IDLE_SECONDS,
                        )
                    )
                    content = await opened.enter_async_context(
                        self._prepared(uploader_id, upload, taken)
                    )
                    return await self._store(uploader_id, upload.file_name, content)
            except TimeoutError:
                raise UploadIncomplete from None

    async def find(self, person_id: str, attachment_id: str) -> Attachment:
        """Return an attachment to one who may have it: its uploader or, once sent, the two people.

        Raises:
            AttachmentNotFound: there is none, or not for this person.
        """

        def query(connection: Connection) -> Attachment:
            found = store.find_attachments(connection, [attachment_id]).get(attachment_id)
            # Asked for in any case: how long it takes must not tell whether there is one.
            channel_id = (found and found.channel_id) or ""
            channel = store.find_channel(connection, channel_id)
            if found is None:
                raise AttachmentNotFound
            own = found.state == AttachmentState.UNSENT and found.uploader_id == person_id
            sent = channel is not None and person_id in channel.pair
            if not (own or sent):
                raise AttachmentNotFound
            return found

        return await self._database.read(query)

    async def read(
        self, attachment: Attachment, *, preview: bool, offset: int, length: int
    ) -> AsyncGenerator[bytes]:
        """Yield a part of an attachment, piece by piece.

        Arguments:
            preview: whether of its preview.
            offset: how many bytes to leave out at the beginning.
            length: how many to yield at most; 0 for all.

        Raises:
            AttachmentNotFound: it has no preview, or is gone.
            RangeNotSatisfiable: the offset is behind the end.
            FilesUnavailable: it can't be read now.
        """
        total = attachment.preview_bytes if preview else attachment.size_bytes
        if not total:
            raise AttachmentNotFound
        if offset >= total:
            raise RangeNotSatisfiable
        end = min(offset + length, total) if length else total
        key = preview_key if preview else file_key
        try:
            async for piece in self._files.read(key(attachment.attachment_id), offset, end):
                yield piece
        except FileMissing:
            raise AttachmentNotFound from None

    def _check_waiting(self, uploader_id: str, connection: Connection) -> None:
        if store.count_waiting(connection, uploader_id) >= self._limits.max_waiting:
            raise TooManyUploads

    @contextmanager
    def _counted(self, uploader_id: str) -> Generator[None]:
        if self._under_way[uploader_id] >= _AT_A_TIME:
            raise TooManyUploads
        self._under_way[uploader_id] += 1
        try:
            yield
        finally:
            self._under_way[uploader_id] -= 1
            if not self._under_way[uploader_id]:
                del self._under_way[uploader_id]

    @asynccontextmanager
    async def _prepared(
        self, uploader_id: str, upload: Upload, taken: Spooled
    ) -> AsyncGenerator[_Content]:
        """Look at what came, and write it anew if it is a picture."""
        content_type = check_type(upload.content_type, upload.file_name, taken.head)
        if content_type not in PICTURE_TYPES:
            yield _Content(content_type, taken.file, taken.size)
            return
        wanted = (Same(), _PREVIEW)
        # One at a time of each person: who sends ten at once waits, and not everybody else.
        turn = self._picture_turns.setdefault(uploader_id, asyncio.Lock())
        async with AsyncExitStack() as opened:
            async with turn:
                picture = await opened.enter_async_context(
                    self._pictures.render(taken.file, content_type, wanted)
                )
            same, preview = picture.renditions
            yield _Content(
                content_type,
                same.file,
                same.size,
                picture.width,
                picture.height,
                preview.file,
                preview.size,
                preview.content_type,
            )

    async def _store(self, uploader_id: str, file_name: str, content: _Content) -> Attachment:
        """Write down that the files are about to be there, then write them, then say that they are.

        So there is never a file without a row, whenever the process may end.
        """
        attachment = Attachment(
            self._new_id(),
            uploader_id,
            AttachmentState.STORING.value,
            file_name,
            content.content_type,
            content.size_bytes,
            content.width,
            content.height,
            content.preview_bytes,
            content.preview_type,
            self._clock(),
        )
        try:
            await self._put(attachment, content)
        except BaseException:
            self._sweeping.give_up(attachment.attachment_id)
            raise
        return attachment._replace(state=AttachmentState.UNSENT.value)

    async def _put(self, attachment: Attachment, content: _Content) -> None:
        def begin(connection: Connection) -> Done:
            self._check_waiting(attachment.uploader_id, connection)
            store.insert_attachment(connection, attachment)
            return Done(None)

        def complete(connection: Connection) -> Done:
            if not store.become_unsent(connection, attachment.attachment_id):
                # Storing took so long that it was taken for broken off.
                raise UploadIncomplete
            return Done(None)

        await self._database.write(Act(begin))
        await self._files.put(file_key(attachment.attachment_id), content.file)
        if content.preview is not None:
            await self._files.put(preview_key(attachment.attachment_id), content.preview)
        await self._database.write(Act(complete))
