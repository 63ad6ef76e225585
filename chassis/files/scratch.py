"""Files without names for what is on its way: whatever happens, nothing is left of them."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import BinaryIO

import structlog

from chassis.files.refusals import FilesUnavailable

_log = structlog.get_logger(__name__)


@contextmanager
def scratch_file() -> Generator[BinaryIO]:
    """Give an empty file, open for reading and writing, for as long as the context lasts.

    It is in the system's folder for temporary files (`TMPDIR`).

    Raises:
        FilesUnavailable: there is no room for it.
    """
    with refusing_full_disks():
        file = tempfile.TemporaryFile()  # noqa: SIM115 - closed below, whatever that says
    try:
        yield file
    finally:
        # To close it is to write what is left, which found no room before and is of no use now.
        with suppress(OSError):
            file.close()


@contextmanager
def refusing_full_disks() -> Generator[None]:
    """Turn what the system says of a file that can't be made or written into a refusal.

    Raises:
        FilesUnavailable: it said so.
    """
    try:
        yield
    except OSError as error:
        _log.error("files.unavailable", doing="spool", error=type(error).__name__)
        raise FilesUnavailable from error
