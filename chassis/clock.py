"""Time and ids as the services pass them in, so that tests can hold them still."""

from __future__ import annotations

import time
from collections.abc import Callable

from uuid6 import uuid7

Clock = Callable[[], int]
"""Returns the present time in microseconds since 1970-01-01 UTC."""
NewId = Callable[[], str]
"""Returns an id that was never used before."""


def system_clock() -> int:
    """Return the present time in microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1000


def new_id() -> str:
    """Return a fresh UUIDv7 (RFC 9562), so that rows made one after the other lie side by side."""
    return str(uuid7())
