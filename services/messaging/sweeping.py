"""Removes the files that nobody can reach any more: given up, deleted, or never sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog

from chassis.files.refusals import FilesUnavailable
from services.messaging import store
from services.messaging.sending import Done
from services.messaging.writing import Act, Write

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from chassis.clock import Clock
    from chassis.database import Database
    from chassis.files.store import FileStore
    from chassis.files.sweeper import Sweeper

_log = structlog.get_logger(__name__)
_AT_A_TIME = 200


def file_key(attachment_id: str) -> str:
    """Return where the file of an attachment lies."""
    return attachment_id


def preview_key(attachment_id: str) -> str:
    """Return where the preview of an attachment lies."""
    return f"{attachment_id}.preview"


@dataclass(frozen=True, slots=True)
class Ages:
    """How long things may wait, in seconds.

    Attributes:
        unsent: uploads, to be sent.
        storing: uploads, to be stored: whoever takes longer is gone.
    """

    unsent: float
    storing: float


class Sweeping:
    """Removes attachments that nobody can reach any more.

    Several may sweep one database and one store: removing what is gone already does no harm.

    Arguments:
        database: the service's database.
        files: where the files are.
        sweeper: told when there is something to sweep.
        clock: tells the time.
        ages: how long things may wait.
    """

    def __init__(
        self,
        database: Database[Write],
        files: FileStore,
        sweeper: Sweeper,
        clock: Clock,
        ages: Ages,
    ) -> None:
        self._database = database
        self._files = files
        self._sweeper = sweeper
        self._clock = clock
        self._ages = ages
        self._given_up: set[str] = set()

    def nudge(self) -> None:
        """Sweep soon: a message with attachments was deleted."""
        self._sweeper.nudge()

    def give_up(self, attachment_id: str) -> None:
        """Remove an attachment soon that nobody was told of, and whose files nobody writes."""
        self._given_up.add(attachment_id)
        self._sweeper.nudge()

    async def sweep(self) -> None:
        """Remove all that is due.

        Raises:
            FilesUnavailable, StorageUnavailable, OutcomeUnknown: some of it is still there.
        """
        now = self._clock()
        given_up = frozenset(self._given_up)

        def doom(connection: Connection) -> Done:
            store.doom_given_up(connection, given_up)
            store.doom_waiting(
                connection,
                stored_before=now - int(self._ages.unsent * 1_000_000),
                begun_before=now - int(self._ages.storing * 1_000_000),
            )
            return Done(None)

        await self._database.write(Act(doom))
        # Their rows may be gone already, if storing them took all too long; their files are not.
        failed = await self._remove_files(sorted(given_up))
        self._given_up -= given_up - failed
        failed |= await self._remove_doomed()
        await self._files.sweep_partial(self._ages.storing)
        if failed:
            raise FilesUnavailable

    async def _remove_doomed(self) -> set[str]:
        """Remove what is doomed, and return the ids of what could not be."""
        failed: set[str] = set()
        while doomed := await self._database.read(
            partial(store.find_doomed, but=failed, limit=_AT_A_TIME)
        ):
            kept = await self._remove_files(doomed)
            removed = [attachment_id for attachment_id in doomed if attachment_id not in kept]
            await self._database.write(_deleting(removed))
            failed |= kept
            _log.info("sweep.removed", attachments=len(removed))
        return failed

    async def _remove_files(self, attachment_ids: Sequence[str]) -> set[str]:
        """Remove the files of attachments, and return the ids of those that could not be.

        One that can't be removed is in nobody's way.
        """
        failed: set[str] = set()
        for attachment_id in attachment_ids:
            try:
                await self._files.delete([file_key(attachment_id), preview_key(attachment_id)])
            except FilesUnavailable:
                failed.add(attachment_id)
        return failed


def _deleting(doomed: list[str]) -> Write:
    def delete(connection: Connection) -> Done:
        store.delete_doomed(connection, doomed)
        return Done(None)

    return Act(delete)
