"""Runs the gateway: `python -m gateway`."""

from __future__ import annotations

import asyncio

from chassis.process import run_process
from chassis.settings import load_or_exit
from chassis.telemetry import configure_logging
from gateway.settings import GatewaySettings
from gateway.wiring import serve


def main() -> None:
    """Start from the environment and run until told to stop."""
    settings = load_or_exit(GatewaySettings)
    configure_logging("gateway", settings.log_level)

    async def run(stop: asyncio.Event) -> None:
        await serve(settings, stop)

    run_process(run, settings.parent_pipe)


if __name__ == "__main__":
    main()
