"""What happens in the play, scene by scene, and what should come of it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any

from cli.client import new_message_id
from cli.demo.actors import Actor
from cli.demo.stage import Log, Stage
from paperplane.friendship.v1 import friendship_pb2 as friendship
from paperplane.messaging.v1 import messaging_pb2 as messaging


async def enter(stage: Stage, nora: Actor, omar: Actor, suffix: str) -> tuple[str, str]:
    """Let the newcomers in; returns the ids of Alice and Bob."""
    stage.scene("Nora and Omar enter the network, and Nora looks around")
    person = await nora.enter(f"nora_{suffix}", "Nora Nowak")
    stage.expect("Nora has a profile", person.handle, f"nora_{suffix}")
    stage.expect(
        "entering twice changes nothing", await nora.enter(f"nora_{suffix}", "Nora Nowak"), person
    )
    await stage.expect_refusal(
        "Omar can't take Nora's handle", omar.enter(f"nora_{suffix}", "Omar Haddad"), "HANDLE_TAKEN"
    )
    await omar.enter(f"omar_{suffix}", "Omar Haddad")
    found = {
        query: [each for each in await nora.search(query) if each.handle == handle]
        for query, handle in (
            ("alice", "alice"),
            ("mart ali", "alice"),
            ("LEFEVRE", "chloe"),
            ("bob dub", "bob"),
        )
    }
    for query, people in found.items():
        stage.expect(f"a search for {query!r} finds whom it should", len(people), 1)
    [alice], [bob] = found["alice"], found["bob dub"]
    stage.expect(
        "Alice is a stranger to Nora yet",
        (alice.display_name, alice.relationship, alice.can_message),
        ("Alice Martin", friendship.RELATIONSHIP_NONE, False),
    )
    return alice.person_id, bob.person_id


async def become_friends(stage: Stage, nora: Actor, alice: Actor) -> None:
    """Play the way to a friendship."""
    stage.scene("Nora asks Alice to be friends, and Alice accepts")
    pending = friendship.FRIEND_REQUEST_STATE_PENDING
    await stage.expect_refusal(
        "before that, there is no channel between them", nora.channel(alice), "CHANNEL_NOT_FOUND"
    )
    asked = await nora.ask(alice, "We met at the conference.")
    stage.expect("the request is pending", asked.state, pending)
    told = await alice.friendships.find(
        "request_received", lambda it: it.friend_request.request_id == asked.request_id
    )
    stage.expect(
        "Alice is told at once, with the note",
        told.friend_request.note,
        "We met at the conference.",
    )
    again = await nora.ask(alice, "Hello?")
    stage.expect("asking again is the same request", again.request_id, asked.request_id)
    stage.expect("Nora sees that she asked", await nora.sees(alice), ("REQUEST_SENT", False))
    stage.expect(
        "Alice sees that she is asked", await alice.sees(nora), ("REQUEST_RECEIVED", False)
    )
    stage.expect(
        "it is in Nora's sent requests",
        await nora.box(friendship.REQUEST_BOX_SENT, alice),
        [asked.request_id],
    )
    stage.expect(
        "and in Alice's received ones",
        await alice.box(friendship.REQUEST_BOX_RECEIVED, nora),
        [asked.request_id],
    )
    await stage.expect_refusal(
        "Nora can't accept it herself", nora.accept(asked.request_id), "REQUEST_NOT_FOUND"
    )
    accepted = await alice.accept(asked.request_id)
    stage.expect("Alice accepts", accepted.state, friendship.FRIEND_REQUEST_STATE_ACCEPTED)
    for person, other in ((nora, alice), (alice, nora)):
        await person.friendships.find(
            "request_accepted", lambda it: it.friend_request.request_id == asked.request_id
        )
        await person.messages.find("channel_opened", partial(_is_with, other.person_id))
        stage.expect(
            f"{person.name} is told, and can send a message now",
            await person.sees(other),
            ("FRIENDS", True),
        )
        stage.expect(
            f"{other.name} is among {person.name}'s direct messages",
            (await person.channel_friends()).count(other.person_id),
            1,
        )


async def talk(stage: Stage, nora: Actor, alice: Actor) -> str:
    """Let the two exchange messages; returns their channel's id."""
    stage.scene("They talk, live")
    channel_id = (await nora.channel(alice)).channel_id
    stage.expect("both are in one channel", (await alice.channel(nora)).channel_id, channel_id)

    def here(it: Any) -> bool:
        return bool(it.channel_id == channel_id)

    await nora.type(channel_id)
    typing = await alice.messages.find("typing", here)
    stage.expect("Alice sees that Nora is typing", typing.person_id, nora.person_id)
    sent = await nora.send(channel_id, "Hello Alice ✈")
    stage.expect("Nora's message is the first", sent.seq, 1)
    told = await alice.messages.find("message_sent", lambda it: here(it.message))
    stage.expect("Alice reads it at once", told.message.text, "Hello Alice ✈")
    await nora.send(channel_id, "How was the trip?")
    stage.expect("Alice has two unread messages", (await alice.channel(nora)).unread_count, 2)
    marked = await alice.mark_read(channel_id, 2)
    stage.expect("Alice marks them as read", (marked.unread_count, marked.read_seq), (0, 2))
    read = await nora.messages.find("read", lambda it: here(it) and it.seq == 2)
    stage.expect("Nora sees that they are read", read.person_id, alice.person_id)
    stage.expect("also when she looks later", (await nora.channel(alice)).friend_read_seq, 2)
    answer = await alice.send(channel_id, "Long, but good.")
    stage.expect("Alice's answer is the third", answer.seq, 3)
    told = await nora.messages.find(
        "message_sent", lambda it: here(it.message) and it.message.seq == 3
    )
    stage.expect("Nora reads it at once", told.message.text, "Long, but good.")
    return channel_id


