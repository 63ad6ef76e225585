"""The tabs' way to their live connection: whatever dies or is missing, they stay in touch, and leave together."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from playwright.async_api import Dialog, FilePayload, Page, Route, expect
from playwright.async_api import Error as PlaywrightError

from tests.support.browser import command
from tests.support.clients import fresh_id
from tests.support.line import Line
from tests.support.page import Stage, Visitor

pytestmark = [pytest.mark.prove, pytest.mark.asyncio(loop_scope="session")]

AWAY = "Reconnecting…"
WAITING = "Waiting to be sent"
WITHOUT_WORKERS = "delete globalThis.SharedWorker;"
WITHOUT_MODULES = """
const Whole = SharedWorker;
globalThis.SharedWorker = function (url, { name }) { return new Whole(url, { name }); };
"""
WITHOUT_PATIENCE = """
const wait = globalThis.setTimeout;
globalThis.setTimeout = (work, delay, ...rest) => (delay < 1000 ? wait(work, delay, ...rest) : 0);
"""
"""Whatever only a limit of time would bring about never comes."""
SLOW_TO_FORGET = """
const clear = IDBObjectStore.prototype.clear;
IDBObjectStore.prototype.clear = function () {
  const end = performance.now() + 1000;
  const goOn = () => {
    if (performance.now() > end) clear.call(this);
    else this.count().onsuccess = goOn;
  };
  goOn();
};
"""
"""The storage of messages that wait is busy for a second before it is cleared."""
LISTINGS = ("ListChannels", "ListMessages", "ListFriends")


@pytest_asyncio.fixture(loop_scope="session")
async def stage(line: Line, stage: Stage) -> Stage:
    """The stage of the test, which closes while the line still holds."""
    assert line.url
    stage.faults.forgive("net::ERR_")
    return stage


async def pair_at(stage: Stage, line: Line, **options: str) -> tuple[Visitor, Visitor]:
    """Return two friends in their conversation; the first, whose browser is special, comes by the line."""
    ann, bea = await asyncio.gather(stage.enter("Ann", line.url, **options), stage.enter("Bea"))
    await stage.befriend(ann, bea)
    await asyncio.gather(ann.talk_to(bea), bea.talk_to(ann))
    await bea.write(ann, "before")
    await expect(ann.messages(bea)).to_contain_text(["before"])
    return ann, bea


async def in_touch(ann: Visitor, bea: Visitor, *texts: str) -> None:
    """Hold that messages go both ways, after these that are there already, each once."""
    await ann.write(bea, "from here")
    await expect(bea.messages(ann)).to_contain_text([*texts, "from here"])
    await bea.write(ann, "from there")
    await expect(ann.messages(bea)).to_contain_text([*texts, "from here", "from there"])
    await expect(ann.text(WAITING)).to_have_count(0)


def listings(line: Line) -> Counter[str]:
    """Return how often which lists have been asked for."""
    return Counter({name: line.requests[name] for name in LISTINGS})


async def kill_worker(visitor: Visitor) -> None:
    """End the worker of someone's browser, and nothing else."""
    browser = visitor.page.context.browser
    assert browser is not None
    session = await browser.new_browser_cdp_session()
    for target in (await command(session, "Target.getTargets"))["targetInfos"]:
        if target["type"] == "shared_worker" and target["url"].startswith(visitor.url):
            await command(session, "Target.closeTarget", targetId=target["targetId"])
    await session.detach()


async def sign_in_as(page: Page, person_id: str) -> None:
    """Sign in on the screen for it."""
    await page.get_by_label("Someone else").fill(person_id)
    await page.get_by_role("button", name="Continue", exact=True).click()


async def test_a_tab_outlives_the_crash_of_the_one_that_started_the_worker(
    stage: Stage, line: Line
) -> None:
    ann, bea = await pair_at(stage, line)
    second = await ann.another_tab(f"/messages/{bea.person_id}")
    await expect(second.messages(bea)).to_contain_text(["before"])
    asked, workers = listings(line), line.requests["worker.js"]

    stage.faults.forgive("page crashed")
    async with ann.page.expect_event("crash"):
        with pytest.raises(PlaywrightError):
            await ann.page.goto("chrome://crash")

    await in_touch(second, bea, "before")
    assert line.requests["worker.js"] == workers + 1
    assert line.under_way("WatchMessages") == 1
    assert listings(line) == asked
    await ann.page.close()


async def test_a_worker_that_dies_and_cannot_be_loaded_is_missed_and_tried_again(
    stage: Stage, line: Line
) -> None:
    ann, bea = await pair_at(stage, line)

    line.loses_answers_to = "sender.js"
    await kill_worker(ann)
    await expect(ann.text(AWAY)).to_be_visible()
    line.loses_answers_to = ""

    await in_touch(ann, bea, "before")
    await expect(ann.text(AWAY)).to_have_count(0)


async def test_without_a_worker_that_loads_the_tab_connects_itself(
    stage: Stage, line: Line
) -> None:
    ann, bea = await pair_at(stage, line)
    await ann.page.goto("about:blank")

    line.loses_answers_to = "worker.js"
    await ann.talk_to(bea)

    await in_touch(ann, bea, "before")


async def test_without_modules_in_workers_the_tab_connects_itself(stage: Stage, line: Line) -> None:
    stage.faults.forgive("SyntaxError")
    ann, bea = await pair_at(stage, line, init_script=WITHOUT_MODULES)

    await in_touch(ann, bea, "before")


