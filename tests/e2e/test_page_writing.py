"""What one writes: it is never lost or sent twice, whatever tabs, friends and the line do meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import FilePayload, Locator, Route, expect

from tests.support.line import a_line
from tests.support.page import Stage, Visitor
from tests.support.system import SystemUnderTest

pytestmark = [pytest.mark.prove, pytest.mark.asyncio(loop_scope="session")]

PLAN: FilePayload = {
    "name": "Plan.txt",
    "mimeType": "text/plain",
    "buffer": b"First this, then that",
}
ALL_KEPT = "() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }])"
IS_KEPT = "text => Object.values(localStorage).some(each => each.includes(text))"
SLEEP_FOR_A_DAY = """
() => {
  const now = Date.now();
  Date.now = () => now + 86_400_000;
}
"""
SEND_AND_LEAVE = """
() => {
  document.querySelector(".composer").requestSubmit();
  const kept = { ...localStorage };
  location.reload();
  return kept;
}
"""
SHOWN_AS = """
element => {
  let end = 0;
  const places = [...element.textContent].map(letter => {
    const range = document.createRange();
    range.setStart(element.firstChild, end);
    range.setEnd(element.firstChild, (end += letter.length));
    return [range.getBoundingClientRect().left, letter];
  });
  const inOrder = places.sort(([one], [other]) => one - other).map(([, letter]) => letter);
  return inOrder.join("").replace(/[\\u2068\\u2069]/g, "");
}
"""
WRITE_WHEN_ANOTHER_SIGNS_IN = """
text => {
  const others = new BroadcastChannel("paperplane-session");
  others.onmessage = () => {
    others.close();
    // The page may have been told first, and have nothing to type into any more.
    const composer = document.querySelector("textarea");
    if (composer === null) return;
    composer.value = text;
    composer.dispatchEvent(new InputEvent("input", { bubbles: true }));
  };
}
"""


async def another_tab(visitor: Visitor) -> Visitor:
    """Open a second tab in someone's browser."""
    return replace(visitor, page=await visitor.page.context.new_page())


async def attach(visitor: Visitor, *files: FilePayload) -> Locator:
    """Attach files to what is being written; return where they are shown."""
    await visitor.page.locator("input[type=file]").set_input_files(list(files))
    return visitor.page.get_by_role("list", name="Attached files").get_by_role("listitem")


async def test_whoever_signs_in_next_finds_nothing_of_what_was_being_written(stage: Stage) -> None:
    ann, bea = await stage.friends()
    cal = await stage.newcomer("Cal Next")
    await stage.make_friends(cal, bea.person_id)
    await ann.talk_to(bea)
    await expect(await attach(ann, PLAN)).to_contain_text([PLAN["name"]])
    await ann.composer(bea).fill("a secret that is stored")
    await ann.page.wait_for_function(IS_KEPT, arg="a secret that is stored")

    # Her session is over, and her tab does not know it yet; it hears of it while she types.
    await ann.page.evaluate(WRITE_WHEN_ANOTHER_SIGNS_IN, "a secret of the last moment")
    answer = await ann.page.context.request.post(f"{ann.url}/session", data={"personId": cal})
    assert answer.ok
    tab = await another_tab(ann)
    await tab.talk_to(bea)
    for each in (tab, ann):
        await each.go("/you")
        await expect(each.text(f"Signed in as {cal}")).to_be_visible()
        await each.talk_to(bea)
        await expect(each.composer(bea)).to_have_value("")
        kept = await each.page.evaluate(ALL_KEPT)
        for trace in ("secret", PLAN["name"], ann.person_id):
            assert trace not in kept


