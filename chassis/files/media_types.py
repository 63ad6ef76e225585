"""Tells what a file really is, so that nothing is shown or kept as something that it is not."""

from __future__ import annotations

import codecs
import mimetypes
from enum import Enum, auto
from pathlib import PurePosixPath
from typing import Protocol, cast

import puremagic

from chassis.files.refusals import TypeMismatch

ANY_TYPE = "application/octet-stream"
"""What a file is called of which nothing is known. As a declaration, it declares nothing."""
PICTURE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
"""The pictures that are written anew, and may be shown."""
INLINE_TYPES = PICTURE_TYPES | {"application/pdf"}
"""Whatever a browser may be told to show; all else is a download."""

_ALIASES = {
    "application/acrobat": "application/pdf",
    "application/x-pdf": "application/pdf",
    "image/apng": "image/png",
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/vnd.mozilla.apng": "image/png",
    "image/x-png": "image/png",
}

_LEAST_SIGNATURE = 4
"""How many bytes a signature must have to count: shorter ones turn up by chance."""


class _Match(Protocol):
    """A signature that puremagic found, which has no types of its own."""

    byte_match: bytes
    offset: int
    mime_type: str


class _Kind(Enum):
    """What types have in common, so that a file of one kind can't pass for one of another."""

    TEXT = auto()
    IMAGE = auto()
    AUDIO_OR_VIDEO = auto()
    FONT = auto()
    DOCUMENT = auto()
    """Office documents and archives, which are often the same."""
    PROGRAM = auto()


_KINDS_BY_NAME = {
    "application/font-woff": _Kind.FONT,
    "application/gzip": _Kind.DOCUMENT,
    "application/java-archive": _Kind.DOCUMENT,
    "application/javascript": _Kind.TEXT,
    "application/json": _Kind.TEXT,
    "application/msword": _Kind.DOCUMENT,
    "application/ogg": _Kind.AUDIO_OR_VIDEO,
    "application/rtf": _Kind.DOCUMENT,
    "application/vnd.ms-asf": _Kind.AUDIO_OR_VIDEO,
    "application/vnd.rar": _Kind.DOCUMENT,
    "application/x-7z-compressed": _Kind.DOCUMENT,
    "application/x-bzip2": _Kind.DOCUMENT,
    "application/x-font-otf": _Kind.FONT,
    "application/x-font-ttf": _Kind.FONT,
    "application/x-gzip": _Kind.DOCUMENT,
    "application/x-matroska": _Kind.AUDIO_OR_VIDEO,
    "application/x-rar-compressed": _Kind.DOCUMENT,
    "application/x-sqlite3": _Kind.DOCUMENT,
    "application/x-tar": _Kind.DOCUMENT,
    "application/x-xz": _Kind.DOCUMENT,
    "application/x-zip-compressed": _Kind.DOCUMENT,
    "application/xml": _Kind.TEXT,
    "application/zip": _Kind.DOCUMENT,
    "application/zstd": _Kind.DOCUMENT,
    "image/openraster": _Kind.DOCUMENT,
}
_KINDS_BY_BEGINNING = {
    "application/vnd.ms-": _Kind.DOCUMENT,
    "application/vnd.oasis.opendocument.": _Kind.DOCUMENT,
    "application/vnd.openxmlformats-": _Kind.DOCUMENT,
    "audio/": _Kind.AUDIO_OR_VIDEO,
    "font/": _Kind.FONT,
    "image/": _Kind.IMAGE,
    "text/": _Kind.TEXT,
    "video/": _Kind.AUDIO_OR_VIDEO,
}
_MACH_O = frozenset(
    bytes.fromhex(magic)
    for magic in ("feedface", "feedfacf", "cefaedfe", "cffaedfe", "cafebabe", "bebafeca")
)
_WIDE_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_WIDE_CODECS = ("utf-32", "utf-32", "utf-16", "utf-16")

# Only what Python itself knows: a machine's own tables would make machines differ.
_EXTENSIONS = mimetypes.MimeTypes(filenames=())


