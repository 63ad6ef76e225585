"""Small files of many kinds, honest and hostile, made as they are needed."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

GPS = 0x8825
ORIENTATION = 0x0112
RED, BLUE = (255, 0, 0), (0, 0, 255)
_TURNED = 6
"""To be shown turned by a quarter."""


def picture(kind: str = "PNG", width: int = 40, height: int = 30) -> bytes:
    """Return a picture with a gradient, so that no two of its corners are alike."""
    pixels = (part % 256 for y in range(height) for x in range(width) for part in (x, y, x + y))
    image = Image.frombytes("RGB", (width, height), bytes(pixels))
    data = io.BytesIO()
    image.save(data, kind)
    return data.getvalue()


def plain(
    color: tuple[int, int, int] = RED,
    kind: str = "JPEG",
    size: tuple[int, int] = (60, 40),
    **options: Any,
) -> bytes:
    """Return a picture of one colour."""
    data = io.BytesIO()
    Image.new("RGB", size, color).save(data, kind, **options)
    return data.getvalue()


def shows(content: bytes, color: tuple[int, int, int]) -> bool:
    """Tell whether the middle of a picture has about a colour."""
    image = Image.open(io.BytesIO(content)).convert("RGB")
    found: Any = image.getpixel((image.width // 2, image.height // 2))
    return all(abs(one - other) < 16 for one, other in zip(found, color, strict=True))


def photograph(marker: str = "zqxmarker", width: int = 40, height: int = 30) -> bytes:
    """Return a JPEG as a telephone makes it: turned, and saying where it was taken."""
    image = Image.open(io.BytesIO(picture("JPEG", width, height)))
    exif = Image.Exif()
    exif[ORIENTATION] = _TURNED
    exif[0x010F] = marker
    exif[GPS] = {1: "N", 2: (48.0, 8.0, 0.0)}
    data = io.BytesIO()
    image.save(data, "JPEG", exif=exif, comment=marker.encode())
    return data.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    """Return a PNG of a few bytes that claims to be of this size: a pixel bomb."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", b"") + _chunk(b"IEND", b"")
    )


def png_with_text_bomb(size: int = 100_000_000) -> bytes:
    """Return a PNG whose comment is small as long as it is compressed."""
    whole = picture("PNG")
    text = _chunk(b"zTXt", b"comment\0\0" + zlib.compress(bytes(size), 9))
    # Behind the signature and the header chunk.
    return whole[:33] + text + whole[33:]


def png_with_text(text: str) -> bytes:
    """Return a PNG with a comment."""
    info = PngInfo()
    info.add_text("comment", text)
    data = io.BytesIO()
    Image.open(io.BytesIO(picture("PNG"))).save(data, "PNG", pnginfo=info)
    return data.getvalue()


def zip_bomb() -> bytes:
    """Return an archive of a few kilobytes that would unpack to a hundred megabytes."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("zeros", bytes(100_000_000))
    return data.getvalue()


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
