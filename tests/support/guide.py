"""The product's guide, step by step: what any client can do that calls as two people."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.clients import Client, Refused, fresh_id, watching

Enter = Callable[[str], Client]
"""Signs a person in, by their id."""


async def follow_the_guide(sign_in: Enter) -> None:
    """Do all that the guide says, in its order, and hold that both people see it happen."""
    nora_id, omar_id = fresh_id("nora"), fresh_id("omar")
    nora, omar = sign_in(nora_id), sign_in(omar_id)
    family_name = f"Al{fresh_id('hadi').replace('_', '')}"
    await nora.call("CreatePerson", handle=nora_id, displayName="Nora Lind")
    await omar.call(
        "CreatePerson", handle=omar_id, displayName=f"Omar {family_name}", headline="Nurse"
    )
    async with (
        watching(nora, "WatchFriendships") as nora_sees,
        watching(omar, "WatchFriendships") as omar_sees,
        watching(nora, "WatchMessages") as nora_reads,
        watching(omar, "WatchMessages") as omar_reads,
    ):
        for stream in (nora_sees, omar_sees, nora_reads, omar_reads):
            assert await stream.until_caught_up() == []

        # "Network tab: search for the person", "access their profile by selecting their name"
        found = await nora.call("SearchPeople", query=f"oma {family_name[:12].upper()}")
        assert [person["personId"] for person in found["people"]] == [omar_id]
        profile = (await nora.call("GetPerson", personId=omar_id))["person"]
        assert profile["displayName"] == f"Omar {family_name}"
        assert profile["headline"] == "Nurse"
        assert profile["handle"] == omar_id
        assert profile["relationship"] == "RELATIONSHIP_NONE"
        assert not profile.get("canMessage")
        assert (await nora.call("GetPerson", handle=omar_id))["person"] == profile
        with pytest.raises(Refused) as refused:
            await nora.call("GetChannel", personId=omar_id)
        assert (refused.value.code, refused.value.reason) == ("NOT_FOUND", "CHANNEL_NOT_FOUND")

        # "Select Request to be Friends"
        asked = (await nora.call("SendFriendRequest", personId=omar_id, note="From ward 3."))[
            "friendRequest"
        ]
        assert (asked["requesterId"], asked["addresseeId"]) == (nora_id, omar_id)
        received = (await omar_sees.next("requestReceived"))["friendRequest"]
        assert received["note"] == "From ward 3."
        assert received["requestId"] == asked["requestId"]
        await nora_sees.next("requestSent")

        # "your request will be pending response. You can cancel your request"
        sent = (await nora.call("ListFriendRequests", box="REQUEST_BOX_SENT"))["friendRequests"]
        assert [request["requestId"] for request in sent] == [asked["requestId"]]
        assert sent[0]["state"] == "FRIEND_REQUEST_STATE_PENDING"
        cancelled = await nora.call("CancelFriendRequest", requestId=asked["requestId"])
        assert cancelled["friendRequest"]["state"] == "FRIEND_REQUEST_STATE_CANCELLED"
        await omar_sees.next("requestCancelled")
        await nora_sees.next("requestCancelled")
        assert "friendRequests" not in await nora.call("ListFriendRequests", box="REQUEST_BOX_SENT")
        with pytest.raises(Refused) as refused:
            await omar.call("AcceptFriendRequest", requestId=asked["requestId"])
        assert refused.value.code == "FAILED_PRECONDITION"
        assert refused.value.reason == "REQUEST_NOT_PENDING"

        # "Your new friend can accept or ignore your invitation"
        again = (await nora.call("SendFriendRequest", personId=omar_id))["friendRequest"]
        assert again["requestId"] != asked["requestId"]
        await nora_sees.next("requestSent")
        await omar_sees.next("requestReceived")
        inbox = await omar.call("ListFriendRequests", box="REQUEST_BOX_RECEIVED")
        waiting = inbox["friendRequests"][0]
        assert waiting["person"]["displayName"] == "Nora Lind"
        accepted = await omar.call("AcceptFriendRequest", requestId=waiting["requestId"])
        assert accepted["friendRequest"]["state"] == "FRIEND_REQUEST_STATE_ACCEPTED"

        # "If the person accepts, their name will appear in Home > Direct Messages"
        for stream in (nora_sees, omar_sees):
            told = await stream.next("requestAccepted")
            assert told["friendRequest"]["requestId"] == again["requestId"]
        opened = (await nora_reads.next("channelOpened"))["channel"]
        assert (await omar_reads.next("channelOpened"))["channel"]["friendId"] == nora_id
        channel_id = opened["channelId"]
        direct_messages = (await nora.call("ListChannels"))["channels"]
        assert [(c["channelId"], c["friendId"], c["state"]) for c in direct_messages] == [
            (channel_id, omar_id, "CHANNEL_STATE_OPEN")
        ]

        # "Contacts with a paper airplane are your friends"
        friends = (await nora.call("ListFriends"))["friends"]
        assert [(friend["personId"], friend["canMessage"]) for friend in friends] == [
            (omar_id, True)
        ]
        seen = (await omar.call("GetPerson", personId=nora_id))["person"]
        assert (seen["relationship"], seen["canMessage"]) == ("RELATIONSHIP_FRIENDS", True)

        # "Write the message of your choice and add necessary content"
        send = {"channelId": channel_id, "clientMessageId": "first", "text": "Lunch at 12? 🥪"}
        message = (await nora.call("SendMessage", **send))["message"]
        assert (message["seq"], message["senderId"]) == ("1", nora_id)
        assert (await nora.call("SendMessage", **send))["message"] == message
        for stream in (nora_reads, omar_reads):
            assert (await stream.next("messageSent"))["message"] == message
        answer = (await omar.call("SendMessage", channelId=channel_id, text="Gern.\nZwölf."))[
            "message"
        ]
        for stream in (nora_reads, omar_reads):
            assert (await stream.next("messageSent"))["message"] == answer
        await omar.call("SendTyping", channelId=channel_id)
        assert await nora_reads.next("typing") == {"channelId": channel_id, "personId": omar_id}

        # unread, and read
        channel = (await nora.call("ListChannels"))["channels"][0]
        assert (channel["unreadCount"], channel["lastSeq"]) == (1, "2")
        assert channel["lastMessage"] == answer
        channel = (await nora.call("MarkRead", channelId=channel_id, seq="2"))["channel"]
        assert "unreadCount" not in channel
        assert channel["readSeq"] == "2"
        read = {"channelId": channel_id, "personId": nora_id, "seq": "2"}
        assert await omar_reads.next("read") == read
        assert await nora_reads.next("read") == read
        channel = (await omar.call("GetChannel", personId=nora_id))["channel"]
        assert (channel["friendReadSeq"], channel["unreadCount"]) == ("2", 1)

        # edited and deleted, for both
        place = {"channelId": channel_id, "seq": "1"}
        edited = (await nora.call("EditMessage", **place, text="Lunch at 13?"))["message"]
        assert (edited["text"], "editTime" in edited) == ("Lunch at 13?", True)
        assert (await omar_reads.next("messageEdited"))["message"] == edited
        with pytest.raises(Refused) as refused:
            await omar.call("EditMessage", **place, text="Never.")
        assert (refused.value.code, refused.value.reason) == ("PERMISSION_DENIED", "NOT_THE_SENDER")
        deleted = (await nora.call("DeleteMessage", **place))["message"]
        assert ("text" in deleted, "deleteTime" in deleted) == (False, True)
        assert (await omar_reads.next("messageDeleted"))["message"] == deleted
        await nora_reads.next("messageEdited")
        await nora_reads.next("messageDeleted")

        # "Currently it is impossible to close the channel. This will be corrected soon"
        assert await omar.call("RemoveFriend", personId=nora_id) == {}
        for stream, other in ((nora_sees, omar_id), (omar_sees, nora_id)):
            assert await stream.next("friendRemoved") == {"personId": other}
        for stream in (nora_reads, omar_reads):
            closed = (await stream.next("channelClosed"))["channel"]
            assert (closed["channelId"], closed["state"]) == (channel_id, "CHANNEL_STATE_CLOSED")
        for person in (nora, omar):
            for method, request in (
                ("SendMessage", {"text": "Still there?"}),
                ("SendTyping", {}),
            ):
                with pytest.raises(Refused) as refused:
                    await person.call(method, channelId=channel_id, **request)
                assert refused.value.code == "PERMISSION_DENIED"
                assert refused.value.reason == "CHANNEL_CLOSED"
        assert (await nora.call("SendMessage", **send))["message"] == deleted
        for person in (nora, omar):
            history = (await person.call("ListMessages", channelId=channel_id))["messages"]
            assert history == [answer, deleted]
        assert "friends" not in await nora.call("ListFriends")
        seen = (await nora.call("GetPerson", personId=omar_id))["person"]
        assert (seen["relationship"], "canMessage" in seen) == ("RELATIONSHIP_NONE", False)

        # friends again: the same channel, with its history
        request = (await omar.call("SendFriendRequest", personId=nora_id))["friendRequest"]
        await nora.call("AcceptFriendRequest", requestId=request["requestId"])
        for stream in (nora_reads, omar_reads):
            assert (await stream.next("channelOpened"))["channel"]["channelId"] == channel_id
        third = await omar.call("SendMessage", channelId=channel_id, text="There again.")
        assert third["message"]["seq"] == "3"
        for stream in (nora_reads, omar_reads):
            assert (await stream.next("messageSent"))["message"] == third["message"]
        forward = await nora.call("ListMessages", channelId=channel_id, afterSeq="0")
        assert [message["seq"] for message in forward["messages"]] == ["1", "2", "3"]

        # Whoever was away watches from where they were, and misses nothing.
        cursor = nora_reads.cursor
    await omar.call("SendMessage", channelId=channel_id, text="While you were away.")
    async with watching(nora, "WatchMessages", afterCursor=cursor) as nora_reads:
        missed = (await nora_reads.next("messageSent"))["message"]
        assert missed["text"] == "While you were away."
        assert await nora_reads.until_caught_up() == []
