"""What the page of another site can do to someone who is signed in here, tried in a real browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.support.browser import a_chromium
from tests.support.gateway import CREATE_PERSON, GatewayUnderTest

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEND = """
async ([url, init]) => {
  try { return String((await fetch(url, init)).status); } catch (error) { return "blocked"; }
}
"""
SUBMIT = """
([url, method, enctype]) => {
  const form = Object.assign(document.createElement("form"), {action: url, method, enctype});
  form.append(Object.assign(document.createElement("input"), {name: '{"handle":"', value: 'eve"}'}));
  document.body.append(form);
  form.submit();
}
"""
INCLUDE = """
([tag, url]) => new Promise(resolve => {
  const element = document.createElement(tag);
  element.onload = () => resolve("loaded");
  element.onerror = () => resolve("refused");
  element.src = url;
  document.body.append(element);
})
"""
INJECT = """
() => {
  const script = document.createElement("script");
  try { script.textContent = "globalThis.ran = true"; } catch { return "refused"; }
  document.body.append(script);
  return globalThis.ran ? "ran" : "refused";
}
"""


@asynccontextmanager
async def a_site(host: str) -> AsyncGenerator[str]:
    """Serve an empty page at some port of a host; yield its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 15\r\n"
        writer.write(head + b"connection: close\r\n\r\n<!doctype html>")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://{host}:{server.sockets[0].getsockname()[1]}/"


@dataclass
class Scene:
    """Someone is signed in here, in a browser that has another site open, too."""

    gateway: GatewayUnderTest
    ours: Page
    theirs: Page
    """A page of another site."""
    url: str

    async def who(self) -> Any:
        """Return who is signed in."""
        return await self.ours.evaluate("() => fetch('/session').then(it => it.json())")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncGenerator[Browser]:
    async with a_chromium() as browser:
        yield browser


# The second is another origin of our own site, whose requests come with our cookie.
@pytest_asyncio.fixture(params=["localhost", "127.0.0.1"], loop_scope="module")
async def scene(
    request: pytest.FixtureRequest, chromium: Browser, gateway: GatewayUnderTest
) -> AsyncGenerator[Scene]:
    url = f"http://127.0.0.1:{gateway.gateway.http_port}"
    async with a_site(request.param) as site, await chromium.new_context() as context:
        ours, theirs = await context.new_page(), await context.new_page()
        await ours.goto(f"{url}/")
        json = {"content-type": "application/json"}
        signing_in = {"method": "POST", "headers": json, "body": '{"personId": "alice"}'}
        assert await ours.evaluate(SEND, [f"{url}/session", signing_in]) == "200"
        await theirs.goto(site)
        yield Scene(gateway, ours, theirs, url)


async def test_our_page_can_do_what_others_try(scene: Scene) -> None:
    call = {"method": "POST", "headers": {"content-type": "application/json"}, "body": "{}"}

    assert await scene.ours.evaluate(SEND, [f"{scene.url}{CREATE_PERSON}", call]) == "200"
    assert len(scene.gateway.does.received) == 1
    assert await scene.ours.evaluate(SEND, [f"{scene.url}/session", {"method": "DELETE"}]) == "204"
    assert (await scene.who())["person"] is None


async def test_a_script_of_another_site_does_nothing_and_learns_nothing(scene: Scene) -> None:
    method, session = f"{scene.url}{CREATE_PERSON}", f"{scene.url}/session"
    json = {"content-type": "application/json"}
    attempts: list[tuple[str, dict[str, Any]]] = [
        (method, {"method": "POST", "headers": json, "body": "{}", "credentials": "include"}),
        (method, {"method": "POST", "body": "{}", "mode": "no-cors", "credentials": "include"}),
        (session, {"credentials": "include"}),
        (session, {"method": "DELETE", "credentials": "include"}),
        (session, {"method": "POST", "headers": json, "body": '{"personId":"eve"}'}),
        (session, {"method": "POST", "mode": "no-cors", "body": '{"personId":"eve"}'}),
    ]

    answers = [await scene.theirs.evaluate(SEND, list(attempt)) for attempt in attempts]

    # "0" is what a script is shown of an answer that it may not read.
    assert set(answers) <= {"blocked", "0"}
    assert scene.gateway.does.received == []
    assert (await scene.who())["person"]["personId"] == "alice"


@pytest.mark.parametrize("enctype", ["text/plain", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("path", [CREATE_PERSON, "/session"])
async def test_a_form_of_another_site_does_nothing(scene: Scene, path: str, enctype: str) -> None:
    async with scene.theirs.expect_navigation() as navigation:
        await scene.theirs.evaluate(SUBMIT, [f"{scene.url}{path}", "post", enctype])

    response = await navigation.value
    assert response is not None
    assert response.status in (401, 403, 415)
    assert scene.gateway.does.received == []
    assert (await scene.who())["person"]["personId"] == "alice"


async def test_our_page_is_shown_in_no_frame_and_its_files_on_no_page(scene: Scene) -> None:
    await scene.theirs.evaluate(INCLUDE, ["iframe", f"{scene.url}/"])
    (frame,) = scene.theirs.main_frame.child_frames

    # The page around it may know of its load before we hear where it led.
    await frame.wait_for_function("() => location.protocol === 'chrome-error:'", timeout=20_000)
    assert await scene.theirs.evaluate(INCLUDE, ["img", f"{scene.url}/"]) == "refused"
    assert await scene.theirs.evaluate(INCLUDE, ["script", f"{scene.url}/"]) == "refused"


async def test_what_slips_into_our_page_does_not_run(scene: Scene) -> None:
    assert await scene.theirs.evaluate(INJECT) == "ran"
    assert await scene.ours.evaluate(INJECT) == "refused"
    with pytest.raises(Exception, match="TrustedHTML"):
        await scene.ours.evaluate("() => { document.body.innerHTML = '<b>x</b>'; }")
    foreign = scene.theirs.url
    assert await scene.ours.evaluate(INCLUDE, ["img", foreign]) == "refused"
    assert await scene.ours.evaluate(SEND, [foreign, {"mode": "no-cors"}]) == "blocked"
