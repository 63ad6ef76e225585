"""A bucket that speaks as much of Amazon's S3 as the store of files uses, on a real port."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

import uvicorn

_XML = '<?xml version="1.0" encoding="UTF-8"?>'
_RANGE = re.compile(rb"bytes=(\d+)-(\d*)")


@dataclass
class Bucket:
    """What is in it, and how it was put there.

    Attributes:
        objects: by key.
        requests: a method, a key and the size of what came with it, one after the other.
        status: what every request is answered, if not 200.
    """

    objects: dict[str, bytes] = field(default_factory=dict[str, bytes])
    requests: list[tuple[str, str, int]] = field(default_factory=list[tuple[str, str, int]])
    status: int = 200
    endpoint: str = ""
    _parts: dict[int, bytes] = field(default_factory=dict[int, bytes])

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        """Answer a request."""
        body = b""
        more = True
        while more:
            event = await receive()
            body += event.get("body", b"")
            more = event.get("more_body", False)
        key = unquote(scope["path"]).removeprefix("/bucket").removeprefix("/")
        self.requests.append((scope["method"], key, len(body)))
        query = parse_qs(scope["query_string"].decode(), keep_blank_values=True)
        wanted = _RANGE.fullmatch(dict(scope["headers"]).get(b"range", b""))
        status, headers, answer = self._answer(scope["method"], key, query, body, wanted)
        headers = [*headers, (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def _answer(
        self,
        method: str,
        key: str,
        query: dict[str, list[str]],
        body: bytes,
        wanted: re.Match[bytes] | None,
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        tagged = [(b"etag", b'"tag"'), (b"last-modified", b"Sat, 21 Nov 2026 00:00:00 GMT")]
        if self.status != 200:
            return self.status, [], b""
        match method:
            case "PUT" if "partNumber" in query:
                self._parts[int(query["partNumber"][0])] = body
            case "PUT":
                self.objects[key] = body
            case "POST" if "uploads" in query:
                return 200, [], _xml("InitiateMultipartUploadResult", "<UploadId>up</UploadId>")
            case "POST" if "uploadId" in query:
                self.objects[key] = b"".join(part for _, part in sorted(self._parts.items()))
                self._parts.clear()
                return 200, [], _xml("CompleteMultipartUploadResult", '<ETag>"tag"</ETag>')
            case "POST":
                keys = re.findall("<Key>.*?</Key>", body.decode())
                for tag in keys:
                    self.objects.pop(tag[5:-6], None)
                deleted = "".join(f"<Deleted>{tag}</Deleted>" for tag in keys)
                return 200, [], _xml("DeleteResult", deleted)
            case _ if key not in self.objects:
                return 404, [], _xml("Error", "<Code>NoSuchKey</Code>")
            case _ if wanted is not None:
                content = self.objects[key]
                start = int(wanted[1])
                end = min(int(wanted[2] or len(content)), len(content) - 1)
                told = f"bytes {start}-{end}/{len(content)}".encode()
                return 206, [*tagged, (b"content-range", told)], content[start : end + 1]
            case _:
                return 200, tagged, self.objects[key]
        return 200, tagged, b""


def _xml(name: str, content: str) -> bytes:
    return f"{_XML}<{name}>{content}</{name}>".encode()


@asynccontextmanager
async def a_bucket() -> AsyncGenerator[Bucket]:
    """Serve an empty bucket."""
    bucket = Bucket()
    config = uvicorn.Config(bucket, port=0, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:
            await asyncio.wait((serving,), timeout=0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        bucket.endpoint = f"http://127.0.0.1:{port}"
        yield bucket
    finally:
        server.should_exit = True
        await serving
