"""What the page shows is what the server has, whatever comes late, in another order, or not at all."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Request, Route, expect

from tests.support.line import Line
from tests.support.page import Stage, Visitor
from tests.support.scenery import talk_at_length
from tests.support.system import SystemUnderTest

pytestmark = [pytest.mark.prove, pytest.mark.asyncio(loop_scope="session")]

AWAY = "Reconnecting…"
IN_THE_TAB = "delete globalThis.SharedWorker"
LISTEN = """
() => {
  const place = document.querySelector('[data-testid="announcements"]');
  globalThis.said = [];
  new MutationObserver(() => said.push(place.textContent)).observe(place, { childList: true, subtree: true });
}
"""
HAS_HEARD = "words => globalThis.said.some(said => said.includes(words))"
PLACES = "rows => rows.map(row => Number(row.dataset.seq))"
TOP = "element => element.getBoundingClientRect().top"
REASON = "google.rpc.ErrorInfo"


def refusal(code: str, reason: str) -> dict[str, Any]:
    """Return an error as Connect writes it."""
    return {"code": code, "details": [{"type": REASON, "debug": {"reason": reason}}]}


async def expire(route: Route) -> None:
    """Answer a stream as a server whose log no longer reaches back."""
    end = json.dumps({"error": refusal("failed_precondition", "CURSOR_EXPIRED")}).encode()
    body = b"\x02" + len(end).to_bytes(4, "big") + end
    await route.fulfill(status=200, content_type="application/connect+json", body=body)


class Held:
    """Holds a call of a page, or the answer to it, until it is let go."""

    def __init__(self) -> None:
        self.came = asyncio.Event()
        self.release = asyncio.Event()


@asynccontextmanager
async def held(
    visitor: Visitor, method: str, *, is_answered: bool = False, with_words: str = ""
) -> AsyncGenerator[Held]:
    """Hold the next call of a method, be it before or after the server has answered it.

    Arguments:
        visitor: whose page calls.
        method: of the contract.
        is_answered: whether the server answers at once, and its answer comes late.
        with_words: to be found in the request; others are let through.
    """
    call, done = Held(), asyncio.Event()

    async def hold(route: Route) -> None:
        if call.came.is_set() or with_words not in (route.request.post_data or ""):
            await route.continue_()
            return
        answer = await route.fetch() if is_answered else None
        call.came.set()
        await call.release.wait()
        await (route.fulfill(response=answer) if answer else route.continue_())
        done.set()

    await visitor.page.route(f"**/*/{method}", hold)
    try:
        yield call
    finally:
        call.release.set()
    await done.wait()
    await visitor.page.unroute(f"**/*/{method}", hold)


async def enter_with_stream_in_tab(stage: Stage, name: str, line: Line) -> Visitor:
    """Open the page where there are no shared workers: what the stream asks can be held there."""
    visitor = await stage.enter(name, line.url, viewport={"width": 1280, "height": 800})
    await visitor.page.add_init_script(IN_THE_TAB)
    await visitor.page.reload()
    await expect(visitor.text("No conversations yet")).to_be_visible()
    return visitor


async def test_a_friends_message_counts_and_is_announced_after_ones_own_later_one(
    stage: Stage, line: Line
) -> None:
    ann, bea = await asyncio.gather(
        enter_with_stream_in_tab(stage, "Ann", line), stage.enter("Bea")
    )
    stage.faults.forgive("net::ERR_")
    await stage.befriend(ann, bea)
    await bea.talk_to(ann)
    await ann.talk_to(bea)
    await expect(ann.composer(bea)).to_be_visible()
    await ann.page.evaluate(LISTEN)

    await line.cut()
    await expect(ann.text(AWAY)).to_be_visible()
    await ann.write(bea, "later")
    await ann.tab("Home").click()
    await bea.write(ann, "earlier")
    await expect(bea.messages(ann)).to_contain_text(["earlier"])
    async with held(ann, "WatchMessages") as stream:
        await line.join()
        await stream.came.wait()
        await expect(bea.messages(ann)).to_contain_text(["earlier", "later"])

        await expect(ann.row(bea)).to_contain_text("1 unread message")
        await expect(ann.page).to_have_title("(1) Paperplane")
    await ann.page.wait_for_function(HAS_HEARD, arg="earlier")
    await expect(ann.page).to_have_title("(1) Paperplane")

    await ann.talk_to(bea)
    await expect(ann.page).to_have_title("Paperplane")
    await expect(bea.messages(ann).first).to_contain_text("Read")


async def test_what_is_read_offline_is_told_when_the_line_is_back(stage: Stage, line: Line) -> None:
    ann, bea = await asyncio.gather(stage.enter("Ann", line.url), stage.enter("Bea"))
    stage.faults.forgive("net::ERR_")
    await stage.befriend(ann, bea)
    await asyncio.gather(ann.talk_to(bea), bea.talk_to(ann))
    await expect(ann.composer(bea)).to_be_visible()
    await ann.tab("Home").click()
    await bea.write(ann, "Are you there?")
    await expect(ann.row(bea)).to_contain_text("1 unread message")

    await line.cut()
    await expect(ann.text(AWAY)).to_be_visible()
    await ann.row(bea).click()
    await expect(ann.page).to_have_title("Paperplane")
    await ann.tab("Network").click()
    await expect(bea.messages(ann)).to_contain_text(["Sent"])
    await line.join()

    await expect(bea.messages(ann)).to_contain_text(["Read"])


async def test_a_conversation_listed_anew_has_no_gaps_and_leaves_the_reader_in_peace(
    stage: Stage, line: Line, system: SystemUnderTest
) -> None:
    ann, bea = await asyncio.gather(
        enter_with_stream_in_tab(stage, "Ann", line), stage.enter("Bea")
    )
    stage.faults.forgive("net::ERR_")
    await stage.befriend(ann, bea)
    await talk_at_length(stage, system.target, ann.person_id, bea.person_id, 110)
    await ann.talk_to(bea)
    rows = ann.messages(bea)
    await expect(rows.last).to_contain_text("110.")
    scroller = ann.page.get_by_role("region", name="Messages", exact=True)

    async with held(ann, "ListMessages", is_answered=True, with_words="beforeSeq") as older:
        reading = ann.page.locator('[data-seq="70"]')
        await reading.focus()
        await older.came.wait()
        place = await scroller.evaluate("element => element.scrollTop")
        above = await reading.evaluate(TOP)
        await ann.page.route("**/*/WatchMessages", expire, times=1)
        await line.cut()
        await expect(ann.text(AWAY)).to_be_visible()
        channel = await stage.channel(ann.person_id, bea.person_id)
        await edit(bea, channel, "corrected")
        await talk_at_length(stage, system.target, ann.person_id, bea.person_id, 51)
        await line.join()
        await expect(rows.last).to_have_attribute("data-seq", "161")
        await expect(ann.text("corrected")).to_be_attached()

    await expect(rows.first).not_to_have_attribute("data-seq", "61")
    places = await rows.evaluate_all(PLACES)
    assert places == list(range(places[0], 162))
    await expect(reading).to_be_focused()
    assert place < 0
    # What is drawn out of sight has a guessed height, and the guess changes.
    assert await reading.evaluate(TOP) == pytest.approx(above, abs=50)


async def edit(visitor: Visitor, channel_id: str, text: str) -> None:
    """Change the text of a message of one's own that was among the first to be loaded."""
    listed = await visitor.client.call("ListMessages", channelId=channel_id, afterSeq="61")
    mine = next(one for one in listed["messages"] if one["senderId"] == visitor.person_id)
    await visitor.client.call("EditMessage", channelId=channel_id, seq=mine["seq"], text=text)