def check_type(declared: str, file_name: str, head: bytes) -> str:
    """Return the media type to keep for a file, if its content is what it is said to be.

    Both the declared type and the name's extension say something, or nothing if they are not known.
    Files of the types that are ever shown must be said to be just that, and no other file may be.
    Of all others, only what can't be doubted counts: a program that is said to be a document, an
    archive that is said to be a film, text with NUL bytes. Content that nobody knows passes.

    Arguments:
        declared: the media type (RFC 6838) that the sender gives, or empty.
        file_name: what the sender calls the file, or empty. Only its extension matters.
        head: the first bytes of the content; 64 KiB are enough.

    Raises:
        TypeMismatch: the content is not what it is said to be.
    """
    claims = [claim for claim in (_declaration(declared), _by_extension(file_name)) if claim]
    inline = inline_type(head)
    if inline is not None:
        if any(claim != inline for claim in claims):
            raise TypeMismatch
        return inline
    for claim in claims:
        if claim in INLINE_TYPES or _contradicts(head, claim):
            raise TypeMismatch
    return claims[0] if claims else ANY_TYPE


def inline_type(head: bytes) -> str | None:
    """Return the type of a file that begins like one of those that may be shown, or None."""
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    if head.startswith(b"%PDF-"):
        return "application/pdf"
    return None


def _declaration(declared: str) -> str:
    named = declared.partition(";")[0].strip().lower()
    return "" if named == ANY_TYPE else _ALIASES.get(named, named)


def _by_extension(file_name: str) -> str:
    # The extensions alone: of a whole name, mimetypes would take "data:…" for a URL.
    extensions = "".join(PurePosixPath(file_name).suffixes[-2:])
    guessed, compression = _EXTENSIONS.guess_type(f"name{extensions}", strict=False)
    return "" if guessed is None or compression is not None else _declaration(guessed)


def _contradicts(head: bytes, claim: str) -> bool:
    """Tell whether content can't be doubted to be of another kind than is claimed."""
    claimed = _kind(claim)
    if claimed is None:
        return False
    if claimed is _Kind.TEXT:
        return not _may_be_text(head)
    found = _kinds_found(head)
    return bool(found) and claimed not in found


def _kind(media_type: str) -> _Kind | None:
    named = media_type.lower()
    if named in _KINDS_BY_NAME:
        return _KINDS_BY_NAME[named]
    if named.endswith(("+xml", "+json")):
        return _Kind.TEXT
    return next(
        (kind for start, kind in _KINDS_BY_BEGINNING.items() if named.startswith(start)), None
    )


def _kinds_found(head: bytes) -> set[_Kind]:
    """Return what content may be by the longest signature that it bears; empty if that is nothing known."""
    if _is_program(head):
        return {_Kind.PROGRAM}
    if head[4:8] == b"ftyp":
        # One container for films, sounds and pictures, with more brands than any table knows.
        return {_Kind.AUDIO_OR_VIDEO, _Kind.IMAGE}
    try:
        # The content is only compared: nothing in it is opened or unpacked.
        found = cast("list[_Match]", puremagic.magic_string(head))  # pyright: ignore[reportUnknownMemberType]
    except puremagic.PureError:
        return set()
    # It takes the end of the head for the end of the file: offsets from there mean nothing.
    matches = [match for match in found if match.offset >= 0]
    longest = max((len(match.byte_match) for match in matches if match.mime_type), default=0)
    if longest < _LEAST_SIGNATURE:
        return set()
    kinds = {_kind(match.mime_type) for match in matches if len(match.byte_match) == longest}
    # A word that texts of some sort begin with is no evidence.
    return {kind for kind in kinds if kind is not None and kind is not _Kind.TEXT}


def _is_program(head: bytes) -> bool:
    """Tell whether this begins like a program: ELF, Windows and DOS, macOS or Java."""
    is_windows = head.startswith(b"MZ") and b"\0" in head[:64]
    return head.startswith(b"\x7fELF") or is_windows or head[:4] in _MACH_O


def _may_be_text(head: bytes) -> bool:
    """Tell whether this may be text: without NUL, unless it is marked as UTF-16 or UTF-32."""
    for mark, codec in zip(_WIDE_MARKS, _WIDE_CODECS, strict=True):
        if head.startswith(mark):
            try:
                # The head may end in the middle of a character.
                codecs.getincrementaldecoder(codec)().decode(head)
            except UnicodeDecodeError:
                return False
            return True
    return b"\0" not in head
