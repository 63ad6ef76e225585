"""Takes a stream of requests apart whose first holds a header, and each further one a piece of a file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Protocol, TypeVar

from chassis.files.refusals import UploadIncomplete
from chassis.refusals import InvalidRequest

HeaderT_co = TypeVar("HeaderT_co", covariant=True)


class PartOf(Protocol[HeaderT_co]):
    """A request with a oneof of `header` and `chunk`."""

    @property
    def header(self) -> HeaderT_co:
        """What is about to come."""
        ...

    @property
    def chunk(self) -> bytes:
        """A piece of the content."""
        ...

    def HasField(self, field_name: Any, /) -> bool:
        """Tell whether a field is set."""
        ...


_IDLE_SECONDS = 60.0


async def header_and_chunks(
    requests: AsyncIterator[PartOf[HeaderT_co]],
) -> tuple[HeaderT_co, AsyncIterator[bytes]]:
    """Return the header of an upload and the pieces of its content.

    Raises:
        InvalidRequest: the first request holds no header; when the pieces are taken: a later one does.
        UploadIncomplete: no header came within a minute.
    """
    try:
        async with asyncio.timeout(_IDLE_SECONDS):
            first = await anext(requests, None)
    except TimeoutError:
        raise UploadIncomplete from None
    if first is None or not first.HasField("header"):
        raise InvalidRequest.field("header", "the first request holds the header, and no chunk")
    return first.header, _chunks(requests)


async def _chunks(requests: AsyncIterator[PartOf[Any]]) -> AsyncIterator[bytes]:
    async for request in requests:
        if not request.HasField("chunk"):
            raise InvalidRequest.field("header", "only the first request holds a header")
        yield request.chunk
