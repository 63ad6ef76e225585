"""The people of the network: finding and seeing them, and ending friendships."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from cli.commands.arguments import MOST_SEQ, Limit, Person
from cli.invocation import Invocation, command
from cli.pictures import show_photo, show_previews
from cli.rendering import handle, message_line, people_table, person_card
from paperplane.friendship.v1 import friendship_pb2 as friendship
from paperplane.messaging.v1 import messaging_pb2 as messaging

commands = typer.Typer()


@command(commands)
async def find(call: Invocation, query: list[str], limit: Limit = 20) -> None:
    """Find people by handle or name."""
    request = friendship.SearchPeopleRequest(query=" ".join(query))
    async with call.client() as client:
        found = await client.pages(client.people.SearchPeople, request, "people", limit)
    call.show(found, lambda it: people_table(it.people, "Nobody found."))


@command(commands)
async def show(
    call: Invocation,
    person: Annotated[str | None, typer.Argument(metavar="PERSON", show_default=False)] = None,
    number: Annotated[
        int | None, typer.Argument(min=1, max=MOST_SEQ, metavar="NUMBER", show_default=False)
    ] = None,
) -> None:
    """Show a person, or yourself; with a message's NUMBER, that message and its pictures.

    Photos and pictures are shown where the terminal can.
    """
    name = person or f"id:{call.sign_ins.find(call.as_person).person_id}"
    async with call.client() as client:
        found = await client.person(name)
        if number is None:
            await show_photo(call, client, found)
            shown = friendship.GetPersonResponse(person=found)
            call.show(shown, lambda it: person_card(it.person))
        else:
            channel = await client.channel_with(found)
            message = await client.message(channel.channel_id, number)
            call.show(
                messaging.SendMessageResponse(message=message),
                lambda it: message_line(it.message, found),
            )
            await show_previews(call, client, message)


@command(commands)
async def friends(call: Invocation, limit: Limit = 1000) -> None:
    """List your friends."""
    async with call.client() as client:
        listed = await client.pages(
            client.friendships.ListFriends, friendship.ListFriendsRequest(), "friends", limit
        )
    call.show(listed, lambda it: people_table(it.friends, "No friends yet."))


@command(commands)
async def remove(call: Invocation, person: Person) -> None:
    """End a friendship. Its channel closes at once, the history stays."""
    async with call.client() as client:
        whom = await client.person(person)
        done = await client.call(
            client.friendships.RemoveFriend,
            friendship.RemoveFriendRequest(person_id=whom.person_id),
        )
    call.show(done, lambda _: Text(f"You and {handle(whom)} are no friends; no message passes."))


@command(commands)
async def block(call: Invocation, person: Person) -> None:
    """Block a person: ends the friendship and hides their requests. They are not told."""
    async with call.client() as client:
        whom = await client.person(person)
        done = await client.call(
            client.friendships.BlockPerson,
            friendship.BlockPersonRequest(person_id=whom.person_id),
        )
    call.show(done, lambda _: Text(f"{handle(whom)} is blocked."))


@command(commands)
async def unblock(call: Invocation, person: Person) -> None:
    """End a block. Nothing comes back: no friendship, no request."""
    async with call.client() as client:
        whom = await client.person(person)
        done = await client.call(
            client.friendships.UnblockPerson,
            friendship.UnblockPersonRequest(person_id=whom.person_id),
        )
    call.show(done, lambda _: Text(f"{handle(whom)} is no longer blocked."))


@command(commands)
async def blocked(call: Invocation, limit: Limit = 1000) -> None:
    """List whom you block."""
    request = friendship.ListBlockedPeopleRequest()
    async with call.client() as client:
        listed = await client.pages(client.friendships.ListBlockedPeople, request, "people", limit)
    call.show(listed, lambda it: people_table(it.people, "You block nobody."))
