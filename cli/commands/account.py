"""Who calls: signing in and out, and one's own profile."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf.field_mask_pb2 import FieldMask
from rich.text import Text

from cli.errors import Misused
from cli.invocation import Invocation, command
from cli.output import print_json
from cli.pictures import show_photo
from cli.rendering import handle, person_card
from cli.signing_in import sign_in_as
from cli.tokens import development_token
from cli.uploads import local_files, upload_photo
from paperplane.friendship.v1 import friendship_pb2 as friendship

commands = typer.Typer()


@command(commands)
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


command(commands, "sign-in")(sign_in)
command(commands, "login", hidden=True)(sign_in)


@command(commands, "sign-out")
async def sign_out(call: Invocation) -> None:
    """Forget the token of whoever calls."""
    signed_in = call.sign_ins.find(call.as_person)
    call.sign_ins.forget(signed_in.person_id)
    call.show(
        friendship.GetPersonResponse(person=friendship.Person(person_id=signed_in.person_id)),
        lambda _: Text("Signed out."),
    )


@command(commands)
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


@command(commands)
async def photo(
    call: Invocation,
    picture: Annotated[
        Path | None,
        typer.Argument(metavar="PATH", help="A JPEG, PNG or WebP picture.", show_default=False),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the one you have.")] = False,
) -> None:
    """Set your photo, or remove it. Everyone in the network can see it."""
    if (picture is None) is not remove:
        raise Misused("Name a picture, or say --remove.")
    files = local_files([picture] if picture else [])
    async with call.client() as client:
        if files:
            with call.if_interrupted("Your photo is as it was."), call.progress() as progress:
                person = await upload_photo(client, files[0], progress)
        else:
            request = friendship.DeletePhotoRequest()
            person = (await client.call(client.people.DeletePhoto, request)).person
        await show_photo(call, client, person)
    call.show(friendship.GetPersonResponse(person=person), lambda it: person_card(it.person))
