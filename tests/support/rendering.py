"""Has pictures written anew as a service does."""

from __future__ import annotations

import io
import tempfile
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, BinaryIO

from PIL import Image, ImageDraw

from chassis.files.pictures import (
    Picture,
    PictureLimits,
    PictureRenderer,
    Rendered,
    Rendition,
    Same,
)

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WEBP": "image/webp"}


def encoded(image: Image.Image, name: str, **options: Any) -> bytes:
    """Return a picture as a file of one of Pillow's formats."""
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def quarters(width: int = 40, height: int = 20) -> Image.Image:
    """Return a picture of red and green above blue and white."""
    image = Image.new("RGB", (width, height), WHITE)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, width // 2 - 1, height // 2 - 1), RED)
    draw.rectangle((width // 2, 0, width, height // 2 - 1), GREEN)
    draw.rectangle((0, height // 2, width // 2 - 1, height), BLUE)
    return image


@asynccontextmanager
async def rendered(
    content: bytes,
    name: str,
    wanted: Sequence[Rendition] = (Same(),),
    limits: PictureLimits | None = None,
) -> AsyncGenerator[Picture]:
    """Have a picture written anew."""
    renderer = PictureRenderer(limits or PictureLimits())
    with spooled(content) as source:
        async with renderer.render(source, TYPES[name], wanted) as picture:
            yield picture


@contextmanager
def spooled(content: bytes) -> Generator[BinaryIO]:
    """Give a file with a content."""
    # Not flushed, and written to its end: as it may be after an upload.
    with tempfile.TemporaryFile() as file:
        file.write(content)
        yield file


async def same(content: bytes, name: str) -> bytes:
    """Have a picture written anew in its own format and size."""
    async with rendered(content, name) as picture:
        (made,) = picture.renditions
        assert made.content_type == TYPES[name]
        assert (made.width, made.height) == (picture.width, picture.height)
        written = made.file.read()
        assert len(written) == made.size
        return written


def opened(content: bytes | Rendered) -> Image.Image:
    """Return the picture of a file."""
    return Image.open(io.BytesIO(content) if isinstance(content, bytes) else content.file)