async def test_a_draft_is_the_same_in_all_tabs(stage: Stage) -> None:
    ann, bea = await stage.friends()
    await ann.talk_to(bea)
    await expect(ann.composer(bea)).to_be_focused()

    # What another tab leaves when it closes is not wiped by the one that was empty.
    second = await another_tab(ann)
    await second.talk_to(bea)
    await second.composer(bea).fill("begun in the second tab")
    await second.page.close(run_before_unload=True)
    await expect(ann.composer(bea)).to_have_value("begun in the second tab")
    await ann.section("Direct Messages").click()
    await expect(ann.row(bea)).to_contain_text("Draft: begun in the second tab")

    # What another tab has sent is not brought back by the one that showed it, too.
    second = await another_tab(ann)
    await asyncio.gather(ann.talk_to(bea), second.talk_to(bea))
    await expect(second.composer(bea)).to_have_value("begun in the second tab")
    await second.composer(bea).press("Enter")
    await expect(ann.messages(bea)).to_contain_text(["begun in the second tab"])
    await expect(ann.composer(bea)).to_have_value("")
    await ann.page.reload()
    await expect(ann.messages(bea)).to_have_count(1)
    await expect(ann.composer(bea)).to_have_value("")

    # What is being edited in one of them is not a draft; that is what comes back after it.
    await ann.composer(bea).press("ArrowUp")
    await expect(ann.composer(bea)).to_have_value("begun in the second tab")
    await second.composer(bea).fill("the next draft")
    await second.page.wait_for_function(IS_KEPT, arg="the next draft")
    await expect(ann.composer(bea)).to_have_value("begun in the second tab")
    await ann.button("Cancel editing").click()
    await expect(ann.composer(bea)).to_have_value("the next draft")


async def test_a_message_survives_a_page_that_goes_as_it_is_sent(stage: Stage) -> None:
    ann, bea = await stage.friends()
    await ann.talk_to(bea)
    kept: dict[str, str] = {}
    for count, text in enumerate(("first", "second"), 1):
        await ann.composer(bea).fill(text)
        kept = await ann.page.evaluate(SEND_AND_LEAVE)
        await expect(ann.messages(bea)).to_contain_text(["first", "second"][:count])
        await expect(ann.composer(bea)).to_have_value("")

    # One that went between the message's arrival and the end of its own notes sends nothing twice.
    await expect(ann.messages(bea).get_by_text("Sent", exact=True)).to_have_count(2)
    assert any("second" in value for value in kept.values())
    await ann.page.evaluate("kept => Object.assign(localStorage, kept)", kept)
    await ann.page.reload()
    await expect(ann.messages(bea)).to_contain_text(["first", "second"])
    await ann.write(bea, "third")
    await bea.talk_to(ann)
    await expect(bea.messages(ann)).to_contain_text(["first", "second", "third"])
    assert "second" not in await ann.page.evaluate(ALL_KEPT)


async def test_what_waits_keeps_its_order_and_the_time_of_the_clock(
    stage: Stage, system: SystemUnderTest
) -> None:
    texts = ["one", "two", "three", "four", "five"]
    async with a_line(system.http_port) as line:
        ann, bea = await asyncio.gather(stage.enter("Ann", line.url), stage.enter("Bea"))
        await stage.befriend(ann, bea)
        await ann.talk_to(bea)
        await expect(ann.composer(bea)).to_be_visible()
        stage.faults.forgive("net::ERR_")
        await line.cut()
        # Others stand still while a machine sleeps, and this one does not tell one text from the next.
        await ann.page.evaluate(SLEEP_FOR_A_DAY)
        for text in texts:
            await ann.write(bea, text)
        await expect(ann.messages(bea)).to_contain_text(texts)
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        time = ann.messages(bea).last.get_by_role("time")
        shown = datetime.fromisoformat(str(await time.get_attribute("datetime")))
        assert abs(tomorrow - shown) < timedelta(minutes=5)

        await line.join()
        await bea.talk_to(ann)
        await expect(bea.messages(ann)).to_contain_text(texts)
        await stage.close()


