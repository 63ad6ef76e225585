"""The people of the play, and what each of them can do: the calls of the public contract."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from cli.client import Client, new_message_id
from cli.demo.stage import Log
from paperplane.friendship.v1 import friendship_pb2 as friendship
from paperplane.messaging.v1 import messaging_pb2 as messaging


class Actor:
    """One of the people of the play.

    Arguments:
        name: what they are called in it.
        person_id: the `sub` of their token.
        client: calls as them.
    """

    def __init__(self, name: str, person_id: str, client: Client) -> None:
        self.name = name
        self.person_id = person_id
        self.client = client
        self.friendships = Log(name)
        self.messages = Log(name)

    async def watch(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Follow both of this person's streams from now on, as a client does: list, then watch."""
        client = self.client
        friends = await client.call(
            client.friendships.ListFriends, friendship.ListFriendsRequest(page_size=1)
        )
        channels = await client.call(
            client.messaging.ListChannels, messaging.ListChannelsRequest(page_size=1)
        )
        started = [
            tasks.create_task(self.friendships.follow(self.watch_friendships(friends.cursor))),
            tasks.create_task(self.messages.follow(self.watch_messages(channels.cursor))),
        ]
        await self.friendships.find("caught_up")
        await self.messages.find("caught_up")
        return started

    def watch_friendships(
        self, cursor: str
    ) -> AsyncGenerator[friendship.WatchFriendshipsResponse, None]:
        """Begin a watch of friendships after a cursor."""
        request = friendship.WatchFriendshipsRequest(after_cursor=cursor)
        return self.client.stream(self.client.friendships.WatchFriendships, request)

    def watch_messages(self, cursor: str) -> AsyncGenerator[messaging.WatchMessagesResponse, None]:
        """Begin a watch of messages after a cursor."""
        request = messaging.WatchMessagesRequest(after_cursor=cursor)
        return self.client.stream(self.client.messaging.WatchMessages, request)

    async def enter(self, handle: str, display_name: str) -> friendship.Person:
        """Create this person's profile."""
        request = friendship.CreatePersonRequest(handle=handle, display_name=display_name)
        return (await self.client.call(self.client.people.CreatePerson, request)).person

    async def search(self, query: str) -> list[friendship.Person]:
        """Find people."""
        request = friendship.SearchPeopleRequest(query=query)
        found = await self.client.call(self.client.people.SearchPeople, request)
        return list(found.people)

    async def sees(self, other: Actor) -> tuple[str, bool]:
        """Return how this person stands to another, and whether a message can be sent."""
        person = await self.client.person(f"id:{other.person_id}")
        name = friendship.Relationship.Name(person.relationship)
        return name.removeprefix("RELATIONSHIP_"), person.can_message

    async def ask(self, other: Actor, note: str = "") -> friendship.FriendRequest:
        """Send a friend request."""
        request = friendship.SendFriendRequestRequest(person_id=other.person_id, note=note)
        sent = await self.client.call(self.client.friendships.SendFriendRequest, request)
        return sent.friend_request

    async def accept(self, request_id: str) -> friendship.FriendRequest:
        """Accept a friend request."""
        request = friendship.AcceptFriendRequestRequest(request_id=request_id)
        done = await self.client.call(self.client.friendships.AcceptFriendRequest, request)
        return done.friend_request

    async def ignore(self, request_id: str) -> friendship.FriendRequest:
        """Ignore a friend request."""
        request = friendship.IgnoreFriendRequestRequest(request_id=request_id)
        done = await self.client.call(self.client.friendships.IgnoreFriendRequest, request)
        return done.friend_request

    async def cancel(self, request_id: str) -> friendship.FriendRequest:
        """Take back a friend request."""
        request = friendship.CancelFriendRequestRequest(request_id=request_id)
        done = await self.client.call(self.client.friendships.CancelFriendRequest, request)
        return done.friend_request

    async def box(self, box: friendship.RequestBox.ValueType, other: Actor) -> list[str]:
        """Return the ids of the requests of a box that are with one person."""
        listed = await self.client.friend_requests(box, limit=1000)
        return [
            each.request_id
            for each in listed.friend_requests
            if other.person_id in (each.requester_id, each.addressee_id)
        ]

    async def remove(self, other: Actor) -> None:
        """End a friendship."""
        request = friendship.RemoveFriendRequest(person_id=other.person_id)
        await self.client.call(self.client.friendships.RemoveFriend, request)

    async def block(self, other: Actor) -> None:
        """Block a person."""
        request = friendship.BlockPersonRequest(person_id=other.person_id)
        await self.client.call(self.client.friendships.BlockPerson, request)

    async def unblock(self, other: Actor) -> None:
        """End a block."""
        request = friendship.UnblockPersonRequest(person_id=other.person_id)
        await self.client.call(self.client.friendships.UnblockPerson, request)

    async def blocked_ids(self) -> list[str]:
        """Return the ids of those whom this person blocks."""
        request = friendship.ListBlockedPeopleRequest()
        method = self.client.friendships.ListBlockedPeople
        return [each.person_id for each in (await self.client.call(method, request)).people]

    async def channel(self, other: Actor) -> messaging.Channel:
        """Return the channel with a person."""
        request = messaging.GetChannelRequest(person_id=other.person_id)
        return (await self.client.call(self.client.messaging.GetChannel, request)).channel

    async def channel_friends(self) -> list[str]:
        """Return with whom this person has channels."""
        listed = await self.client.pages(
            self.client.messaging.ListChannels, messaging.ListChannelsRequest(), "channels", 10_000
        )
        return [each.friend_id for each in listed.channels]

    async def send(
        self, channel_id: str, text: str, client_message_id: str = ""
    ) -> messaging.Message:
        """Send a message."""
        request = messaging.SendMessageRequest(
            channel_id=channel_id,
            client_message_id=client_message_id or new_message_id(),
            text=text,
        )
        return (await self.client.call(self.client.messaging.SendMessage, request)).message

    async def edit(self, channel_id: str, seq: int, text: str) -> messaging.Message:
        """Replace a message's text."""
        request = messaging.EditMessageRequest(channel_id=channel_id, seq=seq, text=text)
        return (await self.client.call(self.client.messaging.EditMessage, request)).message

    async def delete(self, channel_id: str, seq: int) -> messaging.Message:
        """Delete a message."""
        request = messaging.DeleteMessageRequest(channel_id=channel_id, seq=seq)
        return (await self.client.call(self.client.messaging.DeleteMessage, request)).message

    async def mark_read(self, channel_id: str, seq: int) -> messaging.Channel:
        """Mark a channel as read."""
        request = messaging.MarkReadRequest(channel_id=channel_id, seq=seq)
        return (await self.client.call(self.client.messaging.MarkRead, request)).channel

    async def type(self, channel_id: str) -> None:
        """Show that this person is typing."""
        request = messaging.SendTypingRequest(channel_id=channel_id)
        await self.client.call(self.client.messaging.SendTyping, request)

    async def texts(self, channel_id: str) -> list[str]:
        """Return the texts of a channel, oldest first."""
        return [each.text for each in await self.client.latest_messages(channel_id, 1000)]
