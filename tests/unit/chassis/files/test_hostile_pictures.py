"""Hostile pictures are refused, whatever they take, and leave no process and no file behind."""

from __future__ import annotations

import asyncio
import os
import struct
import zlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop
from PIL import Image

from chassis.files.pictures import Fit, PictureLimits, PictureRenderer, Same, Square
from chassis.files.refusals import FilesUnavailable, PictureTooLarge, PictureUnreadable
from chassis.refusals import Refusal
from tests.support.rendering import encoded, opened, quarters, rendered, same, spooled

pytestmark = pytest.mark.slow


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *further: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1 + 3 * 10) * 10)
    chunks = [png_chunk(b"IHDR", header), *further, png_chunk(b"IDAT", pixels)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + png_chunk(b"IEND", b"")


def gif_of_many_frames(count: int) -> bytes:
    single = encoded(Image.new("P", (1, 1)), "GIF")
    start = single.index(b",\0\0\0\0")
    return single[:start] + single[start:-1] * count + b";"


def webp_header(width: int, height: int) -> bytes:
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + canvas
    return b"RIFF" + struct.pack("<I", len(body)) + body


LITTLE_OF_MUCH = zlib.compress(bytes(80 * 1024 * 1024))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (png(50_000, 50_000), "PNG"),
        (encoded(Image.new("1", (9000, 8000)), "PNG"), "PNG"),
        (encoded(Image.new("L", (9000, 8000)), "JPEG"), "JPEG"),
        (encoded(Image.new("P", (9000, 8000)), "GIF"), "GIF"),
        (webp_header(16_000, 16_000), "WEBP"),
        (gif_of_many_frames(50_000), "GIF"),
    ],
    ids=["png bomb", "png", "jpeg", "gif", "webp bomb", "gif bomb"],
)
async def test_more_pixels_than_are_allowed_are_refused(content: bytes, name: str) -> None:
    with pytest.raises(PictureTooLarge):
        async with rendered(content, name, [Same()]):
            pass


async def test_the_limit_is_what_it_says() -> None:
    limits = PictureLimits(max_pixels=200)
    async with rendered(encoded(Image.new("L", (20, 10)), "PNG"), "PNG", [Same()], limits):
        pass
    content = encoded(Image.new("L", (21, 10)), "PNG")
    for rendition in (Same(), Square(5)):
        with pytest.raises(PictureTooLarge):
            async with rendered(content, "PNG", [rendition], limits):
                pass


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (encoded(quarters(200, 200), "JPEG")[:-200], "JPEG"),
        (encoded(quarters(200, 200), "PNG")[:-100], "PNG"),
        (encoded(Image.effect_noise((99, 99), 50), "GIF")[:-900], "GIF"),
        (encoded(Image.effect_noise((99, 99), 50), "WEBP")[:-900], "WEBP"),
        (b"", "PNG"),
        (b"\xff\xd8\xff", "JPEG"),
        (b"GIF89a", "GIF"),
        (b"%PDF-1.7", "PNG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "PNG"),
        (encoded(quarters(), "PNG"), "JPEG"),
        (encoded(quarters(), "BMP"), "PNG"),
        (encoded(quarters(), "TIFF"), "JPEG"),
        (png(10, 10, png_chunk(b"zTXt", b"Comment\0\0" + LITTLE_OF_MUCH)), "PNG"),
        (png(10, 10, png_chunk(b"iCCP", b"ICC\0\0" + LITTLE_OF_MUCH)), "PNG"),
    ],
)
async def test_what_is_no_whole_picture_of_its_type_is_refused(content: bytes, name: str) -> None:
    with pytest.raises(PictureUnreadable):
        async with rendered(content, name, [Same(), Fit(80, 80)]):
            pass


@pytest.mark.prove
@pytest.mark.parametrize(
    ("limits", "name", "refusal"),
    [
        # It takes seconds to find that its frames are too many. Whether it is the picture that takes
        # them, or others on the same processors, only the time on a processor says.
        (PictureLimits(seconds=0.3), "GIF", FilesUnavailable),
        (PictureLimits(cpu_seconds=1), "GIF", PictureTooLarge),
        (PictureLimits(bytes_per_pixel=0), "PNG", PictureTooLarge),
        (PictureLimits(output_bytes=1000), "PNG", PictureTooLarge),
    ],
    ids=["time", "cpu", "memory", "output"],
)
async def test_a_picture_takes_no_more_than_it_is_given(
    limits: PictureLimits, name: str, refusal: type[Refusal]
) -> None:
    large = encoded(Image.new("RGB", (7900, 8000)), "PNG")
    content = gif_of_many_frames(2_000_000) if name == "GIF" else large
    before = children()
    with pytest.raises(refusal):
        async with rendered(content, name, [Same()], limits):
            pass
    assert children() == before


# ---- processes and files ------------------------------------------------------------------------


def children() -> set[int]:
    """Return the processes that this one started and that are not gone."""
    mine = os.getpid()
    found: set[int] = set()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == mine:
            found.add(int(entry.parent.name))
    return found


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


async def _leaves_nothing() -> None:
    renderer = PictureRenderer(PictureLimits())
    good, bad = encoded(quarters(), "JPEG"), b"\xff\xd8\xff"
    with spooled(good) as source, spooled(bad) as broken:
        async with renderer.render(source, "image/jpeg", [Same()]):
            pass
        before = open_files(), children()
        for _ in range(3):
            async with renderer.render(source, "image/jpeg", [Same(), Square(9)]) as picture:
                assert children() == before[1]
                assert picture.width == 40
            with pytest.raises(PictureUnreadable):
                async with renderer.render(broken, "image/jpeg", [Same(), Square(9)]):
                    pass
            assert (open_files(), children()) == before


async def _ends_when_cancelled() -> None:
    renderer = PictureRenderer(PictureLimits(at_once=2))
    slow = gif_of_many_frames(2_000_000)

    async def render() -> None:
        with spooled(slow) as source:
            async with renderer.render(source, "image/gif", [Same()]):
                pass

    before = open_files(), children()
    tasks = [asyncio.create_task(render()) for _ in range(4)]
    while len(await asyncio.to_thread(children) - before[1]) < 2:
        pass
    # The others wait for their turn.
    assert len(children() - before[1]) == 2
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert all(task.cancelled() for task in tasks)
    assert (open_files(), children()) == before


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("claim", [_leaves_nothing, _ends_when_cancelled])
def test_no_process_and_no_file_is_left_on_either_loop(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
    claim: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(claim())


async def test_the_worker_is_told_nothing_of_where_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("PYTHONSTARTUP", "/nowhere")
    assert opened(await same(encoded(quarters(), "PNG"), "PNG")).size == (40, 20)
