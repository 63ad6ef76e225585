"""The web page as people use it: each in a browser of their own, where things are found by role and name."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import httpx
from playwright.async_api import Browser, Locator, Page, expect

from tests.support.browser import a_chromium, command
from tests.support.clients import STUBS, ConnectClient, fresh_id
from tests.support.faults import Faults, watch_workers

PATIENCE = 20_000
"""How long something may take to be seen on a busy machine, in milliseconds."""
_MARK = "() => { globalThis.isTheSame = true; }"
_IS_MARKED = "() => globalThis.isTheSame === true"


class Chromium:
    """One browser for all tests of the page, and what goes wrong in it.

    Arguments:
        browser: runs.
        faults: of this browser.
    """

    def __init__(self, browser: Browser, faults: Faults) -> None:
        self._browser = browser
        self.faults = faults
        self._at_rest: list[Page] = []

    @asynccontextmanager
    async def tab(self, origin: str, **options: Any) -> AsyncGenerator[Page]:
        """Open a tab in a browser of someone's own.

        Without options it may be one that was used before and remembers nothing of it: its process
        is there already, which is most of what a new one costs.

        Arguments:
            origin: what it is for.
            options: as Playwright has them, and `init_script`, which runs before the page does.
        """
        self.faults.expect_origin(origin)
        reusable = not options
        page = self._at_rest.pop() if reusable and self._at_rest else await self._new_tab(**options)
        try:
            yield page
        finally:
            if reusable and not page.is_closed():
                await _forget_all(page, origin)
                self._at_rest.append(page)
            else:
                await page.context.close()

    async def _new_tab(self, init_script: str = "", **options: Any) -> Page:
        given: dict[str, Any] = {"locale": "en-GB", "reduced_motion": "reduce", **options}
        context = await self._browser.new_context(**given)
        self.faults.watch(context)
        if init_script:
            await context.add_init_script(init_script)
        return await context.new_page()


async def _forget_all(page: Page, origin: str) -> None:
    # A test that failed may have left some: whoever is given this tab next would fail of them.
    await page.unroute_all(behavior="ignoreErrors")
    for other in page.context.pages:
        if other is not page:
            await other.close()
    await page.evaluate("sessionStorage.clear()")
    await page.goto("about:blank")
    session = await page.context.new_cdp_session(page)
    await command(session, "Storage.clearDataForOrigin", origin=origin, storageTypes="all")
    await command(session, "Page.resetNavigationHistory")
    await session.detach()
    await page.context.clear_cookies()


@asynccontextmanager
async def a_watched_chromium() -> AsyncGenerator[Chromium]:
    """Run a Chromium whose faults are noticed; see `a_chromium`."""
    expect.set_options(timeout=PATIENCE)
    faults = Faults()
    async with a_chromium() as browser:
        await watch_workers(browser, faults)
        yield Chromium(browser, faults)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Someone at the page.

    Attributes:
        person_id: who is signed in.
        name: their display name.
        client: calls as them, beside the page.
        url: where the page is, without a slash at the end.
        page: the tab that they have open.
    """

    person_id: str
    name: str
    client: ConnectClient
    url: str
    page: Page

    async def go(self, place: str) -> None:
        """Go to a place within the page, such as `/network`."""
        await self.page.goto(f"{self.url}/#{place}")

    async def another_tab(self, place: str) -> Visitor:
        """Open a further tab in their browser, at a place within the page."""
        other = replace(self, page=await self.page.context.new_page())
        await other.go(place)
        return other

    async def talk_to(self, other: Visitor) -> None:
        """Open the conversation with someone."""
        await self.go(f"/messages/{quote(other.person_id, safe='')}")
        await expect(self.conversation(other)).to_be_visible()

    async def visit(self, other: Visitor) -> None:
        """Open someone's profile."""
        await self.go(f"/people/{quote(other.person_id, safe='')}")
        await expect(self.heading(other.name)).to_be_visible()

    async def write(self, other: Visitor, text: str) -> None:
        """Write to someone whose conversation is open, and send it."""
        await self.composer(other).fill(text)
        await self.button("Send").click()

    def button(self, name: str) -> Locator:
        """Find a button by the beginning of its name."""
        return self.page.get_by_role("button", name=name)

    def link(self, name: str) -> Locator:
        """Find a link by words of its name."""
        return self.page.get_by_role("link", name=name)

    def heading(self, name: str) -> Locator:
        """Find a heading."""
        return self.page.get_by_role("heading", name=name, exact=True)

    def text(self, text: str) -> Locator:
        """Find an element by words of its text."""
        return self.page.get_by_text(text)

    def tab(self, name: str) -> Locator:
        """Find one of the page's own places: Network, Home, You."""
        return self.page.get_by_role("navigation", name="Main").get_by_role("link", name=name)

    def section(self, name: str) -> Locator:
        """Find one of Home's sections: Direct Messages, Requests, Blocked."""
        return self.page.get_by_role("navigation", name="Home").get_by_role("link", name=name)

    def row(self, other: Visitor) -> Locator:
        """Find someone's name under Home > Direct Messages."""
        names = self.page.get_by_role("list", name="Direct Messages")
        return names.get_by_role("link", name=other.name)

    def card(self, other: Visitor) -> Locator:
        """Find someone among those that the Network shows."""
        return self.page.get_by_role("listitem").filter(has=self.link(other.name))

    def plane(self, other: Visitor) -> Locator:
        """Find the paper airplane under someone's photo."""
        return self.link(f"Message {other.name}")

    def box(self, name: str) -> Locator:
        """Find a box of requests: Received, Sent, Ignored."""
        return self.page.get_by_role("region", name=name)

    def conversation(self, other: Visitor) -> Locator:
        """Find the open conversation with someone."""
        return self.page.get_by_role("region", name=f"Conversation with {other.name}")

    def messages(self, other: Visitor) -> Locator:
        """Find all messages of the open conversation with someone."""
        return self.conversation(other).get_by_role("article")

    def composer(self, other: Visitor) -> Locator:
        """Find where one writes to someone."""
        return self.page.get_by_role("textbox", name=f"Message to {other.name}")


