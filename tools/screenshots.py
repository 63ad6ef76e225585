"""Takes a picture of every screen of the page, light and dark, wide and narrow: `make screenshots`.

A system of its own serves them, from a data folder that is gone afterwards. Its people and their pictures are made up
(tests/support/scenery.py); they come from the ways to each screen that the tests use, too (tests/support/screens.py).
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.async_api import Page

from tests.support.browser import NO_CHROMIUM, find_chromium
from tests.support.line import Line, a_line
from tests.support.page import Chromium, a_stage, a_watched_chromium
from tests.support.scenery import furnish, talk_at_length
from tests.support.screens import SCREENS, Cast, a_cast
from tests.support.system import SystemUnderTest, a_system

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "screenshots"
SHOWN_FOLDER = ROOT / "docs" / "screenshots"
SHOWN = (
    "conversation-wide-light",
    "network-narrow-light",
    "conversation-narrow-dark",
    "requests-narrow-light",
)
"""Those that the README shows. They are in the repository, so they are written with `--readme` alone."""
SIZES: dict[str, dict[str, Any]] = {
    "wide": {"viewport": {"width": 1280, "height": 800}},
    "narrow": {
        "viewport": {"width": 390, "height": 844},
        "device_scale_factor": 2,
        "is_mobile": True,
        "has_touch": True,
    },
}
THEMES = ("light", "dark")
MANY = 10_000
_MINUTE = 60_000_000
"""In microseconds, as the services count time."""


async def _long(cast: Cast) -> Page:
    return await cast.at("messages", "long")


async def _scrolled(cast: Cast) -> Page:
    page = await _long(cast)
    await page.locator(".talk-scroller").evaluate("place => { place.scrollTop = -4000; }")
    await page.get_by_role("button", name="Jump to the latest message").wait_for()
    return page


_ALL = {"conversation-long": _long, "conversation-scrolled": _scrolled, **SCREENS}


def _minutes_ago(part: str, count: int) -> Iterator[int]:
    """Yield how long ago each message of a conversation was, the latest first."""
    begun = {"chiara": 4, "bruno": 11, "farah": 95, "nino": 60 * 26, "eleni": 60 * 50}
    ago = begun.get(part, 60 * 24 * 6)
    for number in range(count):
        yield ago
        # A few at a time, with nights and days between.
        ago += 60 * 19 if number % 5 == 4 else 2 + number % 3


def _let_time_pass(data: Path, ids: dict[str, str]) -> None:
    """Move what was said and asked within seconds into the days before."""
    now = time.time_ns() // 1000
    parts = {person_id: part for part, person_id in ids.items()}
    with closing(sqlite3.connect(data / "messaging.db")) as database, database:
        channels = database.execute(
            "SELECT channel_id, low_id, high_id, last_seq FROM channels"
        ).fetchall()
        for channel_id, low_id, high_id, last_seq in channels:
            part = parts[high_id if low_id == ids["me"] else low_id]
            times = [now - ago * _MINUTE for ago in _minutes_ago(part, max(last_seq, 1))]
            database.executemany(
                "UPDATE messages SET create_time = ? WHERE channel_id = ? AND seq = ?",
                [(moment, channel_id, last_seq - back) for back, moment in enumerate(times)],
            )
            database.execute(
                "UPDATE channels SET active_time = ? WHERE channel_id = ?", (times[0], channel_id)
            )
    with closing(sqlite3.connect(data / "friendship.db")) as database, database:
        asked = database.execute("SELECT request_id FROM friend_requests").fetchall()
        database.executemany(
            "UPDATE friend_requests SET create_time = ? WHERE request_id = ?",
            [(now - 60 * 17 * place * _MINUTE, each) for place, (each,) in enumerate(asked, 1)],
        )


async def _take_all(
    system: SystemUnderTest,
    chromium: Chromium,
    line: Line,
    ids: dict[str, str],
    size: str,
    theme: str,
) -> None:
    options = {**SIZES[size], "color_scheme": theme}
    async with a_stage(chromium, system.http, system.token) as stage:
        cast = await a_cast(stage, ids, line, **options)
        for name, show in _ALL.items():
            page = await show(cast)
            await page.screenshot(
                path=FOLDER / f"{name}-{size}-{theme}.png", animations="disabled", caret="initial"
            )
            print(".", end="", flush=True)
    # Whoever was cut off has gone, and what waited with them.
    await line.join()


async def _take_screenshots(system: SystemUnderTest) -> None:
    async with a_watched_chromium() as chromium, a_line(system.http_port) as line:
        async with a_stage(chromium, system.http, system.token) as stage:
            ids = await furnish(stage, lavish=True)
            fields = {"handle": "nadia_benali", "headline": "Writes a lot"}
            ids["long"] = await stage.newcomer("Nadia Benali", **fields)
            await stage.make_friends(ids["long"], ids["me"])
            await talk_at_length(stage, system.target, ids["long"], ids["me"], MANY)
            await stage.read(ids["me"], ids["long"])
        _let_time_pass(system.data, ids)
        for size, theme in product(SIZES, THEMES):
            await _take_all(system, chromium, line, ids, size, theme)


def _show_in_readme() -> None:
    """Write those that the README shows, with fewer colours, which hardly anyone sees and everyone downloads."""
    SHOWN_FOLDER.mkdir(exist_ok=True)
    for name in SHOWN:
        with Image.open(FOLDER / f"{name}.png") as image:
            fewer = image.convert("RGB").quantize(256, dither=Image.Dither.FLOYDSTEINBERG)
            fewer.save(SHOWN_FOLDER / f"{name}.png", optimize=True)


def main() -> None:
    """Take them all anew."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--readme", action="store_true", help="also write those of the README")
    for_readme: bool = options.parse_args().readme
    if find_chromium() is None:
        sys.exit(NO_CHROMIUM)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with (
        tempfile.TemporaryDirectory() as data,
        a_system(Path(data) / "data", rate_limit="off") as system,
    ):
        asyncio.run(_take_screenshots(system))
    if for_readme:
        _show_in_readme()
    print(f"\n{len(list(FOLDER.iterdir()))} pictures are in {FOLDER.relative_to(Path.cwd())}")


if __name__ == "__main__":
    main()
