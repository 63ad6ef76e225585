"""Every screen is for everyone: axe-core finds nothing on any, and the keyboard alone is enough."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import Locator, Page, ViewportSize, expect

from tests.support.line import a_line
from tests.support.page import Stage, Visitor
from tests.support.scenery import furnish
from tests.support.screens import SCREENS, a_cast
from tests.support.system import SystemUnderTest

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

AXE = (Path(__file__).parents[1] / "support" / "axe" / "axe.min.js").read_text()
FOCUSED = "() => document.activeElement.outerHTML.slice(0, 200)"
SHOWS_FOCUS = """
() => {
  const focused = document.activeElement;
  const isOutlined = element => {
    const { outlineStyle, outlineWidth } = getComputedStyle(element);
    return outlineStyle !== "none" && outlineWidth !== "0px";
  };
  const around = [];
  for (let element = focused; element; element = element.parentElement) around.push(element);
  return focused === document.body
    || [...focused.children, ...around].some(isOutlined)
    || around.some(element => getComputedStyle(element).boxShadow !== "none");
}
"""
RUN = """
async () => {
  // A change of theme takes a moment: colours are inherited by those that change after their parents.
  const transitions = () => document.getAnimations().filter(each => each instanceof CSSTransition);
  do {
    await Promise.allSettled(transitions().map(({ finished }) => finished));
    await new Promise(requestAnimationFrame);
  } while (transitions().length > 0);
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${help}\\n${html}\\n${failureSummary}`));
}
"""
TOO_WIDE = """
() => [...document.querySelectorAll("body *")]
  .filter(element => element.checkVisibility() && !element.closest("svg, .visually-hidden"))
  // A long name may go on in its line, where it ends in an ellipsis.
  .filter(element => getComputedStyle(element).display !== "inline")
  .filter(element => {
    const { left, right } = element.getBoundingClientRect();
    return left < -1 || right > innerWidth + 1;
  })
  .map(element => element.cloneNode(false).outerHTML)
"""
NARROW: ViewportSize = {"width": 390, "height": 844}
WIDE: ViewportSize = {"width": 1280, "height": 800}
Look = tuple[ViewportSize, Literal["dark", "light"]]
LOOKS: list[Look] = [(WIDE, "light"), (NARROW, "light"), (NARROW, "dark"), (WIDE, "dark")]


async def flaws(page: Page) -> list[str]:
    """Return what is too wide for a page, and what axe-core finds wrong with it, as it is now."""
    found = await violations(page)
    cut_off: list[str] = await page.evaluate(TOO_WIDE)
    return found + [f"cut off at the side: {element}" for element in cut_off]


async def violations(page: Page) -> list[str]:
    """Return what axe-core finds wrong with a page as it is now."""
    if not await page.evaluate("() => 'axe' in globalThis"):
        await page.evaluate(AXE)
    found: list[str] = await page.evaluate(RUN)
    return found


@pytest.mark.prove
async def test_every_screen_fits_and_axe_finds_nothing(
    stage: Stage, system: SystemUnderTest
) -> None:
    found: list[str] = []
    ids = await furnish(stage, lavish=False)
    async with a_line(system.http_port) as line:
        cast = await a_cast(stage, ids, line, reduced_motion="reduce")
        for name, show in SCREENS.items():
            page = await show(cast)
            for size, theme in LOOKS:
                await page.set_viewport_size(size)
                await page.emulate_media(color_scheme=theme)
                wrong = await flaws(page)
                found += [f"{name}, {theme}, {size['width']} px: {each}" for each in wrong]
        await stage.close()
    assert found == [], "\n\n".join(found)


async def test_axe_would_find_something(stage: Stage) -> None:
    page = await stage.tab()
    await page.goto(stage.url)
    await expect(page.get_by_role("heading", name="Who are you?")).to_be_visible()
    await page.locator(".door-question").evaluate("element => { element.style.color = '#ddd'; }")

    assert any(each.startswith("color-contrast: ") for each in await violations(page))


async def tab_to(page: Page, target: Locator, key: str = "Tab") -> None:
    """Press Tab until the keyboard is at an element, and hold that one sees where it is on the way."""
    for _ in range(60):
        await page.keyboard.press(key)
        assert await page.evaluate(SHOWS_FOCUS), await page.evaluate(FOCUSED)
        if await target.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"Tab does not lead to {target}")


@pytest.mark.prove
async def test_the_keyboard_alone_is_enough(stage: Stage) -> None:
    bea = await stage.enter("Bea")
    person_id = await stage.newcomer("Ann Keys")
    page = await stage.tab(viewport={"width": 1280, "height": 800})
    ann = Visitor(person_id, "Ann Keys", stage.client(person_id), stage.url, page)
    await page.goto(stage.url)
    keyboard = page.keyboard

    await tab_to(page, page.get_by_label("Someone else"))
    await keyboard.type(person_id)
    await keyboard.press("Enter")
    await expect(ann.text("No conversations yet")).to_be_visible()

    await tab_to(page, ann.tab("Network"))
    await keyboard.press("Enter")
    await expect(ann.heading("Network")).to_be_focused()
    await keyboard.press("/")
    await keyboard.type(bea.name)
    await expect(ann.card(bea)).to_be_visible()
    await tab_to(page, ann.link(bea.name))
    await keyboard.press("Enter")
    await expect(ann.heading(bea.name)).to_be_focused()

    await tab_to(page, ann.button("Add a note"))
    await keyboard.press("Enter")
    await keyboard.type("By keyboard")
    await tab_to(page, ann.button("Request to be Friends"))
    await keyboard.press("Enter")
    await expect(ann.text("Your request is pending response.")).to_be_visible()
    await bea.section("Requests").click()
    await bea.button("Accept").click()

    await expect(ann.plane(bea)).to_be_visible()
    await tab_to(page, ann.plane(bea))
    await keyboard.press("Enter")
    await expect(ann.composer(bea)).to_be_focused()
    await keyboard.type("Hello")
    await keyboard.press("Enter")
    await bea.talk_to(ann)
    await expect(bea.messages(ann)).to_contain_text(["Hello"])
    await bea.write(ann, "Hello too")
    await expect(ann.messages(bea)).to_have_count(2)

    # From the composer up into the messages, and back with a reply.
    await keyboard.press("Alt+ArrowUp")
    await expect(ann.messages(bea).last).to_be_focused()
    await keyboard.press("ArrowUp")
    await keyboard.press("e")
    await expect(ann.composer(bea)).to_have_value("Hello")
    await keyboard.type(" Bea")
    await keyboard.press("Enter")
    await expect(bea.messages(ann).first).to_contain_text("Hello Bea")

    await tab_to(page, ann.conversation(bea).get_by_role("link", name=bea.name), "Shift+Tab")
    await keyboard.press("Enter")
    await expect(ann.heading(bea.name)).to_be_focused()
    await tab_to(page, ann.button("Remove friend"))
    await keyboard.press("Enter")
    await tab_to(page, page.get_by_role("dialog").get_by_role("button", name="Remove friend"))
    await keyboard.press("Enter")
    await expect(ann.button("Request to be Friends")).to_be_visible()
