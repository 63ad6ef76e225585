"""Writes pictures anew: upright, in the sizes that are wanted, and with nothing in them but pixels.

Each picture is decoded in a process of its own (`picture_worker`), which is limited in memory and
time and ends with it: what a hostile picture does to its decoder stays there.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import structlog

from chassis.files.refusals import FilesUnavailable, PictureTooLarge, PictureUnreadable
from chassis.files.scratch import scratch_file

_log = structlog.get_logger(__name__)

_WORKER = Path(__file__).with_name("picture_worker.py")
_BASE_BYTES = 256 * 1024 * 1024
"""What a worker may take beside its picture: Python, Pillow, and a file that it must read whole."""
_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/gif": "GIF", "image/webp": "WEBP"}
_TYPES = {name: media_type for media_type, name in _FORMATS.items()}


@dataclass(frozen=True, slots=True)
class Same:
    """The picture in its own format and size, with all its frames."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The first frame, made smaller if need be to fit into this many pixels. WebP."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Square:
    """The middle of the first frame, of just this many pixels a side, without transparency. WebP."""

    size: int


Rendition = Same | Fit | Square


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """What a picture may take.

    Arguments:
        max_pixels: of a frame, and half of what all frames together may have. Telephones take 12 to
            50 million.
        bytes_per_pixel: of memory, for each pixel that is allowed. One takes up to 4 bytes, and a
            picture is there up to three times while it is turned and made smaller. (A WebP picture
            takes 5 of its own, so that of these only smaller ones come through.)
        output_bytes: of each file that is made of it.
        cpu_seconds: of the process that decodes it, which is how long it may take.
        seconds: until it is given up, from when its turn has come. Processors that are busy with
            something else are not the picture's fault.
        at_once: how many are decoded at a time; others wait for their turn.
    """

    max_pixels: int = 64_000_000
    bytes_per_pixel: int = 12
    output_bytes: int = 256 * 1024 * 1024
    cpu_seconds: int = 30
    seconds: float = 60.0
    at_once: int = 2


