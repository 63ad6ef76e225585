"""Every container of the compose file is killed, paused and cut off in turn while people write: nothing is lost.

Run by hand in the folder of a running `docker compose up` (README.md, "In containers"): `make containers`.
What it prints says how long after each fault everyone's messages got through again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from tests.support.compose import PATIENCE_SECONDS, at_work, docker

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1800)]

HELD_SECONDS = 20.0
"""How long each fault lasts: longer than it takes to notice that something hangs."""
SERVICES = ("gateway", "messaging", "friendship", "nats", "postgres", "edge")
KINDS = ("kill", "pause", "cut")
NETWORKS = {"nats": "data", "postgres": "data", "edge": "outer"}
"""What they are cut off from, where it is not the network between gateway and services."""


@asynccontextmanager
async def suffering(service: str, name: str, kind: str) -> AsyncGenerator[None]:
    """Let a container of a service suffer for as long as the context lasts."""
    network = f"paperplane_{NETWORKS.get(service, 'inner')}"
    if kind == "kill":
        await docker("kill", name)
        yield
        await docker("start", name)
    elif kind == "pause":
        await docker("pause", name)
        yield
        await docker("unpause", name)
    else:
        await docker("network", "disconnect", network, name)
        yield
        await docker("network", "connect", "--alias", service, network, name)


async def test_every_container_fails_in_turn_and_nothing_is_lost_or_doubled() -> None:
    async with at_work() as work:
        # One replica after the other: what the first has lost, the second carries when it is struck.
        faults = [
            (service, name, kind)
            for service in SERVICES
            for kind in KINDS
            for name in (await docker("compose", "ps", "-q", service)).splitlines()
        ]
        for service, name, kind in faults:
            for person in work.writers:
                person.longest = 0.0
            async with suffering(service, name, kind):
                struck = time.monotonic()
                through = await work.recovered(struck, HELD_SECONDS)
                took = time.monotonic() - struck
                # Whoever waits for what the fault holds back shows up by the time it lasts.
                await asyncio.sleep(max(0.0, HELD_SECONDS - took))
            healed = time.monotonic()
            assert await work.recovered(healed, PATIENCE_SECONDS)
            took = took if through else time.monotonic() - struck
            longest = max(person.longest for person in work.writers)
            print(
                f"{service} {name[:4]} {kind}: all wrote again after {took:.1f} s; "
                f"the slowest message took {longest:.1f} s"
            )

    work.check()
    assert work.parted > 0
    assert sum(len(person.failed) for person in work.writers) > len(SERVICES)
