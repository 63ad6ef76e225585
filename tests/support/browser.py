"""A real browser: finds Chromium on this machine, and starts it for tests of the page."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser, CDPSession, async_playwright

CHROMIUM_OPTION = "PAPERPLANE_TEST_CHROMIUM"
"""Names the program to use, where the PATH does not lead to it."""
_NAMES = ("chromium", "chromium-browser", "google-chrome")
NO_CHROMIUM = (
    "no Chromium: install one, as .ci/run does (on Debian and Ubuntu: apt-get install chromium), "
    f"or name the program in {CHROMIUM_OPTION}"
)
_ARGUMENTS = [
    # There may be no user namespace to make a sandbox in, as in a container.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    # Nothing but the page under test asks for anything; where the browser does all the same, it
    # finds nobody: beyond this machine everything goes through a proxy that is not there.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--proxy-server=127.0.0.1:9",
]


def find_chromium() -> str | None:
    """Return the path of a Chromium, if there is one.

    Raises:
        AssertionError: the one that the environment names is not there.
    """
    named = os.environ.get(CHROMIUM_OPTION)
    if named:
        path = shutil.which(named)
        assert path, f"{CHROMIUM_OPTION}={named}: there is no such program"
        return path
    return next(filter(None, map(shutil.which, _NAMES)), None)


@asynccontextmanager
async def a_chromium() -> AsyncGenerator[Browser]:
    """Run a headless Chromium. Without one on this machine, the test is skipped and says so."""
    path = find_chromium()
    if path is None:
        pytest.skip(NO_CHROMIUM)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


async def command(session: CDPSession, method: str, **arguments: Any) -> dict[str, Any]:
    """Give a command of the Chrome DevTools Protocol; return its result."""
    # Playwright's own types of it are incomplete.
    untyped: Any = session
    result: dict[str, Any] = await untyped.send(method, arguments)
    return result
