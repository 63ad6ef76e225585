"""The command `paperplane`: each command parses, calls and shows, and does nothing else."""

from __future__ import annotations

import sys
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer
from google.protobuf.field_mask_pb2 import FieldMask
from rich.text import Text

from cli.chat import chat_with
from cli.client import new_message_id
from cli.errors import Misused
from cli.invocation import Invocation, command
from cli.output import print_json
from cli.rendering import (
    channels_table,
    handle,
    history,
    message_line,
    people_table,
    person_card,
    request_line,
    requests_table,
)
from cli.screens import JsonScreen, LineScreen, Screen
from cli.signing_in import sign_in_as
from cli.tokens import development_token
from paperplane.friendship.v1 import friendship_pb2 as friendship
from paperplane.messaging.v1 import messaging_pb2 as messaging

app = typer.Typer(
    name="paperplane",
    help="Direct messages between friends.\n\nA PERSON is a handle (alice or @alice) or an id "
    "(id:...).\n\nExit codes: 0 done; 1 the server refused; 2 the command line makes no sense, or "
    "nobody is signed in; 3 the server can't be reached or can't answer now; 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    # A traceback with the values of variables could show a token.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Person = Annotated[str, typer.Argument(metavar="PERSON", help="A handle, or id:...")]
RequestOrPerson = Annotated[
    str, typer.Argument(metavar="PERSON", help="A handle, id:..., or a friend request's id.")
]
Limit = Annotated[int, typer.Option("--limit", min=1, help="How many to list at most.")]
Seq = Annotated[int, typer.Argument(min=1, metavar="NUMBER", help="The message's number.")]


class Box(StrEnum):
    """Which requests to list."""

    RECEIVED = "received"
    SENT = "sent"
    IGNORED = "ignored"


# ---- who calls ---------------------------------------------------------------------------------


@command(app)
async def token(
    call: Invocation, person_id: Annotated[str, typer.Argument(metavar="PERSON_ID")]
) -> None:
    """Print a token for a person's id (development only)."""
    found = await development_token(call.http_address(), person_id)
    if call.as_json:
        print_json({"token": found})
    else:
        sys.stdout.write(f"{found}\n")


async def sign_in(
    call: Invocation,
    person_id: Annotated[str | None, typer.Argument(metavar="PERSON_ID")] = None,
    source: Annotated[
        str | None,
        typer.Option("--token", metavar="-", help="Read a token from standard input."),
    ] = None,
    new_handle: Annotated[
        str, typer.Option("--handle", help="For a new profile: 3 to 30 of a-z, 0-9, _.")
    ] = "",
    name: Annotated[str, typer.Option("--name", help="For a new profile: the name to show.")] = "",
    headline: Annotated[
        str, typer.Option("--headline", help="For a new profile: a line about yourself.")
    ] = "",
) -> None:
    """Sign in, and create your profile if you have none.

    In development a token is had for the asking; elsewhere, pass one in with --token -.
    """
    wanted = friendship.CreatePersonRequest(handle=new_handle, display_name=name, headline=headline)
    person, is_known = await sign_in_as(call, person_id, source, wanted)
    call.show(
        friendship.GetPersonResponse(person=person),
        lambda it: Text(f"Signed in as {handle(it.person)}."),
    )
    if not person.handle:
        call.note(
            "You have no profile yet. Create it by signing in with: "
            '--handle HANDLE --name "Your Name"'
        )
    elif is_known and (new_handle or name or headline):
        call.note("You have a profile already. Change it with: paperplane profile")


command(app, "sign-in")(sign_in)
command(app, "login", hidden=True)(sign_in)


@command(app, "sign-out")
async def sign_out(call: Invocation) -> None:
    """Forget the token of whoever calls."""
    signed_in = call.sign_ins.find(call.as_person)
    call.sign_ins.forget(signed_in.person_id)
    call.show(
        friendship.GetPersonResponse(person=friendship.Person(person_id=signed_in.person_id)),
        lambda _: Text("Signed out."),
    )


@command(app)
async def profile(
    call: Invocation,
    new_handle: Annotated[str | None, typer.Option("--handle")] = None,
    name: Annotated[str | None, typer.Option("--name")] = None,
    headline: Annotated[str | None, typer.Option("--headline")] = None,
) -> None:
    """Change your handle, name or headline."""
    wanted, mask = friendship.Person(), FieldMask()
    for field, value in (("handle", new_handle), ("display_name", name), ("headline", headline)):
        if value is not None:
            setattr(wanted, field, value)
            mask.paths.append(field)
    if not mask.paths:
        raise Misused("Say what to change: --handle, --name or --headline.")
    request = friendship.UpdatePersonRequest(person=wanted, update_mask=mask)
    async with call.client() as client:
        updated = await client.call(client.people.UpdatePerson, request)
    call.show(updated, lambda it: person_card(it.person))


# ---- people ------------------------------------------------------------------------------------


@command(app)
async def find(call: Invocation, query: list[str], limit: Limit = 20) -> None:
    """Find people by handle or name."""
    request = friendship.SearchPeopleRequest(query=" ".join(query))
    async with call.client() as client:
        found = await client.pages(client.people.SearchPeople, request, "people", limit)
    call.show(found, lambda it: people_table(it.people, "Nobody found."))


@command(app)
async def show(
    call: Invocation,
    person: Annotated[str | None, typer.Argument(metavar="[PERSON]", show_default=False)] = None,
) -> None:
    """Show a person, or yourself."""
    name = person or f"id:{call.sign_ins.find(call.as_person).person_id}"
    async with call.client() as client:
        found = friendship.GetPersonResponse(person=await client.person(name))
    call.show(found, lambda it: person_card(it.person))


@command(app)
async def friends(call: Invocation, limit: Limit = 1000) -> None:
    """List your friends."""
    async with call.client() as client:
        listed = await client.pages(
            client.friendships.ListFriends, friendship.ListFriendsRequest(), "friends", limit
        )
    call.show(listed, lambda it: people_table(it.friends, "No friends yet."))


@command(app)
async def remove(call: Invocation, person: Person) -> None:
    """End a friendship. Its channel closes at once, the history stays."""
    async with call.client() as client:
        whom = await client.person(person)
        done = await client.call(
            client.friendships.RemoveFriend,
            friendship.RemoveFriendRequest(person_id=whom.person_id),
        )
    call.show(done, lambda _: Text(f"You and {handle(whom)} are no friends; no message passes."))


@command(app)
async def block(call: Invocation, person: Person) -> None:
    """Block a person: ends the friendship and hides their requests. They are not told."""
    async with call.client() as client:
        whom = await client.person(person)
        done = await client.call(
            client.friendships.BlockPerson,
            friendship.BlockPersonRequest(person_id=whom.person_id),
        )
    call.show(done, lambda _: Text(f"{handle(whom)} is blocked."))


@command(app)
async def unblock(call: Invocation, person: Person) -> None:
    """End a block. Nothing comes back: no friendship, no request."""
    async with call.client() as client:
        whom = await client.person(person)
        done = await client.call(
            client.friendships.UnblockPerson,
            friendship.UnblockPersonRequest(person_id=whom.person_id),
        )
    call.show(done, lambda _: Text(f"{handle(whom)} is no longer blocked."))


@command(app)
async def blocked(call: Invocation, limit: Limit = 1000) -> None:
    """List whom you block."""
    request = friendship.ListBlockedPeopleRequest()
    async with call.client() as client:
        listed = await client.pages(client.friendships.ListBlockedPeople, request, "people", limit)
    call.show(listed, lambda it: people_table(it.people, "You block nobody."))


# ---- friend requests ---------------------------------------------------------------------------


@command(app)
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


@command(app)
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


@command(app)
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


@command(app)
async def ignore(call: Invocation, person: RequestOrPerson) -> None:
    """Put a person's request out of sight. They are not told."""
    async with call.client() as client:
        request_id = await client.request_id(person, friendship.REQUEST_BOX_RECEIVED)
        ignored = await client.call(
            client.friendships.IgnoreFriendRequest,
            friendship.IgnoreFriendRequestRequest(request_id=request_id),
        )
    call.show(ignored, lambda it: request_line(it.friend_request))


@command(app)
async def cancel(call: Invocation, person: RequestOrPerson) -> None:
    """Take back your request to a person."""
    async with call.client() as client:
        request_id = await client.request_id(person, friendship.REQUEST_BOX_SENT)
        cancelled = await client.call(
            client.friendships.CancelFriendRequest,
            friendship.CancelFriendRequestRequest(request_id=request_id),
        )
    call.show(cancelled, lambda it: request_line(it.friend_request))


# ---- messages ----------------------------------------------------------------------------------


@command(app)
async def channels(call: Invocation, limit: Limit = 50) -> None:
    """List your direct messages, the latest first."""
    async with call.client() as client:
        listed = await client.pages(
            client.messaging.ListChannels, messaging.ListChannelsRequest(), "channels", limit
        )
        friend_ids = [] if call.as_json else [each.friend_id for each in listed.channels]
        people = {each: await client.person(f"id:{each}") for each in friend_ids}
    call.show(listed, lambda it: channels_table(it.channels, people))


@command(app, "history")
async def show_history(call: Invocation, person: Person, limit: Limit = 50) -> None:
    """Show the latest messages with a person, oldest first, also of a closed channel."""
    async with call.client() as client:
        friend = await client.person(person)
        channel = await client.channel_with(friend)
        messages = await client.latest_messages(channel.channel_id, limit)
    call.show(
        messaging.ListMessagesResponse(messages=messages),
        lambda it: history(it.messages, friend, datetime.now().astimezone().date()),
    )


@command(app)
async def send(
    call: Invocation,
    person: Person,
    text: Annotated[
        str | None, typer.Argument(help="The text; left out or -, it is read from standard input.")
    ] = None,
) -> None:
    """Send a person one message."""
    content = sys.stdin.read().rstrip("\n") if text in (None, "-") else text
    async with call.client() as client:
        friend = await client.person(person)
        channel = await client.channel_with(friend)
        message = messaging.SendMessageRequest(
            channel_id=channel.channel_id, client_message_id=new_message_id(), text=content
        )
        sent = await client.call(client.messaging.SendMessage, message)
    call.show(sent, lambda it: message_line(it.message, friend))


@command(app)
async def edit(call: Invocation, person: Person, number: Seq, text: str) -> None:
    """Replace the text of a message of yours, for both."""
    async with call.client() as client:
        friend = await client.person(person)
        channel = await client.channel_with(friend)
        edited = await client.call(
            client.messaging.EditMessage,
            messaging.EditMessageRequest(channel_id=channel.channel_id, seq=number, text=text),
        )
    call.show(edited, lambda it: message_line(it.message, friend))


@command(app)
async def delete(call: Invocation, person: Person, number: Seq) -> None:
    """Delete a message of yours, for both."""
    async with call.client() as client:
        friend = await client.person(person)
        channel = await client.channel_with(friend)
        deleted = await client.call(
            client.messaging.DeleteMessage,
            messaging.DeleteMessageRequest(channel_id=channel.channel_id, seq=number),
        )
    call.show(deleted, lambda it: message_line(it.message, friend))


@command(app)
async def chat(
    call: Invocation,
    person: Person,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=1000, help="How much history to show at least.")
    ] = 20,
    wait: Annotated[
        float,
        typer.Option("--wait", min=0, help="How many seconds the end waits for unsent messages."),
    ] = 15.0,
) -> None:
    """Talk with a person, live.

    On a terminal, type /help for what else can be typed. With standard input or output elsewhere,
    each line that comes in is sent, each event is a line, and the end of the input ends the chat
    once everything is sent. With --json each event is a JSON document on a line.
    """
    async with call.client() as client:
        friend = await client.person(person)
        all_done = await chat_with(client, _screen(call), friend, limit, wait)
    if not all_done:
        # What was refused has been said, line by line.
        raise typer.Exit(1)


def _screen(call: Invocation) -> Screen:
    if call.as_json:
        return JsonScreen()
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return LineScreen()
    # Much to load, for what only this one needs.
    from cli.prompt import PromptScreen

    return PromptScreen()


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
