"""The product's guide on the page, step by step: two people, each in a browser of their own, see each other live."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import FilePayload, expect

from tests.support.page import Stage, Visitor, without_reload
from tests.support.pictures import photograph, picture

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

NO_LONGER_FRIENDS = "You two are no longer friends, so this conversation is closed."

PDF = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj
trailer<</Root 1 0 R>>
%%EOF
"""
TIMES = re.compile(r"\b(\d+:\d\d|now|\d+ \w+ ago)\b")


async def search(visitor: Visitor, query: str) -> None:
    await visitor.tab("Network").click()
    await visitor.page.get_by_role("searchbox", name="Search for a person").fill(query)


async def ask(visitor: Visitor, other: Visitor, note: str = "") -> None:
    """Select Request to be Friends on the other's profile."""
    await visitor.visit(other)
    if note:
        await visitor.button("Add a note").click()
        await visitor.page.get_by_label(f"Note to {other.name}").fill(note)
    await visitor.button("Request to be Friends").click()
    await expect(visitor.text("Your request is pending response.")).to_be_visible()


async def confirm(visitor: Visitor, action: str) -> None:
    """Select an action, and again in the dialog that asks whether it is meant."""
    await visitor.button(action).click()
    await visitor.page.get_by_role("dialog").get_by_role("button", name=action).click()


async def test_a_new_person_signs_in_and_enters_the_network(stage: Stage) -> None:
    ann = await stage.enter("Ann")
    page = await stage.tab()
    await page.goto(stage.url)
    await expect(page.get_by_role("heading", name="Who are you?")).to_be_visible()
    await page.get_by_label("Someone else").fill(f"new_{ann.person_id[-8:]}")
    await page.get_by_role("button", name="Continue", exact=True).click()
    await page.get_by_label("Name", exact=True).fill(f"New {ann.name}")
    await page.get_by_label("Headline").fill("Just arrived")
    await page.get_by_role("button", name="Enter the network").click()
    await expect(page.get_by_text("No conversations yet")).to_be_visible()

    await search(ann, f"New {ann.name}")
    await expect(ann.link(f"New {ann.name}")).to_be_visible()
    await expect(ann.text("Just arrived")).to_be_visible()


async def test_a_person_is_found_in_the_network_tab(stage: Stage) -> None:
    ann, zoe = await stage.two("Ann", "Zoé")

    await search(ann, zoe.name.replace("Zoé", "zoe").lower()[:-1])
    await expect(ann.card(zoe)).to_be_visible()
    await expect(ann.card(zoe)).to_contain_text(f"@{zoe.person_id}")
    await search(zoe, f"@{ann.person_id}")
    await expect(zoe.card(ann)).to_be_visible()

    # No paper airplane: they are not friends.
    await expect(ann.plane(zoe)).to_have_count(0)
    await search(ann, "nobody has this name")
    await expect(ann.text("Nobody found for “nobody has this name”").first).to_be_visible()


async def test_the_name_opens_the_profile(stage: Stage) -> None:
    ann, bea = await stage.two()
    await bea.tab("You").click()
    await bea.button("Edit profile").click()
    await bea.page.get_by_label("Headline").fill("Nurse, new in town")
    await bea.button("Save").click()
    await expect(bea.text("Your profile is saved.")).to_be_visible()

    await search(ann, bea.name)
    await ann.link(bea.name).click()

    await expect(ann.heading(bea.name)).to_be_visible()
    await expect(ann.text("Nurse, new in town")).to_be_visible()
    await expect(ann.button("Request to be Friends")).to_be_visible()


async def test_a_request_with_a_note_reaches_the_other_at_once(stage: Stage) -> None:
    ann, bea = await stage.two()

    async with without_reload(bea):
        await ask(ann, bea, note="We met in Lyon.\nDo you remember?")

        await expect(bea.tab("Home")).to_contain_text("1 request to answer")
        await bea.section("Requests").click()
        await expect(bea.box("Received").get_by_role("link", name=ann.name)).to_be_visible()
        await expect(bea.box("Received")).to_contain_text("We met in Lyon.")
        await bea.link(ann.name).click()
        await expect(bea.text(f"{ann.name} asks to be your friend.")).to_be_visible()


