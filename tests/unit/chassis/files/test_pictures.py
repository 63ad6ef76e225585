"""Pictures are written anew, upright and in their colours, with nothing else that was in them."""

from __future__ import annotations

import io
import zipfile
from typing import Any, cast

import pytest
from PIL import Image, ImageCms, PngImagePlugin

from chassis.files.pictures import Fit, Same, Square
from tests.support.rendering import (
    BLUE,
    GREEN,
    RED,
    TYPES,
    WHITE,
    encoded,
    opened,
    quarters,
    rendered,
    same,
)

pytestmark = pytest.mark.slow

SECRET = b"where the picture was taken"
ORIENTATION = 0x0112


def close(one: Any, other: tuple[int, ...], by: int = 12) -> bool:
    return all(abs(a - b) <= by for a, b in zip(one, other, strict=True))


def corners(image: Image.Image) -> list[Any]:
    colors = image.convert("RGB")
    right, bottom = image.width - 2, image.height - 2
    return [colors.getpixel(place) for place in ((1, 1), (right, 1), (1, bottom), (right, bottom))]


# ---- what stays, and what goes ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (1, (RED, GREEN, BLUE, WHITE)),
        (2, (GREEN, RED, WHITE, BLUE)),
        (3, (WHITE, BLUE, GREEN, RED)),
        (4, (BLUE, WHITE, RED, GREEN)),
        (5, (RED, BLUE, GREEN, WHITE)),
        (6, (BLUE, RED, WHITE, GREEN)),
        (7, (WHITE, GREEN, BLUE, RED)),
        (8, (GREEN, WHITE, RED, BLUE)),
    ],
)
async def test_a_picture_is_turned_upright(
    name: str, orientation: int, expected: tuple[tuple[int, ...], ...]
) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    content = encoded(quarters(), name, exif=exif, quality=95)
    size = (40, 20) if orientation < 5 else (20, 40)
    async with rendered(content, name, [Same(), Fit(800, 800)]) as picture:
        assert (picture.width, picture.height) == size
        for made in picture.renditions:
            image = opened(made)
            assert image.size == size
            assert image.getexif().get(ORIENTATION) is None
            for found, color in zip(corners(image), expected, strict=True):
                assert close(found, color, 30)
    # Of a preview alone, a JPEG is not decoded in full.
    async with rendered(content, name, [Fit(800, 800)]) as picture:
        assert (picture.width, picture.height) == size


async def test_metadata_and_comments_are_gone() -> None:
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[29] = SECRET.decode()
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Comment", SECRET.decode())
    texts.add_itxt("XML:com.adobe.xmp", SECRET.decode())
    image = quarters()
    given = {
        "JPEG": encoded(image, "JPEG", exif=exif, comment=SECRET, xmp=SECRET, dpi=(72, 72)),
        "PNG": encoded(image, "PNG", exif=exif, pnginfo=texts),
        "GIF": encoded(image, "GIF", comment=SECRET),
        "WEBP": encoded(image, "WEBP", exif=exif, xmp=SECRET),
    }
    for name, content in given.items():
        assert SECRET in content
        async with rendered(content, name, [Same(), Fit(800, 800), Square(96)]) as picture:
            for made in picture.renditions:
                assert SECRET not in made.file.read()
                assert not {"exif", "xmp", "comment", "icc_profile"} & opened(made).info.keys()


async def test_what_is_hidden_behind_a_picture_is_gone() -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("hidden.txt", SECRET)
    for name in TYPES:
        for hidden in (b"<script>alert(1)</script>", archive.getvalue(), b"%PDF-1.7\n"):
            made = await same(encoded(quarters(), name) + hidden, name)
            assert hidden not in made
            assert opened(made).format == name


