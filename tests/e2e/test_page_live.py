"""The page's one live connection: through cuts, restarts and reloads nothing is lost, doubled or left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from dataclasses import replace

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.support.line import Line
from tests.support.page import Stage, Visitor
from tests.support.system import SystemUnderTest

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

AWAY = "Reconnecting…"
WAITING = "Waiting to be sent"


@pytest_asyncio.fixture(loop_scope="session")
async def pair(stage: Stage, line: Line) -> tuple[Visitor, Visitor]:
    """Two friends in their conversation; the first reaches the system by the line."""
    ann, bea = await asyncio.gather(stage.enter("Ann", line.url), stage.enter("Bea"))
    await stage.befriend(ann, bea)
    await asyncio.gather(ann.talk_to(bea), bea.talk_to(ann))
    await expect(ann.composer(bea)).to_be_visible()
    return ann, bea


async def texts(visitor: Visitor, other: Visitor) -> list[str]:
    """Return what is written in the channel of two, as the server has it."""
    channel = (await visitor.client.call("GetChannel", personId=other.person_id))["channel"]
    listed = await visitor.client.call("ListMessages", channelId=channel["channelId"])
    messages = sorted(listed.get("messages", []), key=lambda message: int(message["seq"]))
    return [message["text"] for message in messages]


async def agree(ann: Visitor, bea: Visitor, expected: list[str]) -> None:
    """Hold that both see these messages, each once and in this order, as the server has them."""
    for one, other in ((ann, bea), (bea, ann)):
        await expect(one.messages(other)).to_contain_text(expected)
    assert await texts(ann, bea) == expected


async def test_what_is_written_offline_goes_out_once_when_the_line_is_back(
    stage: Stage, line: Line, pair: tuple[Visitor, Visitor]
) -> None:
    ann, bea = pair
    stage.faults.forgive("net::ERR_")
    await ann.write(bea, "before")
    await agree(ann, bea, ["before"])

    await line.cut()
    for text in ("one", "two"):
        await ann.write(bea, text)
    await expect(ann.text(AWAY)).to_be_visible()
    await expect(ann.messages(bea)).to_contain_text(["before", WAITING, WAITING])
    await bea.write(ann, "meanwhile")
    await expect(bea.messages(ann)).to_have_count(2)
    await line.join()

    await agree(ann, bea, ["before", "meanwhile", "one", "two"])
    await expect(ann.text(WAITING)).to_have_count(0)
    await expect(ann.text(AWAY)).to_have_count(0)


async def test_a_message_whose_answer_is_lost_is_not_doubled(
    stage: Stage, line: Line, pair: tuple[Visitor, Visitor]
) -> None:
    ann, bea = pair
    stage.faults.forgive("net::ERR_")

    line.loses_answers_to = "SendMessage"
    await ann.write(bea, "only once")
    await agree(ann, bea, ["only once"])
    await ann.page.reload()
    await expect(ann.messages(bea)).to_have_count(1)
    line.loses_answers_to = ""
    await ann.write(bea, "and then this")

    await agree(ann, bea, ["only once", "and then this"])
    assert line.requests["SendMessage"] > 2


async def test_a_conversation_that_cannot_be_loaded_shows_what_waits_and_is_loaded_later(
    stage: Stage, line: Line, pair: tuple[Visitor, Visitor]
) -> None:
    ann, bea = pair
    stage.faults.forgive("net::ERR_")
    await bea.write(ann, "before")
    await agree(ann, bea, ["before"])

    line.loses_answers_to = "ListMessages"
    await ann.page.reload()
    await expect(ann.text("could not be loaded")).to_be_visible()
    await line.cut()
    await ann.write(bea, "meanwhile")
    await expect(ann.messages(bea)).to_contain_text([WAITING])
    line.loses_answers_to = ""
    await line.join()

    await agree(ann, bea, ["before", "meanwhile"])


@pytest.mark.prove
async def test_a_message_waits_through_a_closed_tab(
    stage: Stage, line: Line, pair: tuple[Visitor, Visitor]
) -> None:
    ann, bea = pair
    stage.faults.forgive("net::ERR_")
    await line.cut()
    await ann.write(bea, "not to be forgotten")
    await ann.composer(bea).fill("and this I have only begun")
    await expect(ann.messages(bea)).to_contain_text([WAITING])
    context = ann.page.context
    await ann.page.close()
    await line.join()
    assert await texts(ann, bea) == []

    ann = replace(ann, page=await context.new_page())
    await ann.talk_to(bea)

    await agree(ann, bea, ["not to be forgotten"])
    await expect(ann.composer(bea)).to_have_value("and this I have only begun")


@pytest.mark.prove
async def test_a_restart_of_the_server_loses_nothing(
    stage: Stage, system: SystemUnderTest, pair: tuple[Visitor, Visitor]
) -> None:
    ann, bea = pair
    stage.faults.forgive("net::ERR_")
    await ann.write(bea, "before")
    await agree(ann, bea, ["before"])

    os.kill(system.pids()["gateway"], signal.SIGKILL)
    await expect(bea.text(AWAY)).to_be_visible()
    await ann.write(bea, "during")

    await expect(bea.messages(ann)).to_have_count(2)
    await bea.write(ann, "after")
    await agree(ann, bea, ["before", "during", "after"])


@pytest.mark.prove
async def test_all_tabs_of_a_browser_share_one_live_connection(
    stage: Stage, line: Line, pair: tuple[Visitor, Visitor]
) -> None:
    ann, bea = pair
    second = await ann.another_tab(f"/messages/{bea.person_id}")
    third = await ann.another_tab("/home")
    await ann.write(bea, "Hello")
    await expect(second.messages(bea)).to_contain_text(["Hello"])
    await expect(third.row(bea)).to_contain_text("You: Hello")
    assert line.under_way("WatchMessages") == 1
    assert line.under_way("WatchFriendships") == 1

    # The count does rise with another browser, and whichever tab was first may go.
    cal = await stage.enter("Cal", line.url)
    await stage.befriend(cal, bea)
    await expect(cal.row(bea)).to_be_visible()
    assert line.under_way("WatchMessages") == 2
    await ann.page.close()
    await bea.write(ann, "Still there?")
    await expect(second.messages(bea)).to_contain_text(["Hello", "Still there?"])
    await expect(third.row(bea)).to_contain_text("Still there?")
    assert line.under_way("WatchMessages") == 2


@pytest.mark.prove
async def test_signing_out_takes_all_tabs_along_and_leaves_nothing(
    stage: Stage, line: Line, pair: tuple[Visitor, Visitor]
) -> None:
    ann, bea = pair
    cal = await stage.enter("Cal")
    stage.faults.forgive("net::ERR_")
    second = await ann.another_tab("/you")
    await line.cut()
    await ann.write(bea, "a secret that was never sent")
    await ann.composer(bea).fill("a secret that was only begun")
    await expect(ann.messages(bea)).to_contain_text([WAITING])
    await bea.client.call("RemoveFriend", personId=ann.person_id)
    await line.join()
    await expect(ann.messages(bea)).to_contain_text(["Not sent"])

    await second.button("Sign out").click()
    dialog = second.page.get_by_role("dialog")
    await expect(dialog).to_contain_text("1 message has not been sent yet. It will be lost.")
    await dialog.get_by_role("button", name="Sign out").click()

    for tab in (ann, second):
        await expect(tab.heading("Who are you?")).to_be_visible()
        assert tab.page.url == f"{line.url}/"
    left = json.dumps(await ann.page.context.storage_state(indexed_db=True))
    assert '"name": "outbox"' in left
    for secret in ("secret", bea.person_id, ann.person_id, "session"):
        assert secret not in left

    # Whoever comes next in this browser is followed by all its tabs, and finds nothing.
    await second.page.get_by_label("Someone else").fill(cal.person_id)
    await second.page.get_by_role("button", name="Continue", exact=True).click()
    for tab in (ann, second):
        await expect(tab.text("No conversations yet")).to_be_visible()
    await ann.go(f"/messages/{bea.person_id}")
    await expect(ann.text(f"You are not friends with {bea.name}")).to_be_visible()
    await stage.befriend(cal, bea)
    await expect(ann.composer(bea)).to_have_value("")
    await expect(ann.messages(bea)).to_have_count(0)