async def test_a_reply_is_not_sent_by_itself_with_files_that_were_awaited(stage: Stage) -> None:
    ann, bea = await stage.friends()
    await stage.say(bea.person_id, ann.person_id, "When?")
    await ann.talk_to(bea)
    is_let_through = asyncio.Event()

    async def hold(route: Route) -> None:
        await is_let_through.wait()
        await route.continue_()

    await ann.page.route("**/attachments", hold)
    attached = await attach(ann, PLAN)
    await ann.composer(bea).fill("At nine")
    await ann.composer(bea).press("Enter")
    await expect(ann.text("Sent as soon as the files")).to_be_visible()
    await ann.messages(bea).hover()
    await ann.messages(bea).get_by_role("button", name="Reply").click()
    await expect(ann.text("Sent as soon as the files")).to_have_count(0)
    is_let_through.set()

    await expect(attached.get_by_role("progressbar")).to_have_count(0)
    await expect(ann.composer(bea)).to_have_value("> When?\nAt nine")
    await ann.composer(bea).press("Enter")
    await expect(ann.messages(bea).get_by_text("At nine")).to_be_visible()
    await expect(ann.messages(bea)).to_have_count(2)
    await expect(ann.messages(bea).last.get_by_role("blockquote")).to_have_text("When?")


async def test_whoever_writes_keeps_the_focus_and_nobody_else_is_given_it(stage: Stage) -> None:
    ann, bea = await stage.friends()
    await ann.talk_to(bea)
    notice = ann.conversation(bea).get_by_role("status").filter(has_text="closed")
    await ann.composer(bea).fill("not sent yet")

    await bea.client.call("RemoveFriend", personId=ann.person_id)
    await expect(notice).to_be_focused()
    await stage.befriend(ann, bea)
    await expect(ann.composer(bea)).to_be_focused()
    await expect(ann.composer(bea)).to_have_value("not sent yet")

    await bea.client.call("RemoveFriend", personId=ann.person_id)
    await expect(notice).to_be_focused()
    await ann.row(bea).focus()
    await stage.befriend(ann, bea)
    await expect(ann.composer(bea)).to_have_value("not sent yet")
    await expect(ann.row(bea)).to_be_focused()
    await bea.client.call("RemoveFriend", personId=ann.person_id)
    await expect(notice).to_be_visible()
    await expect(ann.row(bea)).to_be_focused()


async def test_whoever_chooses_a_language_stays_there(stage: Stage) -> None:
    ann = await stage.enter("Ann")
    await ann.go("/you")
    await ann.page.get_by_role("radio", name="English").focus()
    await ann.page.keyboard.press("ArrowRight")
    await expect(ann.heading("Vous")).to_be_visible()
    await expect(ann.page.get_by_role("radio", name="Français")).to_be_focused()
    await ann.page.keyboard.press("ArrowLeft")
    await expect(ann.heading("You")).to_be_visible()
    await expect(ann.page.get_by_role("radio", name="English")).to_be_focused()
    await ann.page.keyboard.press("Tab")
    await expect(ann.button("Keyboard shortcuts")).to_be_focused()

    page = await stage.tab()
    await page.goto(stage.url)
    for name in ("Français", "English"):
        await page.get_by_role("button", name=name).focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("button", name=name, pressed=True)).to_be_focused()


async def test_no_name_turns_a_sentence_around(stage: Stage) -> None:
    ann = await stage.enter("Ann")
    one, two = "\N{ADLAM CAPITAL LETTER ALIF}", "\N{ADLAM CAPITAL LETTER DAALI}"
    for name, shown in (
        ("\u202eabc.exe", "abc.exe"),
        ("a\u2069\u2067bc.exe", "abc.exe"),
        # Where these letters end, and what ends with them, is at the left.
        (f"{one}{two}!", f"!{two}{one}"),
    ):
        asking = await stage.newcomer(name)
        await stage.ask(asking, ann.person_id)
        await ann.go(f"/people/{asking}")
        await expect(ann.text(f"@{asking}")).to_be_visible()
        sentence = ann.text("asks to be your friend.")
        assert await sentence.evaluate(SHOWN_AS) == f"{shown} asks to be your friend."