@asynccontextmanager
async def without_reload(*visitors: Visitor) -> AsyncGenerator[None]:
    """Hold that these people see what happens meanwhile in the document that they have now."""
    for visitor in visitors:
        await visitor.page.evaluate(_MARK)
    yield
    for visitor in visitors:
        assert await visitor.page.evaluate(_IS_MARKED), f"{visitor.name} had to reload"


class Stage:
    """Where the people of one test meet.

    Arguments:
        chromium: what they use.
        url: where the page is.
        http: an HTTP client for what they did before the test begins.
        token: makes tokens for person ids.
    """

    def __init__(
        self, chromium: Chromium, url: str, http: httpx.AsyncClient, token: Callable[[str], str]
    ) -> None:
        self._chromium = chromium
        self.faults = chromium.faults
        self.url = url
        self._http = http
        self.token = token
        self._open = AsyncExitStack()

    def client(self, person_id: str) -> ConnectClient:
        """Return a client that calls as a person."""
        return ConnectClient(self._http, STUBS.paths, self.token(person_id))

    async def newcomer(self, name: str, person_id: str = "", **fields: str) -> str:
        """Enter someone into the network.

        Arguments:
            name: to show.
            person_id: theirs, if it matters.
            fields: further ones of a Person.

        Returns:
            their id.
        """
        handle = fresh_id("visitor")
        person = {"handle": handle, "displayName": name, **fields}
        await self.client(person_id or handle).call("CreatePerson", **person)
        return person_id or handle

    async def tab(self, url: str = "", **options: Any) -> Page:
        """Open a tab in a browser that knows nobody yet; see `Chromium.tab`."""
        return await self._open.enter_async_context(self._chromium.tab(url or self.url, **options))

    async def sign_in(self, person_id: str, name: str, url: str = "", **options: Any) -> Visitor:
        """Open the page for someone of the network, at Home.

        Arguments:
            person_id: theirs.
            name: theirs.
            url: where they reach the page, if elsewhere.
            options: of their browser, as Playwright has them.
        """
        address = url or self.url
        page = await self.tab(address, **options)
        signing_in = page.context.request.post(f"{address}/session", data={"personId": person_id})
        assert (await signing_in).ok
        visitor = Visitor(person_id, name, self.client(person_id), address, page)
        await visitor.go("/home")
        await expect(page.locator(".home-list [aria-busy]")).to_have_count(0)
        return visitor

    async def enter(self, name: str, url: str = "", **options: Any) -> Visitor:
        """Enter someone into the network and open the page for them; see `sign_in`.

        Arguments:
            name: their first name; the other one is like nobody else's.
            url: where they reach the page, if elsewhere.
            options: of their browser.
        """
        full_name = f"{name} {secrets.token_hex(4).capitalize()}"
        return await self.sign_in(await self.newcomer(full_name), full_name, url, **options)

    async def two(self, one: str = "Ann", other: str = "Bea") -> tuple[Visitor, Visitor]:
        """Return two people at the page who do not know each other."""
        return await asyncio.gather(self.enter(one), self.enter(other))

    async def friends(self, one: str = "Ann", other: str = "Bea") -> tuple[Visitor, Visitor]:
        """Return two people at the page who are friends."""
        pair = await self.two(one, other)
        await self.befriend(*pair)
        return pair

    async def befriend(self, one: Visitor, other: Visitor) -> None:
        """Make two people friends."""
        await self.make_friends(one.person_id, other.person_id)

    async def ask(self, one: str, other: str, note: str = "") -> str:
        """Let one person ask another to be friends; return the request's id."""
        asked = await self.client(one).call("SendFriendRequest", personId=other, note=note)
        return str(asked["friendRequest"]["requestId"])

    async def make_friends(self, one: str, other: str) -> None:
        """Make two people friends, by their ids."""
        await self.client(other).call("AcceptFriendRequest", requestId=await self.ask(one, other))

    async def say(self, one: str, other: str, text: str, *attachment_ids: str) -> None:
        """Let one person write to another, by their ids."""
        await self.client(one).call(
            "SendMessage",
            channelId=await self.channel(one, other),
            text=text,
            attachmentIds=list(attachment_ids),
        )

    async def channel(self, one: str, other: str) -> str:
        """Return the id of the channel of two people."""
        channel = await self.client(one).call("GetChannel", personId=other)
        return str(channel["channel"]["channelId"])

    async def read(self, reader: str, friend: str) -> None:
        """Let someone read all that a friend has written, by their ids."""
        client = self.client(reader)
        channel = (await client.call("GetChannel", personId=friend))["channel"]
        await client.call("MarkRead", channelId=channel["channelId"], seq=channel["lastSeq"])

    async def upload(self, person_id: str, file_name: str, content: bytes) -> str:
        """Upload a file as a person; return its id."""
        disposition = f"attachment; filename*=UTF-8''{quote(file_name, safe='')}"
        headers = {**self._signed(person_id), "content-disposition": disposition}
        answer = await self._http.put("/attachments", content=content, headers=headers)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["attachment"]["attachmentId"])

    async def set_photo(self, person_id: str, content: bytes) -> None:
        """Give a person a photo."""
        headers = self._signed(person_id)
        answer = await self._http.put("/photo", content=content, headers=headers)
        assert answer.status_code == 200, answer.text

    def _signed(self, person_id: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token(person_id)}"}

    async def close(self) -> None:
        """Close all that was opened."""
        await self._open.aclose()


@asynccontextmanager
async def a_stage(
    chromium: Chromium, url: str, token: Callable[[str], str]
) -> AsyncGenerator[Stage]:
    """Open a stage for one test, which fails if anything went wrong in the browser unseen."""
    chromium.faults.take()
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as http:
        stage = Stage(chromium, url, http, token)
        try:
            yield stage
        finally:
            await stage.close()
    faults = chromium.faults.take()
    assert faults == [], "\n".join(faults)
