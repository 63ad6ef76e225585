"""Pictures for tests that need some."""

from __future__ import annotations

import io

from PIL import Image, ImageOps


def picture(width: int = 640, height: int = 480, kind: str = "PNG") -> bytes:
    """Draw a picture, the same each time."""
    written = io.BytesIO()
    gradient = Image.linear_gradient("L").convert("RGB")
    ImageOps.fit(gradient, (width, height)).save(written, kind)
    return written.getvalue()
