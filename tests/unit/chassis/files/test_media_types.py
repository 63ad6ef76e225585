"""What a file is said to be must agree with what it is, and what nobody knows passes."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import struct
import tarfile
import zipfile

import pytest
from PIL import Image

from chassis.files.media_types import ANY_TYPE, INLINE_TYPES, check_type, inline_type
from chassis.files.refusals import TypeMismatch


def picture(name: str, mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.new(mode, (20, 10)).save(file, name)
    return file.getvalue()


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "content")
    return file.getvalue()


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("notes.txt")
        member.size = 5
        archive.addfile(member, io.BytesIO(b"notes"))
    return file.getvalue()


def windows_program() -> bytes:
    start = b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0\xb8".ljust(60, b"\0")
    return start + struct.pack("<I", 128) + bytes(64) + b"PE\0\0d\x86" + bytes(100)


DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ODT = "application/vnd.oasis.opendocument.text"
SVG = b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>"
HTML = b"<!DOCTYPE html><html><script>alert(1)</script></html>"
ELF = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHI", 3, 62, 1) + bytes(40)
EXE = windows_program()
MACH_O = b"\xcf\xfa\xed\xfe\x07\0\0\x01" + bytes(30)
OLE = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600)
MP4 = b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41" + bytes(20)
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(20)
HEIC_COLLECTION = b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + bytes(20)
MP3 = b"\xff\xfb\x90\x64\0\x0f\xf0" + bytes(40)
MP3_TAGGED = b"ID3\x03\0\0\0\0\x21\x76TIT2" + bytes(30)
WAV = b"RIFF\x24\x08\0\0WAVEfmt \x10\0\0\0\x01\0" + bytes(30)
OGG = b"OggS\0\x02" + bytes(20) + b"\x01\x1e\x01vorbis" + bytes(9)
MATROSKA = bytes.fromhex(
    "1a45dfa3a34286810142f7810142f2810442f381084282886d6174726f736b61"
) + bytes(9)
FLAC = b"fLaC\0\0\0\x22" + bytes(30)
TRUETYPE = b"\0\x01\0\0\0\x12\x01\0" + bytes(20)
SEVEN_ZIP = b"7z\xbc\xaf\x27\x1c\0\x04" + bytes(30)
RAR = b"Rar!\x1a\x07\x01\0" + bytes(20)
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj"
JPEG, PNG, GIF, WEBP = picture("JPEG"), picture("PNG"), picture("GIF"), picture("WEBP")
TIFF, ICO, BMP, JPEG_2000 = picture("TIFF"), picture("ICO"), picture("BMP"), picture("JPEG2000")
AVIF = picture("AVIF")
WORDS = "Ein Größenvergleich, déjà vu: 漢字 🛩\r\n"


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (JPEG, "image/jpeg"),
        (PNG, "image/png"),
        (GIF, "image/gif"),
        (WEBP, "image/webp"),
        (PDF, "application/pdf"),
    ],
)
def test_what_may_be_shown_must_be_said_to_be_that_or_nothing(
    content: bytes, media_type: str
) -> None:
    extension = media_type.rpartition("/")[2]
    assert media_type in INLINE_TYPES
    assert check_type(media_type, f"a.{extension}", content) == media_type
    assert check_type(f"{media_type.upper()}; q=1", "", content) == media_type
    assert check_type("", f"a.{extension}", content) == media_type
    assert check_type(ANY_TYPE, "no extension", content) == media_type
    assert check_type("", "", content) == media_type
    assert inline_type(content) == media_type
    for claim in INLINE_TYPES - {media_type} | {"text/plain", "application/zip", "image/svg+xml"}:
        with pytest.raises(TypeMismatch):
            check_type(claim, "", content)
    with pytest.raises(TypeMismatch):
        check_type(media_type, "a.txt", content)
    with pytest.raises(TypeMismatch):
        check_type("", "a.html", content)


@pytest.mark.parametrize(
    ("declared", "name", "content"),
    [
        ("image/jpg", "a.JPG", JPEG),
        ("image/pjpeg", "a.jpeg", JPEG),
        ("image/x-png", "a.PNG", PNG),
        ("application/x-pdf", "a.pdf", PDF),
    ],
)
def test_other_names_of_a_type_are_that_type(declared: str, name: str, content: bytes) -> None:
    assert check_type(declared, name, content) == inline_type(content)


@pytest.mark.parametrize("claimed", sorted(INLINE_TYPES))
@pytest.mark.parametrize(
    "content",
    [HTML, SVG, b"plain", zipped("a"), ELF, TIFF, ICO, b"", b"\xff\xd8", b"junk%PDF-1.7", WAV],
)
def test_nothing_else_passes_for_what_may_be_shown(claimed: str, content: bytes) -> None:
    extension = claimed.rpartition("/")[2]
    for declared, name in ((claimed, ""), ("", f"a.{extension}"), ("text/html", f"a.{extension}")):
        with pytest.raises(TypeMismatch):
            check_type(declared, name, content)


@pytest.mark.parametrize(
    ("declared", "name", "content", "kept"),
    [
        # Office documents and archives
        (DOCX, "a.docx", zipped("[Content_Types].xml", "word/document.xml"), DOCX),
        ("application/msword", "a.doc", OLE, "application/msword"),
        ("application/msword", "a.doc", zipped("word/document.xml"), "application/msword"),
        ("application/msword", "a.doc", b"{\\rtf1\\ansi", "application/msword"),
        ("application/vnd.ms-excel", "a.csv", b"a;b\r\n1;2", "application/vnd.ms-excel"),
        (XLSX, "a.xlsx", zipped("[Content_Types].xml", "xl/workbook.xml"), XLSX),
        (ODT, "a.odt", zipped("mimetype", "content.xml"), ODT),
        ("application/epub+zip", "a.epub", zipped("mimetype"), "application/epub+zip"),
        ("application/zip", "a.zip", zipped("a.txt"), "application/zip"),
        ("application/x-zip-compressed", "a.zip", zipped("a"), "application/x-zip-compressed"),
        ("", "a.tar.gz", gzip.compress(tarred()), ANY_TYPE),
        ("application/gzip", "a.tgz", gzip.compress(tarred()), "application/gzip"),
        ("", "a.tar", tarred(), "application/x-tar"),
        ("application/x-xz", "a.xz", lzma.compress(b"x"), "application/x-xz"),
        ("application/x-bzip2", "a.bz2", bz2.compress(b"x"), "application/x-bzip2"),
        ("application/x-7z-compressed", "a.7z", SEVEN_ZIP, "application/x-7z-compressed"),
        ("application/vnd.rar", "a.rar", RAR, "application/vnd.rar"),
        ("image/openraster", "a.ora", zipped("mimetype"), "image/openraster"),
        ("image/svg+xml-compressed", "a.svgz", gzip.compress(SVG), "image/svg+xml-compressed"),
        # Text and source code
        ("text/plain", "a.txt", WORDS.encode(), "text/plain"),
        ("text/plain", "a.txt", WORDS.encode("utf-16"), "text/plain"),
        ("text/plain", "a.txt", codecs.BOM_UTF16_BE + WORDS.encode("utf-16-be"), "text/plain"),
        ("text/plain", "a.txt", WORDS.encode("utf-32"), "text/plain"),
        ("text/plain", "a.txt", WORDS.encode("utf-16")[:-1], "text/plain"),
        ("text/plain", "a.txt", "Größe".encode("latin-1"), "text/plain"),
        ("text/plain", "a.txt", b"", "text/plain"),
        ("text/plain", "a.txt", b"BM is a signature, and so is MZ", "text/plain"),
        ("text/plain", "a.txt", b"MZ: a name of few letters", "text/plain"),
        ("text/plain", "a.txt", b"RIFF and FORM, OggS, 8BPS", "text/plain"),
        ("text/csv", "a.csv", b"a,b\n1,2\n", "text/csv"),
        ("", "a.csv", b"PK,ID3\n1,2\n", "text/csv"),
        ("text/markdown", "README.md", b"# Title\n\ntext", "text/markdown"),
        ("text/x-python", "a.py", b"import os\n", "text/x-python"),
        ("", "a.py", b"#!/usr/bin/env python3\n", "text/x-python"),
        ("video/mp2t", "a.ts", b"import { a } from './a'\n", "video/mp2t"),
        ("application/json", "a.json", b'{"a": 1}', "application/json"),
        ("", "a", b"From nobody Mon Sep 17 00:00:00 2001", ANY_TYPE),
        # What must never be shown, and is kept as what it is
        ("image/svg+xml", "a.svg", SVG, "image/svg+xml"),
        ("", "a.svg", SVG, "image/svg+xml"),
        ("text/html", "a.html", HTML, "text/html"),
        ("text/plain", "a.txt", HTML, "text/plain"),
        ("application/xml", "a.xml", SVG, "application/xml"),
        # Sound and film
        ("video/mp4", "a.mp4", MP4, "video/mp4"),
        ("audio/mp4", "a.m4a", MP4, "audio/mp4"),
        ("audio/mpeg", "a.mp3", MP3, "audio/mpeg"),
        ("audio/mpeg", "a.mp3", MP3_TAGGED, "audio/mpeg"),
        ("audio/wav", "a.wav", WAV, "audio/wav"),
        ("video/ogg", "a.ogv", OGG, "video/ogg"),
        ("application/ogg", "a.ogx", OGG, "application/ogg"),
        ("video/webm", "a.webm", MATROSKA, "video/webm"),
        ("audio/flac", "a.flac", FLAC, "audio/flac"),
        # Other pictures
        ("image/heic", "a.heic", HEIC, "image/heic"),
        ("image/heif", "a.heif", HEIC_COLLECTION, "image/heif"),
        ("image/avif", "a.avif", AVIF, "image/avif"),
        ("image/tiff", "a.tiff", TIFF, "image/tiff"),
        ("image/x-adobe-dng", "a.dng", TIFF, "image/x-adobe-dng"),
        ("image/vnd.microsoft.icon", "a.ico", ICO, "image/vnd.microsoft.icon"),
        ("image/bmp", "a.bmp", BMP, "image/bmp"),
        ("image/jp2", "a.jp2", JPEG_2000, "image/jp2"),
        ("font/ttf", "a.ttf", TRUETYPE, "font/ttf"),
        # Programs, said to be what they are
        ("application/x-msdownload", "setup.exe", EXE, "application/x-msdownload"),
        ("", "setup.exe", EXE, ANY_TYPE),
        ("application/x-executable", "a.out", ELF, "application/x-executable"),
        (ANY_TYPE, "libx.so", ELF, ANY_TYPE),
        # What nobody knows
        ("", "", b"", ANY_TYPE),
        ("", "a.unknown", bytes(range(256)), ANY_TYPE),
        ("application/x-unknown", "a.unknown", bytes(range(256)), "application/x-unknown"),
        ("video/x-unknown", "", bytes(range(256)), "video/x-unknown"),
        ("", "data:image/png,a", b"no picture", ANY_TYPE),
        ("", "http://example.org/a.bin", b"no picture", ANY_TYPE),
    ],
)
def test_all_else_is_kept_as_what_it_is_said_to_be(
    declared: str, name: str, content: bytes, kept: str
) -> None:
    assert check_type(declared, name, content) == kept


@pytest.mark.parametrize(
    ("declared", "name", "content"),
    [
        ("text/plain", "a.txt", EXE),
        ("text/plain", "", ELF),
        ("", "a.txt", ELF),
        ("application/msword", "a.doc", EXE),
        (DOCX, "a.docx", ELF),
        ("application/zip", "a.zip", EXE),
        ("", "a.mp4", MACH_O),
        ("image/tiff", "", EXE),
        ("font/ttf", "", ELF),
        ("text/plain", "a.txt", b"text\0and more"),
        ("text/plain", "a.txt", zipped("a")),
        ("text/plain", "a.txt", codecs.BOM_UTF16_LE + b"\0\xd8\0\xd8"),
        ("application/json", "", gzip.compress(b"{}")),
        ("image/svg+xml", "a.svg", zipped("a")),
        ("image/svg+xml", "", TIFF),
        ("text/html", "", MP4),
        ("video/mp4", "a.mp4", zipped("a")),
        ("audio/mpeg", "a.mp3", OLE),
        ("audio/wav", "", TIFF),
        ("image/tiff", "a.tiff", MATROSKA),
        ("image/heic", "", FLAC),
        (DOCX, "", TIFF),
        ("application/zip", "", WAV),
        ("font/ttf", "", OGG),
    ],
)
def test_what_cannot_be_what_it_is_said_to_be_is_refused(
    declared: str, name: str, content: bytes
) -> None:
    with pytest.raises(TypeMismatch):
        check_type(declared, name, content)
