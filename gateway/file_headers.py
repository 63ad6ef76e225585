"""The headers that go with files over HTTP: names, ranges, and what keeps a browser from running them."""

from __future__ import annotations

import re
from email.message import Message
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import quote

INLINE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp", "application/pdf"})
"""What a browser may show in its window. All else is only ever saved."""
# Scripts, forms, plugins and links of a file have no place to act from, whatever it is.
_CONFINED = "default-src 'none'; sandbox"
# A sandboxed document can't hold a browser's own viewer of PDF, which confines scripts by itself.
_CONFINED_PDF = "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'"
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_LONGEST_DISPOSITION = 4096
_NOT_PLAIN = re.compile(r"[^ !#-\[\]-~]")


class Range(NamedTuple):
    """A part of a file that is asked for (RFC 9110, 14.2).

    Attributes:
        first: its first byte; None if it is the end of the file that is asked for.
        last: its last byte, or None for up to the end; how many bytes, if `first` is None.
    """

    first: int | None
    last: int | None


def parse_range(value: str) -> Range | None:
    """Read a Range header; None for one that is to be ignored: none, several ranges, or no range."""
    found = _RANGE.fullmatch(value.replace(" ", ""))
    if found is None:
        return None
    first, last = (int(digits) if digits else None for digits in found.groups())
    if (first is None and not last) or (first is not None and last is not None and last < first):
        return None
    return Range(first, last)


def unmet_condition(if_match: str, if_none_match: str, tag: str) -> HTTPStatus | None:
    """Return what a request for something is answered because of its conditions (RFC 9110, 13.2.2).

    Arguments:
        if_match: its header of this name, or an empty text.
        if_none_match: the same.
        tag: the entity tag of what it asks for.
    """
    if if_match and not {"*", tag} & _tags(if_match):
        return HTTPStatus.PRECONDITION_FAILED
    if if_none_match and {"*", tag, f"W/{tag}"} & _tags(if_none_match):
        return HTTPStatus.NOT_MODIFIED
    return None


def _tags(value: str) -> set[str]:
    return {tag.strip(" \t") for tag in value.split(",")}


def file_name_of(content_disposition: str) -> str:
    """Return the file name in a Content-Disposition header (RFC 6266), or an empty text.

    The extended form (`filename*`, RFC 8187) comes before the plain one, as that RFC has it.

    Raises:
        ValueError: the header is longer than any honest one, or can't be read.
    """
    # What it takes to read one grows with the square of its length.
    if len(content_disposition) > _LONGEST_DISPOSITION:
        message_ = "the header is too long"
        raise ValueError(message_)
    message = Message()
    message["content-disposition"] = content_disposition
    try:
        parameters: Any = message.get_params(header="content-disposition") or []
    except TypeError:
        # Of a name both whole and in numbered parts (RFC 2231), which the library can't put in order.
        message_ = "the header names the file in two ways"
        raise ValueError(message_) from None
    # An extended value is a triple of charset, language and text, whatever the types say.
    names: list[Any] = [value for name, value in parameters if name == "filename"]
    name = str(next((value[2] for value in names if not isinstance(value, str)), ""))
    name = name or next((value for value in names if isinstance(value, str)), "")
    try:
        # Both forms come as if they were Latin-1. The plain one may well be, by its specification.
        return name.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return name


def disposition(file_name: str, content_type: str) -> str:
    """Return the Content-Disposition of a file (RFC 6266): shown, if that is harmless, or saved."""
    kind = "inline" if content_type in INLINE_TYPES else "attachment"
    plain = _NOT_PLAIN.sub("_", file_name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(file_name, safe='')}"


def guarding(content_type: str) -> list[tuple[bytes, bytes]]:
    """Return the headers that say of which type a file is, and that confine it in a browser."""
    inline = content_type in INLINE_TYPES
    pdf = content_type == "application/pdf"
    return [
        (b"content-type", content_type.encode() if inline else b"application/octet-stream"),
        (b"content-security-policy", (_CONFINED_PDF if pdf else _CONFINED).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"referrer-policy", b"no-referrer"),
    ]
