"""Streams of requests as a good client writes them: until it is answered, however early."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from google.protobuf.message import Message

from chassis.client import write


async def upload(call: Any, requests: AsyncIterator[Message]) -> Any:
    """Write requests to an open call for as long as it takes any, and return its answer."""
    writing = asyncio.create_task(_write_all(call, requests))
    try:
        return await call
    finally:
        writing.cancel()


async def _write_all(call: Any, requests: AsyncIterator[Message]) -> None:
    async for request in requests:
        if not await write(call, request.SerializeToString()):
            return
    await call.done_writing()