async def test_a_request_pending_response_can_be_cancelled(stage: Stage) -> None:
    ann, bea = await stage.two()
    await bea.go("/home/requests")

    async with without_reload(ann, bea):
        await ask(ann, bea)
        await expect(bea.box("Received").get_by_role("link", name=ann.name)).to_be_visible()
        await ann.button("Cancel").click()

        await expect(ann.button("Request to be Friends")).to_be_visible()
        await expect(bea.text("No requests to answer.")).to_be_visible()
        await expect(bea.tab("Home")).not_to_contain_text("request to answer")


async def test_accepting_puts_both_names_under_direct_messages(stage: Stage) -> None:
    ann, bea = await stage.two()

    async with without_reload(ann, bea):
        await ask(ann, bea)
        await ann.tab("Home").click()
        await expect(ann.text("No conversations yet")).to_be_visible()
        await bea.section("Requests").click()
        await bea.box("Received").get_by_role("button", name="Accept").click()
        await bea.section("Direct Messages").click()

        await expect(ann.row(bea)).to_be_visible()
        await expect(bea.row(ann)).to_be_visible()


async def test_an_ignored_requester_still_sees_pending_response(stage: Stage) -> None:
    ann, bea = await stage.two()
    await ask(ann, bea, note="Shall we?")
    await bea.section("Requests").click()
    await bea.box("Received").get_by_role("button", name="Ignore").click()

    await expect(bea.box("Ignored").get_by_role("link", name=ann.name)).to_be_visible()
    await expect(bea.text("No requests to answer.")).to_be_visible()
    await expect(ann.text("Your request is pending response.")).to_be_visible()
    await ann.page.reload()
    await expect(ann.text("Your request is pending response.")).to_be_visible()
    await ann.go("/home/requests")
    await expect(ann.box("Sent")).to_contain_text("pending response")


async def test_an_ignored_request_can_still_be_accepted(stage: Stage) -> None:
    ann, bea = await stage.two()
    await ask(ann, bea)
    await bea.section("Requests").click()
    await bea.box("Received").get_by_role("button", name="Ignore").click()
    await ann.tab("Home").click()

    async with without_reload(ann, bea):
        await bea.box("Ignored").get_by_role("button", name="Accept").click()

        await expect(ann.row(bea)).to_be_visible()
        await bea.section("Direct Messages").click()
        await expect(bea.row(ann)).to_be_visible()


async def test_the_paper_airplane_under_a_friends_photo_opens_the_conversation(
    stage: Stage,
) -> None:
    ann, bea = await stage.friends()

    await search(ann, bea.name)
    await expect(ann.card(bea).get_by_role("link", name=f"Message {bea.name}")).to_be_visible()
    await ann.plane(bea).click()
    await expect(ann.composer(bea)).to_be_focused()
    await bea.visit(ann)
    await bea.plane(ann).click()
    await expect(bea.composer(ann)).to_be_visible()


async def test_a_message_is_sent_with_the_arrow_and_seen_at_once(stage: Stage) -> None:
    ann, bea = await stage.friends()
    await ann.talk_to(bea)

    async with without_reload(ann, bea):
        await ann.composer(bea).press_sequentially("Hello")
        await expect(bea.row(ann)).to_contain_text(f"{ann.name} is typing…")
        await ann.composer(bea).press_sequentially(" Bea 👋🏽")
        await ann.button("Send").click()

        await expect(ann.composer(bea)).to_have_value("")
        await expect(bea.row(ann)).to_contain_text("1 unread message")
        await expect(bea.row(ann)).to_contain_text("Hello Bea 👋🏽")
        await expect(bea.page).to_have_title("(1) Paperplane")
        await expect(ann.messages(bea)).to_contain_text(["Sent"])
        await bea.row(ann).click()
        await expect(bea.messages(ann)).to_contain_text(["Hello Bea 👋🏽"])
        await expect(ann.messages(bea)).to_contain_text(["Read"])
        await expect(bea.page).to_have_title("Paperplane")

        await bea.composer(ann).fill("Hello Ann")
        await bea.composer(ann).press("Enter")
        await expect(ann.messages(bea)).to_contain_text(["Hello Bea 👋🏽", "Hello Ann"])