async def test_an_edit_is_seen_that_comes_while_the_conversation_is_loaded(stage: Stage) -> None:
    ann, bea = await stage.friends()
    await bea.talk_to(ann)
    await bea.write(ann, "first draft")
    await expect(ann.row(bea)).to_contain_text("first draft")
    channel = await stage.channel(ann.person_id, bea.person_id)

    async with held(ann, "ListMessages", is_answered=True) as listing:
        await ann.talk_to(bea)
        await listing.came.wait()
        await bea.client.call("EditMessage", channelId=channel, seq="1", text="final")
        await expect(ann.row(bea)).to_contain_text("final")

    await expect(ann.messages(bea)).to_contain_text(["final"])


async def test_a_late_answer_about_a_channel_takes_nothing_back(stage: Stage) -> None:
    ann, bea = await stage.friends()
    await bea.talk_to(ann)
    for text in ("one", "two"):
        await bea.write(ann, text)
    await expect(ann.row(bea)).to_contain_text("2 unread messages")
    channel = await stage.channel(ann.person_id, bea.person_id)

    async with held(ann, "GetChannel", is_answered=True) as count:
        await bea.client.call("DeleteMessage", channelId=channel, seq="1")
        await count.came.wait()
        await bea.write(ann, "three")
        await expect(ann.row(bea)).to_contain_text("three")
        await bea.client.call("RemoveFriend", personId=ann.person_id)
        await expect(ann.row(bea)).to_contain_text("Closed")

    # What comes later is seen later.
    cal = await stage.newcomer("Cal")
    await stage.make_friends(cal, ann.person_id)
    await stage.say(cal, ann.person_id, "Hello")
    await expect(ann.link("Cal")).to_contain_text("Hello")
    await expect(ann.row(bea)).to_contain_text("three")
    await expect(ann.row(bea)).to_contain_text("Closed")
    await expect(ann.row(bea)).to_contain_text("2 unread messages")


