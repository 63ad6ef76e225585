"""A conversation of ten thousand messages opens and takes keys like one of ten.

Times are compared with each other, within one run, and those of tasks are of the processor, not of the clock on the
wall: other work on the machine may slow everything down and must not fail anything.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from statistics import median
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.support.page import Stage, Visitor
from tests.support.scenery import talk_at_length
from tests.support.system import SystemUnderTest

pytestmark = [
    pytest.mark.prove,
    pytest.mark.timed,
    pytest.mark.timeout(600),
    pytest.mark.asyncio(loop_scope="session"),
]

SHORT, LONG = 10, 10_000
ROUNDS = 5
SMOOTH_MS = 50
SENTENCE = "The quick brown fox jumps over the lazy dog. "
OPEN = """
name => new Promise(resolve => {
  const row = [...document.querySelectorAll(".row")].find(each => each.textContent.includes(name));
  const began = performance.now();
  row.click();
  const look = () => {
    const isThere = document.querySelector(".talk-name")?.textContent === name
      && document.querySelector(".message");
    requestAnimationFrame(isThere ? () => resolve(performance.now() - began) : look);
  };
  look();
})
"""
SCROLL_TO_TOP = "() => { document.querySelector('.talk-scroller').scrollTop = -1e9; }"
BURN = """
() => document.addEventListener("input", () => {
  for (const end = performance.now() + 300; performance.now() < end; );
})
"""


@pytest_asyncio.fixture(loop_scope="session")
async def reader(stage: Stage, system: SystemUnderTest) -> AsyncIterator[tuple[Visitor, str, str]]:
    """Someone with two friends, whose names are given: few and many messages have passed."""
    names = ("Few Words", "Many Words")
    ann = await stage.enter("Ann", viewport={"width": 1280, "height": 800})
    for name, count in zip(names, (SHORT, LONG), strict=True):
        friend = await stage.newcomer(name)
        await stage.make_friends(friend, ann.person_id)
        await talk_at_length(stage, system.target, ann.person_id, friend, count)
    yield ann, *names


async def longest_task(page: Page, text: str = SENTENCE) -> float:
    """Type a text; return how much of the processor's time the longest task took, in milliseconds."""
    browser = page.context.browser
    assert browser is not None
    await browser.start_tracing(page=page, categories=["disabled-by-default-devtools.timeline"])
    await page.get_by_role("textbox").press_sequentially(text)
    events: list[dict[str, Any]] = json.loads(await browser.stop_tracing())["traceEvents"]
    mains = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    tasks = [
        # Left out where it is nothing.
        event.get("tdur", 0) / 1000
        for event in events
        if event["name"] == "RunTask" and (event["pid"], event["tid"]) in mains
    ]
    assert len(tasks) > len(text)
    return float(max(tasks))


async def test_a_long_conversation_opens_like_a_short_one(
    reader: tuple[Visitor, str, str],
) -> None:
    ann, few, many = reader
    times: dict[str, list[float]] = {few: [], many: []}
    for number in range(ROUNDS):
        await ann.go("/home")
        await ann.page.reload()
        await expect(ann.link(many)).to_be_visible()
        for name in (few, many) if number % 2 else (many, few):
            times[name].append(await ann.page.evaluate(OPEN, name))
    assert median(times[many]) < 5 * median(times[few])


async def test_typing_stays_smooth_among_ten_thousand_messages(
    reader: tuple[Visitor, str, str],
) -> None:
    ann, _, many = reader
    await ann.link(many).click()
    messages = ann.page.get_by_role("article")
    for loaded in range(50, 1000, 50):
        await expect(messages.nth(loaded - 1)).to_be_attached()
        await ann.page.evaluate(SCROLL_TO_TOP)

    assert min([await longest_task(ann.page) for _ in range(3)]) < SMOOTH_MS

    await ann.page.evaluate(BURN)
    assert await longest_task(ann.page, "slow") > SMOOTH_MS