async def test_a_picture_and_a_document_go_with_the_message(stage: Stage) -> None:
    ann, bea = await stage.friends()
    await asyncio.gather(ann.talk_to(bea), bea.talk_to(ann))
    documents: list[FilePayload] = [
        {"name": "Ward 7 été.png", "mimeType": "image/png", "buffer": picture(width=400)},
        {"name": "Plan.pdf", "mimeType": "application/pdf", "buffer": PDF},
    ]

    async with without_reload(ann, bea):
        async with ann.page.expect_file_chooser() as chooser:
            await ann.button("Attach files").click()
        await (await chooser.value).set_files(documents)
        attached = ann.page.get_by_role("list", name="Attached files")
        await expect(attached.get_by_role("listitem")).to_contain_text(
            ["Ward 7 été.png", "Plan.pdf"]
        )
        await ann.composer(bea).fill("The plan and how it looks")
        await ann.button("Send").click()

        message = bea.messages(ann)
        await expect(message).to_contain_text(["The plan and how it looks"])
        await expect(attached).to_have_count(0)
        await message.get_by_role("button", name="Open picture Ward 7 été.png").click()
        shown = bea.page.get_by_role("dialog", name="Pictures").get_by_role("img")
        await expect(shown.and_(bea.page.get_by_alt_text("Ward 7 été.png"))).to_be_visible()
        await expect(shown.last).to_have_js_property("naturalWidth", 400)
        await bea.page.keyboard.press("Escape")
        link = message.get_by_role("link", name="Plan.pdf")
        answer = await bea.page.context.request.get(f"{bea.url}{await link.get_attribute('href')}")
        assert (await answer.body(), answer.headers["content-type"]) == (PDF, "application/pdf")


async def test_what_was_sent_can_be_answered_edited_and_deleted(stage: Stage) -> None:
    ann, bea = await stage.friends()
    await asyncio.gather(ann.talk_to(bea), bea.talk_to(ann))
    await ann.write(bea, "See you at nine")
    await ann.write(bea, "Wrong window")
    await expect(bea.messages(ann)).to_have_count(2)

    async with without_reload(ann, bea):
        await bea.messages(ann).first.hover()
        await bea.messages(ann).first.get_by_role("button", name="Reply").click()
        await bea.composer(ann).press_sequentially("Ten is better")
        await bea.composer(ann).press("Enter")
        reply = ann.messages(bea).nth(2)
        await expect(reply.get_by_role("blockquote")).to_have_text("See you at nine")
        await expect(reply).to_contain_text("Ten is better")

        await ann.messages(bea).first.hover()
        await ann.messages(bea).first.get_by_role("button", name="Edit message").click()
        await expect(ann.composer(bea)).to_have_value("See you at nine")
        await ann.composer(bea).fill("See you at ten")
        await ann.button("Save").click()
        await expect(bea.messages(ann).first).to_contain_text("See you at ten")
        await expect(bea.messages(ann).first).to_contain_text("edited")

        await ann.messages(bea).nth(1).hover()
        await ann.messages(bea).nth(1).get_by_role("button", name="Delete message").click()
        await ann.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        await expect(bea.messages(ann).nth(1)).to_contain_text("This message was deleted")
        await expect(bea.text("Wrong window")).to_have_count(0)


async def test_a_photo_is_seen_by_others(stage: Stage) -> None:
    ann, bea = await stage.two()
    await ann.tab("You").click()
    async with ann.page.expect_file_chooser() as chooser:
        await ann.button("Choose a photo").click()
    photo: FilePayload = {"name": "me.jpg", "mimeType": "image/jpeg", "buffer": photograph()}
    await (await chooser.value).set_files(photo)
    await expect(ann.text("Your photo is set.")).to_be_visible()

    await search(bea, ann.name)
    seen = bea.card(ann).locator("img")
    await expect(seen).to_have_js_property("complete", value=True)
    assert await seen.evaluate("image => image.naturalWidth") in (96, 512)
    await ann.button("Remove photo").click()
    await expect(ann.text("Your photo is removed.")).to_be_visible()
    await bea.visit(ann)
    await expect(bea.page.get_by_role("main").locator("img")).to_have_count(0)


