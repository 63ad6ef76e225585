"""Runs the whole system on one machine: `python -m supervisor`, which is what `make run` does."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from chassis.process import StartError, run_process
from chassis.settings import SettingsError
from chassis.telemetry import configure_logging
from supervisor.greeting import greet
from supervisor.seeding import seed_once
from supervisor.settings import load_run_settings
from supervisor.system import running_system

if TYPE_CHECKING:
    from supervisor.settings import RunSettings


def main() -> None:
    """Start everything, say what to do next, and run until told to stop."""
    try:
        settings = load_run_settings()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None
    configure_logging("supervisor", settings.log_level)

    async def run(stop: asyncio.Event) -> None:
        try:
            await _run(settings, stop)
        except* StartError as errors:
            # Processes that could not start have said why; the first of ours that knows is passed on.
            messages = [str(error) for error in errors.exceptions if str(error)]
            raise StartError(messages[0] if messages else "") from None
        except* SettingsError as errors:
            raise StartError(str(errors.exceptions[0])) from None

    # Python's own loop: the default one can't give the children a process group.
    run_process(run, settings.parent_pipe, new_loop=asyncio.new_event_loop)


async def _run(settings: RunSettings, stop: asyncio.Event) -> None:
    """Run until told to stop, which may be before all has started."""
    up = asyncio.Event()
    serving = asyncio.create_task(_serve(settings, stop, up))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not up.is_set():
        serving.cancel()
    await asyncio.wait((serving,))
    if not serving.cancelled():
        serving.result()


async def _serve(settings: RunSettings, stop: asyncio.Event, up: asyncio.Event) -> None:
    async with running_system(settings) as system:
        await seed_once(system)
        await greet(system)
        up.set()
        await stop.wait()
        print("Stopping.", flush=True)


if __name__ == "__main__":
    main()