async def repeat_and_change(stage: Stage, nora: Actor, alice: Actor, channel_id: str) -> None:
    """Play what is sent twice, edited and deleted."""
    stage.scene("A message is sent twice, one is edited, one is deleted")
    key = new_message_id()
    first = await nora.send(channel_id, "See you tomorow", key)
    second = await nora.send(channel_id, "See you tomorow", key)
    stage.expect("sent again under its id, it is the same message", second, first)
    await stage.expect_refusal(
        "another text under that id is refused",
        nora.send(channel_id, "Something else", key),
        "CLIENT_MESSAGE_ID_REUSED",
    )
    stage.expect("and is there once", (await nora.channel(alice)).last_seq, first.seq)
    await nora.edit(channel_id, first.seq, "See you tomorrow")
    told = await alice.messages.find(
        "message_edited", lambda it: it.message.channel_id == channel_id
    )
    stage.expect(
        "Alice sees the edit",
        (told.message.seq, told.message.text, told.message.HasField("edit_time")),
        (first.seq, "See you tomorrow", True),
    )
    await stage.expect_refusal(
        "Alice can't edit Nora's message",
        alice.edit(channel_id, first.seq, "Never"),
        "NOT_THE_SENDER",
    )
    mistake = await nora.send(channel_id, "Wrong window!")
    await nora.delete(channel_id, mistake.seq)
    told = await alice.messages.find(
        "message_deleted", lambda it: it.message.channel_id == channel_id
    )
    stage.expect(
        "of a deleted message its place is left",
        (told.message.seq, told.message.text, told.message.HasField("delete_time")),
        (mistake.seq, "", True),
    )
    await stage.expect_refusal(
        "an empty message is refused", nora.send(channel_id, ""), "INVALID_REQUEST"
    )
    stage.expect(
        "the history shows it all in order",
        await alice.texts(channel_id),
        ["Hello Alice ✈", "How was the trip?", "Long, but good.", "See you tomorrow", ""],
    )


async def keep_out_strangers(stage: Stage, omar: Actor, channel_id: str) -> None:
    """Play one who knows the id of a channel that is not his."""
    stage.scene("Omar, who is neither's friend, knows the channel's id")
    unknown = partial(stage.expect_refusal, reason="CHANNEL_NOT_FOUND")
    await unknown("he can't read its history", omar.texts(channel_id))
    await unknown("he can't send a message", omar.send(channel_id, "Hi!"))
    await unknown("he can't mark it as read", omar.mark_read(channel_id, 1))
    await unknown("he can't delete a message", omar.delete(channel_id, 1))
    await unknown("he can't show that he is typing", omar.type(channel_id))


async def close_and_reopen(stage: Stage, nora: Actor, alice: Actor, channel_id: str) -> None:
    """Play the end of a friendship, and its return."""
    stage.scene("Alice ends the friendship")
    before = await nora.texts(channel_id)
    await alice.remove(nora)
    closed = partial(stage.expect_refusal, reason="CHANNEL_CLOSED")
    await closed("Nora's next message is refused", nora.send(channel_id, "Are you there?"))
    await closed("Alice's as well", alice.send(channel_id, "No."))
    await closed("Nora's edit is refused", nora.edit(channel_id, 1, "Changed"))
    await closed("her typing is not shown", nora.type(channel_id))
    await nora.messages.find("channel_closed", lambda it: it.channel.channel_id == channel_id)
    await nora.friendships.find("friend_removed", lambda it: it.person_id == alice.person_id)
    stage.expect("Nora is told, and can't send messages", await nora.sees(alice), ("NONE", False))
    stage.expect("Nora can still read the history", await nora.texts(channel_id), before)
    stage.expect("so can Alice", await alice.texts(channel_id), before)
    state = (await nora.channel(alice)).state
    stage.expect("the channel is closed", state, messaging.CHANNEL_STATE_CLOSED)

    stage.scene("They make up: each asks the other")
    asked = await alice.ask(nora)
    met = await nora.ask(alice)
    stage.expect(
        "a request each way makes a friendship at once",
        (met.request_id, met.state),
        (asked.request_id, friendship.FRIEND_REQUEST_STATE_ACCEPTED),
    )
    channel = await nora.channel(alice)
    stage.expect(
        "the same channel is open again",
        (channel.channel_id, channel.state),
        (channel_id, messaging.CHANNEL_STATE_OPEN),
    )
    sent = await nora.send(channel_id, "Friends again!")
    stage.expect("its numbers go on without a gap", sent.seq, len(before) + 1)
    stage.expect("its history is kept", await alice.texts(channel_id), [*before, sent.text])
    read = await alice.mark_read(channel_id, sent.seq)
    stage.expect("Alice has read it all", read.unread_count, 0)


