"""Serves the web page: the files of a folder, read once, with headers that leave a script no way out."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.asgi import header, respond

if TYPE_CHECKING:
    from gateway.asgi import App, Receive, Scope, Send

FOLDER = Path(__file__).with_name("web")
_START = "index.html"
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
"""Not asked of the platform, whose table differs from machine to machine."""
_CONTENT_SECURITY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' blob:",
    "connect-src": "'self'",
    "worker-src": "'self'",
    "manifest-src": "'self'",
    "font-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "paperplane",
}
_POWERS = ("camera", "display-capture", "geolocation", "microphone", "payment", "usb")
_HEADERS = {
    # An upgrade is seen with the next request, which is answered with 304 until then.
    "cache-control": "no-cache",
    "content-security-policy": "; ".join(
        f"{name} {value}" for name, value in _CONTENT_SECURITY.items()
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": ", ".join(f"{power}=()" for power in _POWERS),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_HSTS = "max-age=31536000"


def page_files(folder: Path = FOLDER, *, https: bool) -> dict[str, App]:
    """Read the page, and return what is served at which path: `/`, and the files below `/web/`.

    Nothing else of the file system can be reached, whatever a request names. Files of a type that
    is not known here stay where they are.

    Arguments:
        folder: what is read, `index.html` for `/`.
        https: whether people reach it over TLS, and are to keep to that.
    """
    headers = {**_HEADERS, "strict-transport-security": _HSTS} if https else _HEADERS
    return {
        _served_at(path.relative_to(folder)): PageFile(
            path.read_bytes(), {"content-type": _MEDIA_TYPES[path.suffix], **headers}
        )
        for path in folder.rglob("*")
        if path.suffix in _MEDIA_TYPES
    }


def _served_at(path: Path) -> str:
    return "/" if path == Path(_START) else f"/web/{path.as_posix()}"


class PageFile:
    """Serves one file, or says that the browser has it already (RFC 9110 §13.1.2).

    Arguments:
        content: the file.
        headers: what goes with it.
    """

    def __init__(self, content: bytes, headers: dict[str, str]) -> None:
        self._content = content
        self._tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        self._headers = [
            (name.encode(), value.encode())
            for name, value in {**headers, "etag": self._tag}.items()
        ]

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["method"] not in ("GET", "HEAD"):
            allow = ((b"allow", b"GET, HEAD"),)
            await respond(send, HTTPStatus.METHOD_NOT_ALLOWED, "use GET\n", headers=allow)
            return
        status, headers, body = HTTPStatus.OK, self._headers, self._content
        if self._is_known(header(scope, b"if-none-match")):
            status, body = HTTPStatus.NOT_MODIFIED, b""
        else:
            headers = [*headers, (b"content-length", str(len(body)).encode())]
        if scope["method"] == "HEAD":
            body = b""
        await send({"type": "http.response.start", "status": status.value, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _is_known(self, tags: str) -> bool:
        return tags.strip() == "*" or self._tag in (
            tag.strip().removeprefix("W/") for tag in tags.split(",")
        )
