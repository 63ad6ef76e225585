"""Runs the friendship service: `python -m services.friendship`, with `migrate` its migrations."""

from __future__ import annotations

import asyncio
import sys

from chassis.database.migrate import migrate_or_exit
from chassis.process import run_process
from chassis.settings import load_or_exit
from chassis.telemetry import configure_logging
from services.friendship.migrations import MIGRATIONS
from services.friendship.settings import FriendshipSettings
from services.friendship.wiring import running


def main() -> None:
    """Start from the environment and run until told to stop."""
    settings = load_or_exit(FriendshipSettings)
    configure_logging("friendship", settings.log_level)
    if sys.argv[1:]:
        if sys.argv[1:] != ["migrate"]:
            sys.exit("There is one command beside none: migrate")
        migrate_or_exit(settings.database, MIGRATIONS)
        return

    async def run(stop: asyncio.Event) -> None:
        async with running(settings):
            await stop.wait()

    run_process(run, settings.parent_pipe)


if __name__ == "__main__":
    main()
