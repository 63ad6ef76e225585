"""Cookies as browsers send and take them (RFC 6265)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable


def read_cookies(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the cookies of a request: their names and values, in its order.

    Only what browsers take for blanks is stripped. A byte that they take for a part of the name would
    let a neighbour's cookie pass for one of ours, whose prefix binds it to this very host.
    """
    pairs = [
        pair.strip(" \t").partition("=")
        for name, value in headers
        if name == "cookie"
        for pair in value.split(";")
    ]
    return [(name, value) for name, _, value in pairs]


def cookie_name(name: str, *, secure: bool) -> str:
    """Return a cookie's full name.

    Browsers take one with the prefix `__Host-` only from this very host, over TLS and for all of its
    paths, so that neither a sibling domain nor an unencrypted answer can slip one in.
    """
    return f"__Host-{name}" if secure else name


def set_cookie(
    name: str, value: str, max_age: float, same_site: Literal["Strict", "Lax"]
) -> tuple[bytes, bytes]:
    """Return the header that sets a cookie which no script can read.

    Arguments:
        name: as of `cookie_name`.
        value: printable ASCII without blanks, quotes, commas, semicolons and backslashes.
        max_age: after how many seconds the browser drops it; 0 takes it away.
        same_site: whether it comes with navigations that began on another site (Lax) or never does.
    """
    secure = "; Secure" if name.startswith("__Host-") else ""
    attributes = f"Path=/; Max-Age={math.ceil(max_age)}; HttpOnly; SameSite={same_site}{secure}"
    return b"set-cookie", f"{name}={value}; {attributes}".encode()