async def cancel_and_ignore(stage: Stage, omar: Actor, bob: Actor) -> None:
    """Play a request that is taken back, and one that is ignored."""
    stage.scene("Omar asks Bob, takes it back, and asks again; Bob ignores it")
    first = await omar.ask(bob, "Chess?")
    cancelled = await omar.cancel(first.request_id)
    stage.expect(
        "Omar takes his request back",
        cancelled.state,
        friendship.FRIEND_REQUEST_STATE_CANCELLED,
    )
    await stage.expect_refusal(
        "Bob can't accept it any more", bob.accept(first.request_id), "REQUEST_NOT_PENDING"
    )
    asked = await omar.ask(bob, "Chess after all?")
    stage.expect("a new request has a new id", asked.request_id != first.request_id)
    ignored = await bob.ignore(asked.request_id)
    stage.expect("Bob ignores it", ignored.state, friendship.FRIEND_REQUEST_STATE_IGNORED)
    stage.expect("it left his box", await bob.box(friendship.REQUEST_BOX_RECEIVED, omar), [])
    stage.expect(
        "and is among his ignored ones",
        await bob.box(friendship.REQUEST_BOX_IGNORED, omar),
        [asked.request_id],
    )
    stage.expect("Omar sees no answer", await omar.sees(bob), ("REQUEST_SENT", False))
    again = await omar.ask(bob)
    stage.expect(
        "his request looks pending, however he looks",
        (again.request_id, again.state),
        (asked.request_id, friendship.FRIEND_REQUEST_STATE_PENDING),
    )
    stage.expect(
        "also among his sent ones",
        await omar.box(friendship.REQUEST_BOX_SENT, bob),
        [asked.request_id],
    )


async def block(stage: Stage, nora: Actor, omar: Actor) -> None:
    """Play a block and its end."""
    stage.scene("Nora and Omar become friends, and Nora blocks him")
    await omar.ask(nora)
    await nora.ask(omar)
    channel_id = (await omar.channel(nora)).channel_id
    await omar.send(channel_id, "Buy now, pay later!")
    await nora.block(omar)
    await stage.expect_refusal(
        "Omar's next message is refused", omar.send(channel_id, "Buy!"), "CHANNEL_CLOSED"
    )
    stage.expect("to Omar it looks as if removed", await omar.sees(nora), ("NONE", False))
    stage.expect("Nora sees whom she blocks", await nora.sees(omar), ("BLOCKED", False))
    stage.expect("he is in her list", await nora.blocked_ids(), [omar.person_id])
    asked = await omar.ask(nora, "Why?")
    stage.expect(
        "Omar's new request looks pending to him",
        asked.state,
        friendship.FRIEND_REQUEST_STATE_PENDING,
    )
    stage.expect("Nora does not see it", await nora.box(friendship.REQUEST_BOX_RECEIVED, omar), [])
    await stage.expect_refusal(
        "while she blocks him she can't ask him", nora.ask(omar), "PERSON_BLOCKED"
    )
    await nora.unblock(omar)
    # What comes later has been told, so what came before would have been.
    await nora.friendships.find("person_unblocked", lambda it: it.person_id == omar.person_id)
    stage.expect(
        "nor was she told of it",
        nora.friendships.count(
            "request_received", lambda it: it.friend_request.request_id == asked.request_id
        ),
        0,
    )
    stage.expect("unblocking brings nothing back", await nora.blocked_ids(), [])
    stage.expect("no message can be sent", (await omar.sees(nora))[1], False)
    stage.expect(
        "what he asked meanwhile is among the ignored",
        await nora.box(friendship.REQUEST_BOX_IGNORED, omar),
        [asked.request_id],
    )


async def resume(stage: Stage, tasks: asyncio.TaskGroup, nora: Actor, channel_id: str) -> None:
    """Play a device that has to catch up on all that happened."""
    stage.scene("Nora's second device watches from the beginning")
    log = Log("Nora's second device")
    watch = tasks.create_task(log.follow(nora.watch_messages("")))
    await log.find("caught_up")
    last_seq = len(await nora.texts(channel_id))
    stage.expect(
        "it is told of every message once",
        [
            log.count("message_sent", partial(_tells_of, channel_id, seq))
            for seq in range(1, last_seq + 1)
        ],
        [1] * last_seq,
    )
    watch.cancel()
    with suppress(asyncio.CancelledError):
        await watch


def _tells_of(channel_id: str, seq: int, sent: messaging.MessageSent) -> bool:
    return (sent.message.channel_id, sent.message.seq) == (channel_id, seq)


def _is_with(person_id: str, opened: messaging.ChannelOpened) -> bool:
    return opened.channel.friend_id == person_id