async def test_what_cannot_be_asked_after_an_event_is_asked_until_it_is_answered(
    stage: Stage,
) -> None:
    ann, bea = await stage.friends()
    stage.faults.forgive("net::ERR_")
    # What was listed before they were friends comes to this by events alone: they reach her from here on.
    await ann.tab("Network").click()
    await expect(ann.plane(bea)).to_be_visible()
    await ann.visit(bea)
    await expect(ann.text("You are friends")).to_be_visible()

    async def refuse(route: Route) -> None:
        await route.abort()

    calls = re.compile(r"/(GetPerson|List\w+)$")
    await ann.page.route(calls, refuse)
    async with failing(ann, "GetPerson"), failing(ann, "ListFriends"):
        await bea.client.call("RemoveFriend", personId=ann.person_id)
    await expect(ann.text("You are friends")).to_be_visible()
    await ann.page.unroute(calls, refuse)

    await expect(ann.text("You are not friends yet")).to_be_visible()
    await ann.tab("Network").click()
    await expect(ann.plane(bea)).to_have_count(0)


def failing(visitor: Visitor, method: str) -> AbstractAsyncContextManager[Any]:
    """Wait, at the end of the context, until a call of a method has failed in it."""

    def is_it(request: Request) -> bool:
        return request.url.endswith(f"/{method}")

    return visitor.page.expect_event("requestfailed", is_it)


async def test_the_names_of_many_are_asked_for_a_few_at_a_time_until_all_are_known(
    stage: Stage,
) -> None:
    many, at_once = 16, 4
    ann_id = await stage.newcomer("Ann")

    async def fall_out(number: int) -> None:
        other = await stage.newcomer(f"Friend {number} of old")
        await stage.make_friends(other, ann_id)
        await stage.client(ann_id).call("RemoveFriend", personId=other)

    await asyncio.gather(*(fall_out(number) for number in range(many)))
    ann = await stage.sign_in(ann_id, "Ann")
    rows = ann.page.get_by_role("list", name="Direct Messages").get_by_role("link")
    await expect(rows.filter(has_text="of old")).to_have_count(many)
    asked = Counter[str]()
    under_way, most = 0, 0

    async def answer(route: Route) -> None:
        nonlocal under_way, most
        person_id = json.loads(route.request.post_data or "")["personId"]
        if person_id == ann_id:
            await route.continue_()
            return
        under_way += 1
        most = max(most, under_way)
        asked[person_id] += 1
        if asked[person_id] <= 2 and person_id in list(asked)[:2]:
            limited = json.dumps(refusal("resource_exhausted", "RATE_LIMITED"))
            await route.fulfill(status=429, content_type="application/json", body=limited)
        else:
            await route.fulfill(response=await route.fetch())
        under_way -= 1

    await ann.page.route("**/*/GetPerson", answer)
    await ann.page.reload()

    await expect(rows).to_have_count(many)
    await expect(rows.filter(has_text="of old")).to_have_count(many)
    assert most <= at_once
    assert sorted(asked.values()) == [*[1] * (many - 2), 3, 3]
