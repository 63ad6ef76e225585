"""Writes one picture anew, in a process of its own, so that nothing that is in it can do harm.

`pictures` runs this file as a program, to which it gives open files without names, limits, and
nothing of its own environment. Nothing else of this repository is imported here, and of Pillow
only what the formats of the web need: the process lives for a single picture, and to start it takes
longer than to write a small one.
"""
# pyright: reportUnknownMemberType=false
# Pillow's types name those of numpy, which is not here.

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import warnings
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Any, cast

from PIL import GifImagePlugin, Image, WebPImagePlugin
from PIL.JpegImagePlugin import get_sampling

_LEAST_PIXELS_OF_A_FRAME = 128 * 128
"""A frame costs its decoder something, however small it is."""
_ORIENTATION_TAG = 0x0112
_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What brings a picture upright, by EXIF's number for how it lies (JEITA CP-3451, tag 0112H)."""
_KEPT = ("duration", "transparency")
_LUMINANCE_SUM = 3688
"""The sum of the luminance table that stands for quality 50 (ITU-T T.81, table K.1)."""
_LEAST_QUALITY, _MOST_QUALITY = 60, 92
_WEBP_QUALITY, _PREVIEW_QUALITY = 90, 82

Job = dict[str, Any]
Outcome = dict[str, Any]


class _TooLargeError(Exception):
    """The picture takes more than it is given."""


class _NoSpaceError(Exception):
    """What was rendered can't be written, and that is not the picture's fault."""


@dataclass(frozen=True, slots=True)
class _Decoded:
    """A picture: its size when upright, its frames, and how to write it in its own format."""

    width: int
    height: int
    frames: list[Image.Image]
    options: dict[str, Any]


def main(job: Job) -> Outcome:
    """Do a job, as `pictures` describes it, and return what came of it."""
    _limit(job)
    # Imported above, for Pillow would import all the formats it has to find this one.
    assert WebPImagePlugin.SUPPORTED, "previews are WebP"
    # Of what Pillow warns of, nothing is of interest here that is not refused as well.
    warnings.simplefilter("ignore")
    # As long as the frames of a GIF share a palette, their pixels stay what they are.
    GifImagePlugin.LOADING_STRATEGY = (
        GifImagePlugin.LoadingStrategy.RGB_AFTER_DIFFERENT_PALETTE_ONLY
    )
    # Pillow warns above this number and refuses above twice this number, before it decodes.
    Image.MAX_IMAGE_PIXELS = job["max_pixels"] / 2
    try:
        return _render(job)
    except (_TooLargeError, Image.DecompressionBombError, MemoryError):
        return {"refused": "too large"}
    except _NoSpaceError:
        return {"refused": "no space"}
    except Exception as error:  # noqa: BLE001 - whatever else decoding raises is the picture's fault
        return {"refused": "unreadable", "error": type(error).__name__}


