"""Every replica gives way to one of another image while people write: no call fails.

Run by hand in the folder of a running `docker compose up`: `make containers`. It does what
docs/operations.md says of an upgrade.
"""

from __future__ import annotations

import pytest

from tests.containers.test_rolling_restart import IN_ORDER, goes_on
from tests.support.compose import at_work, docker

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]


async def test_an_upgrade_fails_no_call_and_every_watcher_resumes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PAPERPLANE_VERSION", "next")
    await docker("compose", "build")
    async with at_work() as work:
        await goes_on(work)
        await docker("compose", "run", "--rm", "--no-deps", "migrate")
        for service in IN_ORDER:
            old = (await docker("compose", "ps", "-q", service)).splitlines()
            beside = f"{service}={2 * len(old)}"
            without = ("--detach", "--no-deps", "--no-recreate")
            await docker("compose", "up", *without, "--wait", "--scale", beside, service)
            await goes_on(work)
            await docker("stop", *old)
            await docker("rm", *old)
            await goes_on(work)
            image = "{{.Config.Image}}"
            new = (await docker("compose", "ps", "-q", service)).splitlines()
            assert len(new) == len(old)
            for name in new:
                assert await docker("inspect", "--format", image, name) == "paperplane:next"

    work.check()
    failed = work.failed + [why for person in work.writers for why in person.failed]
    assert failed == []
    assert all(person.resumed > 0 for person in work.writers)