async def test_removing_a_friend_closes_the_conversation_for_both(stage: Stage) -> None:
    ann, bea = await stage.friends()
    await asyncio.gather(ann.talk_to(bea), bea.talk_to(ann))
    await ann.write(bea, "This stays")
    await expect(bea.messages(ann)).to_have_count(1)

    async with without_reload(ann, bea):
        await ann.conversation(bea).get_by_role("link", name=bea.name).click()
        await confirm(ann, "Remove friend")
        await expect(ann.button("Request to be Friends")).to_be_visible()

        await expect(bea.conversation(ann)).to_contain_text(NO_LONGER_FRIENDS)
        await expect(bea.composer(ann)).to_have_count(0)
        await expect(bea.messages(ann)).to_contain_text(["This stays"])
        await ann.talk_to(bea)
        await expect(ann.conversation(bea)).to_contain_text(NO_LONGER_FRIENDS)
        await expect(ann.composer(bea)).to_have_count(0)
        await expect(ann.messages(bea)).to_contain_text(["This stays"])
        await expect(ann.row(bea)).to_contain_text("Closed")


async def test_friends_again_go_on_in_the_same_conversation(stage: Stage) -> None:
    ann, bea = await stage.friends()
    await asyncio.gather(ann.talk_to(bea), bea.talk_to(ann))
    await ann.write(bea, "Before")
    await expect(bea.messages(ann)).to_have_count(1)
    await ann.client.call("RemoveFriend", personId=bea.person_id)
    await expect(bea.composer(ann)).to_have_count(0)

    async with without_reload(ann, bea):
        await bea.conversation(ann).get_by_role("link", name=ann.name).click()
        await bea.button("Request to be Friends").click()
        await expect(ann.tab("Home")).to_contain_text("1 request to answer")
        await ann.conversation(bea).get_by_role("link", name=bea.name).click()
        await ann.button("Accept").click()
        await ann.plane(bea).click()
        await ann.write(bea, "After")

        await bea.plane(ann).click()
        await expect(bea.messages(ann)).to_contain_text(["Before", "After"])


async def test_blocking_closes_the_conversation_and_unblocking_restores_nothing(
    stage: Stage,
) -> None:
    ann, bea = await stage.friends()
    await bea.talk_to(ann)

    async with without_reload(ann, bea):
        await ann.visit(bea)
        await confirm(ann, "Block")
        await expect(ann.text(f"You have blocked {bea.name}.")).to_be_visible()
        await expect(bea.conversation(ann)).to_contain_text(NO_LONGER_FRIENDS)

        await ann.go("/home/blocked")
        await confirm(ann, "Unblock")
        await expect(ann.text("You have blocked nobody.")).to_be_visible()
        await expect(bea.conversation(ann)).to_contain_text(NO_LONGER_FRIENDS)
        await ann.visit(bea)
        await expect(ann.button("Request to be Friends")).to_be_visible()


async def shown_to(visitor: Visitor, other: Visitor) -> list[str]:
    """Return all that a person is shown of another, wherever they look."""
    main = visitor.page.get_by_role("main")
    await visitor.talk_to(other)
    await expect(visitor.conversation(other)).to_contain_text(NO_LONGER_FRIENDS)
    await expect(visitor.messages(other)).to_have_count(1)
    seen = [await main.inner_text()]
    await visitor.visit(other)
    await visitor.page.reload()
    await expect(visitor.button("Request to be Friends")).to_be_visible()
    seen.append(await main.inner_text())
    await search(visitor, other.name)
    await expect(visitor.card(other)).to_be_visible()
    seen.append(await visitor.card(other).inner_text())
    await ask(visitor, other)
    seen.append(await main.inner_text())
    await visitor.go("/home/requests")
    await expect(visitor.box("Sent").get_by_role("link", name=other.name)).to_be_visible()
    seen.append(await main.inner_text())
    return [TIMES.sub("then", words) for words in seen]


async def test_a_blocked_person_sees_what_a_removed_one_sees(stage: Stage) -> None:
    ann, removed, blocked = await asyncio.gather(
        stage.enter("Ann"), stage.enter("Cal"), stage.enter("Dan")
    )
    for each in (removed, blocked):
        await stage.befriend(ann, each)
        await each.talk_to(ann)
        await each.write(ann, "Hello")
        await expect(each.messages(ann)).to_contain_text(["Sent"])
    await ann.client.call("RemoveFriend", personId=removed.person_id)
    await ann.client.call("BlockPerson", personId=blocked.person_id)

    seen = await asyncio.gather(shown_to(removed, ann), shown_to(blocked, ann))

    assert seen[0] == seen[1]
