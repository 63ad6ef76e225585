"""What holds for every test: how services under test log, and how tests are named."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from typing import Any

import pytest
import structlog

from tests.support.databases import MortalServer

# One plain line each, without the tracebacks that cost seconds to draw.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.KeyValueRenderer(key_order=["level", "event"]),
    ]
)

# A shell lets what it runs in the background ignore this signal, and so would all that tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def mortal_server() -> Generator[MortalServer]:
    """A PostgreSQL server of this test's own."""
    server = MortalServer()
    yield server
    server.close()


def pytest_xdist_auto_num_workers() -> int:
    """Run one worker more than there are processors: tests wait for processes and browsers, too."""
    return (os.cpu_count() or 1) + 1


def pytest_make_parametrize_id(config: object, val: Any, argname: str) -> str | None:
    """Name a case by its content only where that can be read.

    Archives hold the second in which they were made: two workers that collect the tests would see
    other names for the same ones, and run none.
    """
    if not isinstance(val, bytes) or (val.isascii() and val.decode().isprintable()):
        return None
    return argname