async def test_without_shared_workers_one_tab_connects_for_all_and_another_takes_over(
    stage: Stage, line: Line
) -> None:
    ann, bea = await pair_at(stage, line, init_script=WITHOUT_WORKERS)
    second = await ann.another_tab(f"/messages/{bea.person_id}")
    third = await ann.another_tab("/home")
    await expect(second.messages(bea)).to_contain_text(["before"])
    await expect(third.row(bea)).to_contain_text("before")
    assert line.under_way("WatchMessages") == 1
    asked = listings(line)

    await ann.page.close()

    await in_touch(second, bea, "before")
    await expect(third.row(bea)).to_contain_text("from there")
    assert line.under_way("WatchMessages") == 1
    assert listings(line) == asked


async def test_without_shared_workers_signing_out_takes_all_tabs_along_and_leaves_nothing(
    stage: Stage, line: Line
) -> None:
    ann, bea = await pair_at(stage, line, init_script=WITHOUT_WORKERS + SLOW_TO_FORGET)
    second = await ann.another_tab(f"/messages/{bea.person_id}")
    await expect(second.messages(bea)).to_contain_text(["before"])
    await line.cut()
    await ann.write(bea, "a secret that was never sent")
    await second.composer(bea).fill("a secret that was only begun")
    await bea.client.call("RemoveFriend", personId=ann.person_id)
    await line.join()
    await expect(ann.messages(bea)).to_contain_text(["before", "Not sent"])

    await ann.go("/you")
    await ann.button("Sign out").click()
    dialog = ann.page.get_by_role("dialog")
    await expect(dialog).to_contain_text("1 message has not been sent yet")
    await dialog.get_by_role("button", name="Sign out").click()

    for tab in (ann, second):
        await expect(tab.heading("Who are you?")).to_be_visible()
        assert tab.page.url == f"{line.url}/"
    left = json.dumps(await ann.page.context.storage_state(indexed_db=True))
    for secret in ("secret", bea.person_id, ann.person_id, "session"):
        assert secret not in left


@asynccontextmanager
async def an_upload_under_way(stage: Stage, visitor: Visitor) -> AsyncGenerator[None]:
    """Attach a file whose upload comes to no end, and hold that nobody is asked whether to stay for it."""
    is_under_way = asyncio.Event()

    async def never(_: Route) -> None:
        is_under_way.set()

    async def stay(dialog: Dialog) -> None:
        stage.faults.add(f"asked: {dialog.type}")
        await dialog.dismiss()

    visitor.page.on("dialog", stay)
    await visitor.page.route("**/attachments", never, times=1)
    async with visitor.page.expect_file_chooser() as chooser:
        await visitor.button("Attach files").click()
    file: FilePayload = {"name": "long.txt", "mimeType": "text/plain", "buffer": b"long"}
    await (await chooser.value).set_files(file)
    await is_under_way.wait()
    yield
    visitor.page.remove_listener("dialog", stay)


async def test_an_upload_holds_no_tab_back_from_signing_out(stage: Stage, line: Line) -> None:
    ann, bea = await pair_at(stage, line)
    second = await ann.another_tab("/you")
    async with an_upload_under_way(stage, ann):
        await second.button("Sign out").click()

        for tab in (ann, second):
            await expect(tab.heading("Who are you?")).to_be_visible()
            await expect(tab.messages(bea)).to_have_count(0)


async def test_an_upload_holds_no_tab_back_from_following_another_person(
    stage: Stage, line: Line
) -> None:
    ann, bea = await pair_at(stage, line)
    cal = await stage.newcomer("Cal")
    async with an_upload_under_way(stage, ann):
        await ann.page.context.request.post(f"{line.url}/session", data={"personId": cal})
        await ann.another_tab("/home")

        await expect(ann.text(f"You are not friends with {bea.name}")).to_be_visible()
        await expect(ann.messages(bea)).to_have_count(0)


async def test_what_waits_when_the_session_ends_is_sent_once_after_signing_in_again(
    stage: Stage, line: Line
) -> None:
    ann, bea = await pair_at(stage, line)
    second = await ann.another_tab(f"/messages/{bea.person_id}")
    async with an_upload_under_way(stage, second):
        await line.cut()
        await ann.write(bea, "waits")
        await expect(ann.messages(bea)).to_contain_text(["before", WAITING])

        await ann.page.context.clear_cookies()
        await line.join()
        for tab in (ann, second):
            await expect(tab.heading("Who are you?")).to_be_visible()
    await sign_in_as(ann.page, ann.person_id)

    await expect(second.text("long.txt")).to_be_visible()
    await in_touch(ann, bea, "before", "waits")
    await expect(second.messages(bea)).to_have_count(4)


async def test_an_answer_of_a_foreign_network_is_taken_for_no_answer(
    stage: Stage, line: Line
) -> None:
    # Without a worker, what the connection asks for can be answered here.
    ann, bea = await pair_at(stage, line, init_script=WITHOUT_WORKERS)
    stage.faults.forgive("TypeError")
    answers = ["<!doctype html><title>Welcome to the hotel</title>", "", "null"]

    async def answer(route: Route) -> None:
        if answers:
            await route.fulfill(body=answers.pop(), content_type="text/html")
        else:
            await route.continue_()

    await ann.page.route("**/*SendMessage", answer)
    await in_touch(ann, bea, "before")
    assert answers == []


async def test_whoever_has_not_joined_signs_out_at_once(stage: Stage, line: Line) -> None:
    page = await stage.tab(line.url, init_script=WITHOUT_PATIENCE)
    await page.goto(line.url)
    await sign_in_as(page, fresh_id("newcomer"))
    await expect(page.get_by_role("heading", name="Make your profile")).to_be_visible()

    await page.get_by_role("button", name="Sign out").click()

    await expect(page.get_by_role("heading", name="Who are you?")).to_be_visible()