@pytest.mark.parametrize("name", ["JPEG", "WEBP", "PNG"])
async def test_colours_of_another_profile_look_the_same(name: str) -> None:
    # A profile that swaps what it calls red and what it calls green.
    profile = _swapped_profile()
    content = encoded(Image.new("RGB", (64, 64), RED), name, icc_profile=profile, quality=95)
    made = opened(await same(content, name))
    assert "icc_profile" not in made.info
    found = made.convert("RGB").getpixel((32, 32))
    assert isinstance(found, tuple)
    assert found[1] > 200
    assert found[0] < 60


async def test_a_broken_profile_is_as_none() -> None:
    content = encoded(quarters(), "PNG", icc_profile=b"no profile at all")
    assert corners(opened(await same(content, "PNG"))) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
async def test_png_stays_what_it_is_to_the_pixel(mode: str) -> None:
    if mode == "I;16":
        image = Image.new(mode, (20, 10), 0x1234)
    else:
        image = quarters(20, 10).convert(mode)
    if mode in ("LA", "RGBA"):
        image.putalpha(77)
    made = opened(await same(encoded(image, "PNG"), "PNG"))
    assert made.mode == mode
    assert made.tobytes() == image.tobytes()
    assert made.convert("RGBA").tobytes() == image.convert("RGBA").tobytes()


async def test_sixteen_bits_are_scaled_in_a_preview() -> None:
    image = Image.new("I;16", (20, 10), 0x8000)
    async with rendered(encoded(image, "PNG"), "PNG", [Fit(10, 10)]) as picture:
        assert close(opened(picture.renditions[0]).getpixel((5, 2)), (128, 128, 128))


async def test_a_palette_with_transparency_keeps_it() -> None:
    image = Image.new("P", (20, 10), 1)
    image.putpalette([*RED, *GREEN, *BLUE])
    image.putpixel((0, 0), 2)
    content = encoded(image, "PNG", transparency=b"\xff\x80\x00")
    made = opened(await same(content, "PNG")).convert("RGBA")
    assert (made.getpixel((5, 5)), made.getpixel((0, 0))) == ((*GREEN, 0x80), (*BLUE, 0))
    async with rendered(content, "PNG", [Fit(10, 10), Square(8)]) as picture:
        fitted, square = (opened(each) for each in picture.renditions)
        assert fitted.mode == "RGBA"
        # Half transparent green on white.
        assert square.mode == "RGB"
        assert close(square.getpixel((4, 4)), (127, 255, 127), 30)


async def test_cmyk_becomes_rgb() -> None:
    content = encoded(quarters().convert("CMYK"), "JPEG", quality=95)
    made = opened(await same(content, "JPEG"))
    assert made.mode == "RGB"
    assert close(corners(made)[2], BLUE, 40)


async def test_a_lossless_webp_stays_so() -> None:
    image = Image.effect_noise((50, 50), 80).convert("RGB")
    made = opened(await same(encoded(image, "WEBP", lossless=True), "WEBP"))
    assert made.convert("RGB").tobytes() == image.tobytes()


@pytest.mark.parametrize("quality", [40, 75, 85, 95])
async def test_a_jpeg_stays_about_as_large_and_as_good(quality: int) -> None:
    image = Image.effect_noise((200, 200), 40).convert("RGB")
    content = encoded(image, "JPEG", quality=quality, subsampling=0)
    made = await same(content, "JPEG")
    assert len(made) < 1.6 * len(content)
    if quality >= 75:
        assert 0.8 * len(content) < len(made) < 1.1 * len(content)


# ---- animations ---------------------------------------------------------------------------------


def animated(name: str, *, transparent: bool) -> bytes:
    frames: list[Image.Image] = []
    for number in range(4):
        frame = Image.new("RGBA", (40, 30), (0, 0, 0, 0) if transparent else (*WHITE, 255))
        frame.paste((*(RED, GREEN, BLUE, RED)[number], 255), (number * 10, 5, number * 10 + 8, 25))
        frames.append(frame)
    options: dict[str, Any] = {"lossless": True} if name == "WEBP" else {"disposal": 2}
    return encoded(
        frames[0],
        name,
        save_all=True,
        append_images=frames[1:],
        duration=[100, 200, 300, 400],
        loop=3,
        **options,
    )