def _limit(job: Job) -> None:
    """Take no more than is given. Beyond it memory and output fail, and time kills."""
    resource.setrlimit(resource.RLIMIT_AS, (job["memory_bytes"],) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (job["cpu_seconds"],) * 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (job["output_bytes"],) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Whoever waits for a message goes before who waits for a picture.
    os.nice(10)
    # Ctrl-C is for the service, which ends this process itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _render(job: Job) -> Outcome:
    decoded = _decode(job)
    rendered = [_write(wanted, decoded, job) for wanted in job["renditions"]]
    return {"width": decoded.width, "height": decoded.height, "renditions": rendered}


def _decode(job: Job) -> _Decoded:
    """Read the picture: all of its frames, or of the first one what previews need."""
    with os.fdopen(job["source"], "rb") as source:
        # A WebP file that holds nothing but a lossless picture says so (RFC 9649, section 2.6).
        source.seek(0)
        lossless = source.read(16).endswith(b"VP8L")
        opened = Image.open(source, formats=[job["format"]])
        width, height = opened.size
        if _orientation(opened) in (5, 6, 7, 8):
            width, height = height, width
        if any(wanted["kind"] == "same" for wanted in job["renditions"]):
            frames = _frames(opened, job["format"], job["max_total_pixels"])
            options = _options(opened, job["format"], frames, lossless=lossless)
            return _Decoded(width, height, frames, options)
        # Of a JPEG no more is decoded than previews need, which is many times faster.
        most = max(max(wanted["width"], wanted["height"]) for wanted in job["renditions"])
        opened.draft(opened.mode, (2 * most, 2 * most))
        return _Decoded(width, height, [_clean(opened)], {})


def _frames(opened: Image.Image, name: str, max_total_pixels: int) -> list[Image.Image]:
    """Return all frames of a picture, clean."""
    # What Pillow calls the frames of a JPEG are other pictures behind it: an MPO.
    count = 1 if name == "JPEG" else getattr(opened, "n_frames", 1)
    if count == 1:
        return [_clean(opened)]
    if count * max(opened.width * opened.height, _LEAST_PIXELS_OF_A_FRAME) > max_total_pixels:
        raise _TooLargeError
    frames: list[Image.Image] = []
    for index in range(count):
        opened.seek(index)
        frames.append(_clean(opened.copy()))
    return frames


def _clean(image: Image.Image) -> Image.Image:
    """Return a picture upright, in sRGB, and with nothing but its pixels and how long they show."""
    image.load()
    transposition = _TRANSPOSITIONS.get(_orientation(image))
    clean = _in_srgb(image)
    clean.info = {name: clean.info[name] for name in _KEPT if name in clean.info}
    return clean if transposition is None else clean.transpose(transposition)


def _orientation(opened: Image.Image) -> int:
    # Whatever is wrong with the EXIF: without it a picture lies as it is.
    with suppress(Exception):
        return int(opened.getexif().get(_ORIENTATION_TAG, 1))
    return 1


def _in_srgb(image: Image.Image) -> Image.Image:
    """Return a picture in the colours of sRGB, which everything assumes where nothing else is said.

    To keep the profile instead would keep whatever someone put into it, and previews would need it
    as well. What is lost is the colours that sRGB lacks.
    """
    profile = image.info.get("icc_profile")
    if profile:
        # With a profile that is broken or of another kind of picture, it is as if there were none.
        with suppress(Exception):
            image = _converted(image, profile)
    return image.convert("RGB") if image.mode == "CMYK" else image


def _converted(image: Image.Image, profile: bytes) -> Image.Image:
    from PIL import ImageCms

    found = ImageCms.ImageCmsProfile(BytesIO(profile))
    details = cast("Any", found.profile)
    space: str = details.xcolor_space.strip()
    if space == "RGB" and "sRGB" in (details.profile_description or ""):
        return image
    if space == "RGB" and (image.mode == "P" or "transparency" in image.info):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    result = "RGBA" if image.mode == "RGBA" else "RGB"
    srgb = cast("Any", ImageCms.createProfile("sRGB"))
    in_place = image.mode == result
    made = ImageCms.profileToProfile(image, found, srgb, outputMode=result, inPlace=in_place)
    converted = image if made is None else made
    return converted.convert("L") if space == "GRAY" else converted


def _options(
    opened: Image.Image, name: str, frames: list[Image.Image], *, lossless: bool
) -> dict[str, Any]:
    """Return how to write a picture so that it stays what it is."""
    animation: dict[str, Any] = {}
    if len(frames) > 1:
        durations = [frame.info.get("duration", 0) for frame in frames]
        animation = {"save_all": True, "append_images": frames[1:], "duration": durations}
        if "loop" in opened.info:
            animation["loop"] = opened.info["loop"]
    match name:
        case "JPEG":
            return {"quality": _quality(opened), "subsampling": get_sampling(opened)}
        case "PNG" if opened.info.get("default_image"):
            # Its first picture is not part of the animation.
            return {**animation, "default_image": True, "duration": animation["duration"][1:]}
        case "GIF" if animation:
            # Each frame is the whole picture: where one is transparent, the one before must go.
            transparent = any(frame.has_transparency_data for frame in frames)
            return {**animation, "disposal": 2 if transparent else 1}
        case "WEBP":
            return {**animation, "lossless": lossless, "quality": _WEBP_QUALITY}
        case _:
            return animation


def _quality(opened: Image.Image) -> int:
    """Return about the quality that a JPEG has: less would show, and more would only be larger.

    Its own tables are not written again: they could say anything.
    """
    tables: dict[int, list[int]] = getattr(opened, "quantization", {})
    if not tables:
        return _MOST_QUALITY
    scale = 100 * sum(next(iter(tables.values()))) / _LUMINANCE_SUM
    quality = (200 - scale) / 2 if scale <= 100 else 5000 / scale
    return max(_LEAST_QUALITY, min(_MOST_QUALITY, round(quality)))


def _write(wanted: Job, decoded: _Decoded, job: Job) -> Outcome:
    """Write one rendition into its file."""
    first = decoded.frames[0]
    name, options = "WEBP", {"quality": _PREVIEW_QUALITY}
    match wanted["kind"]:
        case "same":
            image, name, options = first, job["format"], decoded.options
        case "fit":
            image = _fit(first, wanted["width"], wanted["height"])
        case _:
            image = _square(first, wanted["width"])
    with os.fdopen(wanted["file"], "wb") as file:
        try:
            image.save(file, name, **options)
            file.flush()
        except OSError as error:
            # Pillow's encoders don't tell why a file can't be written.
            full = os.fstat(file.fileno()).st_size >= job["output_bytes"]
            raise (_TooLargeError if full else _NoSpaceError) from error
        except ValueError as error:
            # This is what they say when they get no memory.
            raise _TooLargeError from error
    return {"width": image.width, "height": image.height, "format": name}


def _fit(image: Image.Image, width: int, height: int) -> Image.Image:
    """Return a picture that fits into a frame, never enlarged."""
    plain = _plain(image)
    scale = min(width / image.width, height / image.height)
    if scale >= 1:
        return plain
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return plain.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _square(image: Image.Image, size: int) -> Image.Image:
    """Return the middle of a picture as a square of a size, on white where it is transparent."""
    plain = _plain(image)
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    square = plain.resize((size, size), Image.Resampling.LANCZOS, box, reducing_gap=3.0)
    if square.mode == "RGB":
        return square
    white = Image.new("RGB", square.size, "white")
    white.paste(square, mask=square)
    return white


def _plain(image: Image.Image) -> Image.Image:
    """Return a picture in red, green and blue of 8 bits each, and alpha if it needs that."""
    if image.mode in ("I", "I;16"):
        # Pillow would not scale the values, but cut them off.
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


if __name__ == "__main__":
    given: Job = json.loads(sys.argv[1])
    outcome = main(given)
    with os.fdopen(given["outcome"], "w", encoding="utf-8") as said:
        json.dump(outcome, said)
