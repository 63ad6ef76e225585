"""How many calls a person may make: more than any person does, fewer than a runaway script."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from limits import RateLimitItemPerSecond
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from gateway.errors import RateLimited

if TYPE_CHECKING:
    from collections.abc import Callable

_SWEEP_AT = 10_000


class Throttle:
    """Counts each person's calls in windows of a second.

    Arguments:
        per_second: how many calls a person may make in a second, or "off".
        now: tells the time in seconds.
    """

    def __init__(
        self, per_second: int | Literal["off"], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._now = now
        self._item = None if per_second == "off" else RateLimitItemPerSecond(per_second)
        self._limiter = FixedWindowRateLimiter(WindowStorage(now))

    def count(self, person_id: str) -> None:
        """Count one call of a person.

        Raises:
            RateLimited: it is one too many; says when to go on.
        """
        if self._item is None or self._limiter.hit(self._item, person_id):
            return
        window = self._limiter.get_window_stats(self._item, person_id)
        raise RateLimited(
            retry_after=timedelta(seconds=max(window.reset_time - self._now(), 0.001))
        )


class WindowStorage(Storage):
    """Counters of one event loop, for the `limits` library.

    The library's own memory storage starts a thread every 10 ms to look through all counters. Here
    those that ran out are swept away when their number has grown.
    """

    STORAGE_SCHEME = None

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self._now = now
        self._windows: dict[str, tuple[int, float]] = {}
        self._sweep_at = _SWEEP_AT

    @property
    def base_exceptions(self) -> type[Exception]:
        """What the storage itself may raise: nothing of its own."""
        return ValueError

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count, in the present window or a new one of `expiry` seconds."""
        now = self._now()
        count, ends_at = self._windows.get(key, (0, 0.0))
        if ends_at <= now:
            count, ends_at = 0, now + expiry
        self._windows[key] = count + amount, ends_at
        if len(self._windows) >= self._sweep_at:
            self._sweep(now)
        return count + amount

    def _sweep(self, now: float) -> None:
        self._windows = {key: found for key, found in self._windows.items() if found[1] > now}
        self._sweep_at = max(_SWEEP_AT, 2 * len(self._windows))

    def get(self, key: str) -> int:
        """Return the count of the present window."""
        count, ends_at = self._windows.get(key, (0, 0.0))
        return count if ends_at > self._now() else 0

    def get_expiry(self, key: str) -> float:
        """Return when the present window ends."""
        return self._windows.get(key, (0, self._now()))[1]

    def check(self) -> bool:
        """Say that the storage works."""
        return True

    def reset(self) -> int:
        """Forget all counts."""
        cleared = len(self._windows)
        self._windows.clear()
        return cleared

    def clear(self, key: str) -> None:
        """Forget one count."""
        self._windows.pop(key, None)