def frames_of(image: Image.Image) -> list[tuple[Any, Image.Image]]:
    found: list[tuple[Any, Image.Image]] = []
    for index in range(getattr(image, "n_frames", 1)):
        image.seek(index)
        frame = image.convert("RGBA")
        found.append((image.info["duration"], frame))
    return found


@pytest.mark.parametrize("transparent", [False, True], ids=["opaque", "transparent"])
@pytest.mark.parametrize("name", ["GIF", "PNG", "WEBP"])
async def test_an_animation_stays_one(name: str, transparent: bool) -> None:
    content = animated(name, transparent=transparent)
    async with rendered(content, name, [Same(), Fit(20, 20)]) as picture:
        whole, preview = (opened(each) for each in picture.renditions)
        assert whole.info["loop"] == opened(content).info["loop"]
        given, made = frames_of(opened(content)), frames_of(whole)
        assert [duration for duration, _ in made] == [100, 200, 300, 400]
        for (_, one), (_, other) in zip(given, made, strict=True):
            for place in ((4, 15), (14, 15), (24, 15), (34, 15), (1, 1)):
                was, became = one.getpixel(place), other.getpixel(place)
                assert isinstance(was, tuple)
                assert isinstance(became, tuple)
                # Nobody sees the colour of what is transparent.
                assert became[3] == 0 if was[3] == 0 else close(became, was, 30)
        assert getattr(preview, "n_frames", 1) == 1
        assert preview.size == (20, 15)


async def test_a_png_keeps_the_picture_in_front_of_its_animation() -> None:
    first, *others = (Image.new("RGB", (20, 20), color) for color in (RED, GREEN, BLUE))
    content = encoded(
        first, "PNG", save_all=True, append_images=others, default_image=True, duration=[50, 60]
    )
    made = opened(await same(content, "PNG"))
    assert made.info["default_image"]
    assert made.convert("RGB").getpixel((5, 5)) == RED
    made.seek(2)
    assert made.info["duration"] == 60


# ---- sizes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "fitted"),
    [
        ((1, 1), (1, 1)),
        ((30, 20), (30, 20)),
        ((80, 80), (80, 80)),
        ((160, 40), (80, 20)),
        ((40, 160), (20, 80)),
        ((12_000, 2), (80, 1)),
        ((2, 12_000), (1, 80)),
    ],
)
async def test_sizes(size: tuple[int, int], fitted: tuple[int, int]) -> None:
    for name in ("JPEG", "PNG", "GIF", "WEBP"):
        content = encoded(Image.new("RGB", size, GREEN), name)
        async with rendered(content, name, [Same(), Fit(80, 80), Square(16)]) as picture:
            whole, fit, square = picture.renditions
            assert (picture.width, picture.height) == size
            assert (whole.width, whole.height) == size == opened(whole).size
            assert (fit.width, fit.height) == fitted == opened(fit).size
            assert (square.width, square.height) == (16, 16) == opened(square).size


@pytest.mark.parametrize("size", [(90, 30), (30, 90), (900, 300)])
async def test_a_square_is_the_middle(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, RED)
    side = min(size)
    left, top = (size[0] - side) // 2, (size[1] - side) // 2
    image.paste(GREEN, (left, top, left + side, top + side))
    async with rendered(encoded(image, "JPEG", quality=95), "JPEG", [Square(60)]) as picture:
        made = opened(picture.renditions[0])
        assert made.size == (60, 60)
        assert all(close(color, GREEN, 40) for color in corners(made.crop((2, 2, 58, 58))))


def _swapped_profile() -> bytes:
    """Return an sRGB profile whose red and green primaries have changed places."""
    srgb = cast("Any", ImageCms.createProfile("sRGB"))  # pyright: ignore[reportUnknownMemberType]
    profile = bytearray(ImageCms.ImageCmsProfile(srgb).tobytes())
    red, green = profile.index(b"rXYZ"), profile.index(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    # No longer what its name says.
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be"))