@dataclass(frozen=True, slots=True)
class Rendered:
    """What was made of a picture: a file from its beginning, its size in bytes, and what it holds."""

    file: BinaryIO
    size: int
    content_type: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that was written anew: its size when upright, and what was wanted, in that order."""

    width: int
    height: int
    renditions: tuple[Rendered, ...]


class PictureRenderer:
    """Writes pictures anew, a few at a time.

    Arguments:
        limits: what a picture may take.
    """

    def __init__(self, limits: PictureLimits) -> None:
        self._limits = limits
        self._turns = asyncio.Semaphore(limits.at_once)

    @asynccontextmanager
    async def render(
        self, source: BinaryIO, content_type: str, renditions: Sequence[Rendition]
    ) -> AsyncGenerator[Picture]:
        """Write a picture anew, and give what was made for as long as the context lasts.

        All of it is upright, in sRGB, and without metadata, comments, or anything before or behind
        the picture. It is in files without names: nothing is left of them.

        Arguments:
            source: the picture, in a file that the system knows. Where it is read next is undefined.
            content_type: image/jpeg, image/png, image/gif or image/webp. It is read as nothing else.
            renditions: what to make of it.

        Raises:
            PictureUnreadable: it is no such picture, or not a whole one.
            PictureTooLarge: it takes more than the limits allow.
            FilesUnavailable: there is no room for what is made of it, or it was not its turn on the
                processors for so long that it was given up.
        """
        with ExitStack() as files:
            made = [files.enter_context(scratch_file()) for _ in renditions]
            outcome = await self._run(source, _FORMATS[content_type], renditions, made)
            yield Picture(
                outcome["width"],
                outcome["height"],
                tuple(
                    _rendered(file, each)
                    for file, each in zip(made, outcome["renditions"], strict=True)
                ),
            )

    async def _run(
        self, source: BinaryIO, name: str, wanted: Sequence[Rendition], made: Sequence[BinaryIO]
    ) -> dict[str, Any]:
        """Have a worker do it, and return what it says; it is gone then, whatever happens."""
        source.flush()
        with scratch_file() as said:
            job = {
                "format": name,
                "source": source.fileno(),
                "outcome": said.fileno(),
                "renditions": [
                    {**_describe(rendition), "file": file.fileno()}
                    for rendition, file in zip(wanted, made, strict=True)
                ],
                "max_pixels": self._limits.max_pixels,
                "max_total_pixels": self._limits.max_pixels * 2,
                "memory_bytes": _BASE_BYTES
                + self._limits.max_pixels * self._limits.bytes_per_pixel,
                "output_bytes": self._limits.output_bytes,
                "cpu_seconds": self._limits.cpu_seconds,
            }
            passed = [source.fileno(), said.fileno(), *(file.fileno() for file in made)]
            async with self._turns:
                status = await self._work(json.dumps(job), passed)
            said.seek(0)
            return _outcome(status, said.read())

    async def _work(self, job: str, passed: Sequence[int]) -> int | None:
        """Run a worker to its end and return its exit status, or None if it took too long."""
        starting = asyncio.create_task(asyncio.to_thread(_start, job, passed))
        try:
            worker = await asyncio.shield(starting)
        except asyncio.CancelledError:
            await _ended(starting)
            worker = starting.result()
            worker.kill()
            await _ended(asyncio.create_task(asyncio.to_thread(worker.wait)))
            raise
        waiting = asyncio.create_task(asyncio.to_thread(worker.wait))
        try:
            async with asyncio.timeout(self._limits.seconds):
                return await asyncio.shield(waiting)
        except TimeoutError:
            return None
        finally:
            if not waiting.done():
                worker.kill()
                await _ended(waiting)


def _start(job: str, passed: Sequence[int]) -> subprocess.Popen[bytes]:
    # By the standard library, which starts a program by vfork and runs nothing of ours in between.
    # The event loop would fork and then run Python in the child, where a lock that another thread
    # held is never freed: the child hung, and the whole process with it, waiting for its word.
    return subprocess.Popen(
        [sys.executable, "-I", str(_WORKER), job],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=passed,
        env={},
    )


async def _ended(task: asyncio.Task[Any]) -> None:
    """Wait until a task has ended, however often that is cancelled."""
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait((task,))


def _describe(rendition: Rendition) -> dict[str, Any]:
    match rendition:
        case Same():
            return {"kind": "same"}
        case Fit(width, height):
            return {"kind": "fit", "width": width, "height": height}
        case Square(size):
            return {"kind": "square", "width": size, "height": size}


def _outcome(status: int | None, said: bytes) -> dict[str, Any]:
    """Return what a worker made, or refuse as it did."""
    if status is None:
        _log.error("files.unavailable", doing="render", error="too slow")
        raise FilesUnavailable
    if status < 0:
        _log.warning("picture.worker_ended", signal=-status)
        # Ended by the system for what it took; else it fell over what it read.
        took_too_much = status in (-signal.SIGKILL, -signal.SIGXCPU)
        raise PictureTooLarge if took_too_much else PictureUnreadable
    if status != 0:
        message = f"the picture worker ended with status {status}"
        raise RuntimeError(message)
    outcome: dict[str, Any] = json.loads(said)
    match outcome.get("refused"):
        case None:
            return outcome
        case "too large":
            raise PictureTooLarge
        case "no space":
            _log.error("files.unavailable", doing="render")
            raise FilesUnavailable
        case _:
            _log.info("picture.unreadable", error=outcome["error"])
            raise PictureUnreadable


def _rendered(file: BinaryIO, made: dict[str, Any]) -> Rendered:
    file.seek(0)
    size = os.fstat(file.fileno()).st_size
    return Rendered(file, size, _TYPES[made["format"]], made["width"], made["height"])
