"""Every screen of the page and the way there: for tests that look at all of them, and for pictures of them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from playwright.async_api import FilePayload, Page, Route, expect

from tests.support.clients import fresh_id
from tests.support.line import Line
from tests.support.page import Stage
from tests.support.paintings import landscape
from tests.support.scenery import PDF, PEOPLE

_PICTURES_HAVE_COME = """
() => [...document.querySelectorAll("img")].every(image => {
  const { top, bottom } = image.getBoundingClientRect();
  return image.complete || bottom < 0 || top > innerHeight;
})
"""


@dataclass(frozen=True, slots=True)
class Cast:
    """Those whose screens are shown.

    Attributes:
        stage: where they are.
        ids: of the people, by the part they play (scenery.py).
        line: by which the next one reaches the system.
        me: the page of the one at the heart of the scenery.
        newcomer: the page of someone who knows nobody yet.
        nobody: the page while nobody is signed in.
    """

    stage: Stage
    ids: dict[str, str]
    line: Line
    me: Page
    newcomer: Page
    nobody: Page

    async def at(self, place: str, part: str = "") -> Page:
        """Bring me to a place, that of someone who plays a part if one is named."""
        # So that no dialog stays open, and nothing is under the pointer.
        await self.me.keyboard.press("Escape")
        await self.me.mouse.move(0, 0)
        person = f"/{quote(self.ids[part], safe='')}" if part else ""
        return await _at(self.me, f"{self.line.url}/#/{place}{person}")


async def a_cast(stage: Stage, ids: dict[str, str], line: Line, **options: Any) -> Cast:
    """Bring everyone to the page, with options of their browsers."""
    me = await stage.sign_in(ids["me"], PEOPLE["me"].name, line.url, **options)
    newcomer = await stage.sign_in(await stage.newcomer("Kim Park"), "Kim Park", **options)
    nobody = await stage.tab(**options)
    return Cast(stage, ids, line, me.page, newcomer.page, nobody)


async def _at(page: Page, url: str) -> Page:
    await page.goto(url)
    await page.locator("h1").first.wait_for(state="attached")
    await expect(page.locator("[aria-busy=true]")).to_have_count(0)
    await page.wait_for_function(_PICTURES_HAVE_COME)
    return page


def _my(place: str, part: str = "") -> Callable[[Cast], Awaitable[Page]]:
    return lambda cast: cast.at(place, part)


def _empty(place: str) -> Callable[[Cast], Awaitable[Page]]:
    return lambda cast: _at(cast.newcomer, f"{cast.stage.url}/#/{place}")


async def _sign_in(cast: Cast) -> Page:
    return await _at(cast.nobody, f"{cast.stage.url}/#/")


async def _sign_in_failed(cast: Cast) -> Page:
    """As it is where a provider signs people in, after an attempt that failed."""
    state: dict[str, Any] = {"signIn": "oidc", "person": None, "people": []}

    async def answer(route: Route) -> None:
        await route.fulfill(body=json.dumps(state), content_type="application/json")

    await cast.nobody.route("**/session", answer)
    await _at(cast.nobody, f"{cast.stage.url}/#/sign-in?error=expired")
    await cast.nobody.reload()
    await cast.nobody.unroute("**/session")
    return cast.nobody


async def _unreachable(cast: Cast) -> Page:
    cast.stage.faults.forgive("net::ERR_")
    await cast.nobody.route("**/session", lambda route: route.abort())
    await _at(cast.nobody, f"{cast.stage.url}/#/home")
    await cast.nobody.reload()
    await expect(cast.nobody.get_by_role("heading", level=1)).to_be_visible()
    await cast.nobody.unroute("**/session")
    return cast.nobody


async def _joining(cast: Cast) -> Page:
    signing_in = {"personId": fresh_id("kim")}
    await cast.nobody.context.request.post(f"{cast.stage.url}/session", data=signing_in)
    await _at(cast.nobody, f"{cast.stage.url}/#/home")
    await cast.nobody.reload()
    await cast.nobody.get_by_label("Handle").fill("Kim Park")
    await cast.nobody.get_by_role("button", name="Enter the network").click()
    await expect(cast.nobody.get_by_label("Handle")).to_have_attribute("aria-invalid", "true")
    await cast.nobody.context.clear_cookies()
    return cast.nobody


async def _found(cast: Cast) -> Page:
    page = await cast.at("network")
    await page.get_by_role("searchbox").fill("e")
    await expect(page.get_by_role("heading", name="found")).to_be_visible()
    return page


async def _found_nobody(cast: Cast) -> Page:
    page = await cast.at("network")
    await page.get_by_role("searchbox").fill("zzz")
    await expect(page.get_by_role("heading", name="Nobody found")).to_be_visible()
    return page


async def _asking(cast: Cast) -> Page:
    page = await cast.at("people", "stranger")
    await page.get_by_role("button", name="Add a note").click()
    await page.get_by_role("textbox").fill("We both run before sunrise, I hear.")
    return page


async def _removing(cast: Cast) -> Page:
    page = await cast.at("people", "bruno")
    await page.get_by_role("button", name="Remove friend").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    return page


async def _messages_actions(cast: Cast) -> Page:
    page = await cast.at("messages", "bruno")
    # A mouse is over it then, and a finger has tapped it.
    await page.get_by_role("article").last.click()
    await expect(page.get_by_role("article").last.get_by_role("button").last).to_be_visible()
    return page


async def _editing(cast: Cast) -> Page:
    page = await cast.at("messages", "farah")
    await page.get_by_role("textbox").press("ArrowUp")
    await expect(page.get_by_role("button", name="Cancel editing")).to_be_visible()
    return page


async def _attaching(cast: Cast) -> Page:
    page = await cast.at("messages", "priya")
    files: list[FilePayload] = [
        {"name": "Above the lake.jpg", "mimeType": "image/jpeg", "buffer": landscape(1, 800, 500)},
        {"name": "Ward 7, level 2.pdf", "mimeType": "application/pdf", "buffer": PDF},
        {"name": "not-a-picture.png", "mimeType": "image/png", "buffer": PDF},
    ]
    await page.get_by_label("Attach files").and_(page.locator("input")).set_input_files(files)
    await page.get_by_role("textbox").fill("Here they are")
    attached = page.get_by_role("list", name="Attached files")
    await expect(attached.get_by_role("alert")).to_be_visible()
    await expect(attached.get_by_role("progressbar")).to_have_count(0)
    return page


async def _picture(cast: Cast) -> Page:
    page = await cast.at("messages", "nino")
    await page.get_by_role("button", name="Open picture 2.jpg").click()
    await expect(page.get_by_role("dialog").get_by_alt_text("2.jpg")).to_be_visible()
    return page


async def _help(cast: Cast) -> Page:
    page = await cast.at("home")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    return page


async def _editing_profile(cast: Cast) -> Page:
    await cast.at("home")
    page = await cast.at("you")
    await page.get_by_role("button", name="Edit profile").click()
    return page


async def _saved(cast: Cast) -> Page:
    page = await _editing_profile(cast)
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Your profile is saved.")).to_be_visible()
    return page


async def _offline(cast: Cast) -> Page:
    cast.stage.faults.forgive("net::ERR_")
    page = await cast.at("messages", "eleni")
    # So that no toast is left.
    await page.reload()
    await cast.at("messages", "eleni")
    await cast.line.cut()
    await page.get_by_role("textbox").fill("Στον τρίτο, λοιπόν!")
    await page.get_by_role("textbox").press("Enter")
    await expect(page.get_by_text("Waiting to be sent").first).to_be_visible()
    await expect(page.get_by_text("Reconnecting…")).to_be_visible()
    return page


SCREENS: dict[str, Callable[[Cast], Awaitable[Page]]] = {
    "sign-in": _sign_in,
    "sign-in-failed": _sign_in_failed,
    "unreachable": _unreachable,
    "joining": _joining,
    "new-home": _empty("home"),
    "new-network": _empty("network"),
    "new-requests": _empty("home/requests"),
    "new-blocked": _empty("home/blocked"),
    "network": _my("network"),
    "network-found": _found,
    "network-nobody": _found_nobody,
    "profile-friend": _my("people", "bruno"),
    "profile-stranger": _my("people", "stranger"),
    "profile-asking": _asking,
    "profile-asked": _my("people", "asked"),
    "profile-asks": _my("people", "asks"),
    "profile-ignored": _my("people", "ignored"),
    "profile-blocked": _my("people", "blocked"),
    "profile-long": _my("people", "gone"),
    "profile-unknown": _my("people/nobody-has-this-id"),
    "profile-removing": _removing,
    "home": _my("home"),
    "requests": _my("home/requests"),
    "blocked": _my("home/blocked"),
    "conversation": _my("messages", "bruno"),
    "conversation-actions": _messages_actions,
    "conversation-editing": _editing,
    "conversation-attaching": _attaching,
    "conversation-pictures": _my("messages", "nino"),
    "conversation-picture": _picture,
    "conversation-new": _my("messages", "priya"),
    "conversation-right-to-left": _my("messages", "farah"),
    "conversation-closed": _my("messages", "gone"),
    "conversation-stranger": _my("messages", "stranger"),
    "you": _my("you"),
    "you-editing": _editing_profile,
    "you-saved": _saved,
    "help": _help,
    "nowhere": _my("nowhere"),
    "offline": _offline,
}
"""The ways, by name; each returns the page that shows it. The last one cuts the line."""
