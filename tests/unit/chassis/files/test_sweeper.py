"""A sweeper sweeps at start, when it is nudged, and now and then, and does not give up."""

from __future__ import annotations

import asyncio

from chassis.files.sweeper import Sweeper


class Sweeps:
    """Counts sweeps; each may end when it is allowed to."""

    def __init__(self) -> None:
        self.begun: asyncio.Queue[None] = asyncio.Queue()
        self.ended = 0
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.fails = False

    async def __call__(self) -> None:
        self.begun.put_nowait(None)
        await self.may_end.wait()
        self.ended += 1
        if self.fails:
            raise RuntimeError


async def test_it_sweeps_at_start_and_when_it_is_nudged() -> None:
    sweeper, sweeps = Sweeper(3600), Sweeps()
    sweeper.start(sweeps)
    await sweeps.begun.get()
    for _ in range(3):
        sweeper.nudge()
        sweeper.nudge()
        await sweeps.begun.get()
    await sweeper.close()
    assert sweeps.begun.empty()


async def test_a_nudge_during_a_sweep_is_not_lost() -> None:
    sweeper, sweeps = Sweeper(3600), Sweeps()
    sweeps.may_end.clear()
    sweeper.start(sweeps)
    await sweeps.begun.get()
    sweeper.nudge()
    sweeps.may_end.set()
    await sweeps.begun.get()
    await sweeper.close()


async def test_it_sweeps_now_and_then_also_after_a_failure() -> None:
    sweeper, sweeps = Sweeper(0.001), Sweeps()
    sweeps.fails = True
    sweeper.start(sweeps)
    for _ in range(3):
        await sweeps.begun.get()
    await sweeper.close()


async def test_closing_ends_a_sweep_under_way() -> None:
    sweeper, sweeps = Sweeper(3600), Sweeps()
    sweeps.may_end.clear()
    sweeper.start(sweeps)
    await sweeps.begun.get()
    await sweeper.close()
    assert sweeps.ended == 0
    await Sweeper(1).close()
