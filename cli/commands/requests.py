"""Friend requests: asking, and answering."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from cli.commands.arguments import Limit, Person
from cli.invocation import Invocation, command
from cli.rendering import request_line, requests_table
from paperplane.friendship.v1 import friendship_pb2 as friendship

commands = typer.Typer()

RequestOrPerson = Annotated[
    str, typer.Argument(metavar="PERSON", help="A handle, id:..., or a friend request's id.")
]


class Box(StrEnum):
    """Which requests to list."""

    RECEIVED = "received"
    SENT = "sent"
    IGNORED = "ignored"


@command(commands)
async def request(
    call: Invocation,
    person: Person,
    note: Annotated[str, typer.Option("--note", help="A word to go with it.")] = "",
) -> None:
    """Ask a person to be friends."""
    async with call.client() as client:
        whom = await client.person(person)
        sent = await client.call(
            client.friendships.SendFriendRequest,
            friendship.SendFriendRequestRequest(person_id=whom.person_id, note=note),
        )
    call.show(sent, lambda it: request_line(it.friend_request))


@command(commands)
async def requests(
    call: Invocation,
    box: Annotated[Box, typer.Option("--box", help="Which requests.")] = Box.RECEIVED,
    limit: Limit = 1000,
) -> None:
    """List pending friend requests."""
    which = friendship.RequestBox.Value(f"REQUEST_BOX_{box.name}")
    async with call.client() as client:
        listed = await client.friend_requests(which, limit)
    call.show(listed, lambda it: requests_table(it.friend_requests))


@command(commands)
async def accept(call: Invocation, person: RequestOrPerson) -> None:
    """Accept a person's request, an ignored one too."""
    async with call.client() as client:
        request_id = await client.request_id(
            person, friendship.REQUEST_BOX_RECEIVED, friendship.REQUEST_BOX_IGNORED
        )
        accepted = await client.call(
            client.friendships.AcceptFriendRequest,
            friendship.AcceptFriendRequestRequest(request_id=request_id),
        )
    call.show(accepted, lambda it: request_line(it.friend_request))


@command(commands)
async def ignore(call: Invocation, person: RequestOrPerson) -> None:
    """Put a person's request out of sight. They are not told."""
    async with call.client() as client:
        request_id = await client.request_id(person, friendship.REQUEST_BOX_RECEIVED)
        ignored = await client.call(
            client.friendships.IgnoreFriendRequest,
            friendship.IgnoreFriendRequestRequest(request_id=request_id),
        )
    call.show(ignored, lambda it: request_line(it.friend_request))


@command(commands)
async def cancel(call: Invocation, person: RequestOrPerson) -> None:
    """Take back your request to a person."""
    async with call.client() as client:
        request_id = await client.request_id(person, friendship.REQUEST_BOX_SENT)
        cancelled = await client.call(
            client.friendships.CancelFriendRequest,
            friendship.CancelFriendRequestRequest(request_id=request_id),
        )
    call.show(cancelled, lambda it: request_line(it.friend_request))
