"""Everything that has replicas is restarted, one container after the other, while people write: no call fails.

Run by hand in the folder of a running `docker compose up`: `make containers`.
"""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.support.compose import PATIENCE_SECONDS, Work, at_work, docker

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]

IN_ORDER = ("friendship", "messaging", "gateway")


async def healthy(name: str) -> None:
    """Wait until a container is."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await docker("inspect", "--format", "{{.State.Health.Status}}", name) != "healthy":
            pass  # It is a process of its own that is asked: there is no rest between two answers.


async def goes_on(work: Work) -> None:
    """Wait until everyone has written, and two have parted, since now."""
    assert await work.recovered(time.monotonic(), PATIENCE_SECONDS)
    before = work.parted
    async with asyncio.timeout(PATIENCE_SECONDS), work.told:
        await work.told.wait_for(lambda: work.parted > before)


async def test_a_rolling_restart_fails_no_call_and_every_watcher_resumes() -> None:
    async with at_work() as work:
        await goes_on(work)
        for service in IN_ORDER:
            for name in (await docker("compose", "ps", "-q", service)).splitlines():
                began = time.monotonic()
                await docker("restart", "--time", "15", name)
                await healthy(name)
                await goes_on(work)
                print(f"{service} {name[:4]}: healthy again after {time.monotonic() - began:.1f} s")

    work.check()
    failed = work.failed + [why for person in work.writers for why in person.failed]
    assert failed == []
    assert all(person.resumed > 0 for person in work.writers)
