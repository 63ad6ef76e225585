"""Pictures that are pleasant to look at and show nobody: hills at some hour of the day, and faces of plain shapes."""

from __future__ import annotations

import io
import math
import random
from typing import Any

from PIL import Image, ImageDraw, ImageFilter

_FINER = 2
"""Drawn larger and then made smaller, edges come out smooth."""
_SKIES = (
    ("#f7d9b0", "#e8927c", "#7a4f79"),
    ("#fdf3d8", "#9cc7d8", "#3f6f8f"),
    ("#ffe3c9", "#c98bb9", "#3d3b6e"),
    ("#eef4e2", "#8fbfa0", "#2f5d57"),
)
"""The light at the horizon, the hills far away, and those that are near."""
_PAPERS = ("#f2c9a1", "#b9d3c2", "#c6c3e6", "#f0b8b8", "#a9cbe0")
_SKINS = ("#8d5a3b", "#c98f66", "#e8b98f", "#f1cfae")
_HAIRS = ("#2b211c", "#5b3a26", "#8a8580", "#a5652f")
_SHIRTS = ("#2f4f6f", "#6d3b4f", "#39603d", "#51456b")


def landscape(seed: int, width: int = 1600, height: int = 1000) -> bytes:
    """Return a JPEG of hills under a low sun."""
    chance = random.Random(seed)
    light, far, near = _SKIES[seed % len(_SKIES)]
    size = (width, height)
    image = _resized(Image.linear_gradient("L"), size)
    image = Image.composite(Image.new("RGB", size, light), Image.new("RGB", size, far), image)
    sun, radius = (width * chance.uniform(0.25, 0.75), height * 0.42), height * 0.07
    glow = Image.new("L", size)
    ImageDraw.Draw(glow).ellipse(_around(sun, radius * 2.2), fill=90)
    glow = glow.filter(ImageFilter.GaussianBlur(radius * 0.8))
    ImageDraw.Draw(glow).ellipse(_around(sun, radius), fill=235)
    image.paste(Image.new("RGB", size, "#fffaf0"), mask=glow)
    draw = ImageDraw.Draw(image)
    for row in range(5):
        share = row / 4
        colour = _between(far, near, 0.25 + 0.75 * share)
        draw.polygon(_ridge(chance, width, height, height * (0.45 + 0.4 * share)), fill=colour)
    return _jpeg(image.filter(ImageFilter.GaussianBlur(0.6)))


def portrait(seed: int, size: int = 512) -> bytes:
    """Return a JPEG of a face without features, as on a sign."""
    chance = random.Random(seed)
    whole = size * _FINER
    image = Image.new("RGB", (whole, whole), _PAPERS[seed % len(_PAPERS)])
    draw = ImageDraw.Draw(image)
    skin, hair, shirt = chance.choice(_SKINS), chance.choice(_HAIRS), chance.choice(_SHIRTS)
    middle = whole / 2
    if chance.random() < 0.6:
        draw.rounded_rectangle(
            (whole * 0.29, whole * 0.2, whole * 0.71, whole * 0.72), whole * 0.2, fill=hair
        )
    draw.ellipse((whole * 0.12, whole * 0.72, whole * 0.88, whole * 1.5), fill=shirt)
    draw.rounded_rectangle(
        (whole * 0.43, whole * 0.55, whole * 0.57, whole * 0.8), whole * 0.07, fill=skin
    )
    draw.ellipse(_around((middle, whole * 0.43), whole * 0.175), fill=skin)
    draw.pieslice(_around((middle, whole * 0.39), whole * 0.19), 180, 360, fill=hair)
    return _jpeg(_resized(image, (size, size)))


def _ridge(
    chance: random.Random, width: int, height: int, base: float
) -> list[tuple[float, float]]:
    waves = [
        (chance.uniform(1, 5), chance.uniform(0, 7), height * chance.uniform(0.01, 0.05))
        for _ in range(4)
    ]
    crest = [
        (x, base + sum(high * math.sin(fast * x / width * 3 + at) for fast, at, high in waves))
        for x in range(0, width + 8, 8)
    ]
    return [(0, height), *crest, (width, height)]


def _resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    # Pillow's own types of it are incomplete.
    untyped: Any = image
    resized: Image.Image = untyped.resize(size, Image.Resampling.LANCZOS)
    return resized


def _around(middle: tuple[float, float], radius: float) -> tuple[float, float, float, float]:
    x, y = middle
    return (x - radius, y - radius, x + radius, y + radius)


def _between(one: str, other: str, share: float) -> tuple[int, int, int]:
    def parts(colour: str) -> list[int]:
        return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]

    mixed = [round(a + (b - a) * share) for a, b in zip(parts(one), parts(other), strict=True)]
    return (mixed[0], mixed[1], mixed[2])


def _jpeg(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=85)
    return data.getvalue()
