"""Signs a person in: gets their token, checks it by a call, and creates their profile if wanted."""

from __future__ import annotations

import sys
from dataclasses import replace

import typer

from cli.client import Client
from cli.errors import CliError, Misused
from cli.invocation import Invocation
from cli.sign_ins import SignIn
from cli.tokens import claims, development_token
from paperplane.friendship.v1 import friendship_pb2 as friendship


async def sign_in_as(
    call: Invocation,
    person_id: str | None,
    source: str | None,
    wanted: friendship.CreatePersonRequest,
) -> tuple[friendship.Person, bool]:
    """Sign a person in and remember them.

    Arguments:
        call: the command.
        person_id: who; may be left out if a token is passed in.
        source: "-" to read a token from standard input, None to ask a development system.
        wanted: the profile to create; without a handle, whoever sits at the terminal is asked.

    Returns:
        The person, without a handle if they have no profile yet, and whether they had one before.

    Raises:
        CliError: they can't be signed in; nothing is remembered.
    """
    signed_in = await _new_sign_in(call, person_id, source)
    async with call.client(signed_in) as client:
        known = await _own_profile(client, signed_in.person_id)
        person = known or await _create_profile(client, signed_in.person_id, wanted)
    call.sign_ins.save(replace(signed_in, handle=person.handle))
    call.sign_ins.choose(signed_in.person_id)
    return person, known is not None


async def _new_sign_in(call: Invocation, person_id: str | None, source: str | None) -> SignIn:
    server, http = call.server or "", call.http or ""
    if source is None:
        if person_id is None:
            raise Misused("Say who you are: paperplane sign-in PERSON_ID, or pass --token -")
        found = await development_token(call.http_address(), person_id)
        return SignIn(person_id, found, development=True, server=server, http=http)
    if source != "-":
        raise Misused("Others can see a command line; pass the token through a pipe: --token -")
    found = sys.stdin.readline().strip()
    subject: str = claims(found)["sub"]
    if person_id not in (None, subject):
        raise Misused(f"The token is for another person than {person_id}.", "NOT_YOUR_TOKEN")
    return SignIn(subject, found, development=False, server=server, http=http)


async def _own_profile(client: Client, person_id: str) -> friendship.Person | None:
    try:
        return await client.person(f"id:{person_id}")
    except CliError as error:
        if error.reason != "PERSON_NOT_FOUND":
            raise
        return None


async def _create_profile(
    client: Client, person_id: str, wanted: friendship.CreatePersonRequest
) -> friendship.Person:
    """Create a profile, asking for what is missing; without anyone to ask, do without one."""
    handle, name = wanted.handle, wanted.display_name
    if sys.stdin.isatty():
        handle = handle or typer.prompt("Handle", default=person_id, err=True)
        name = name or typer.prompt("Name to show", default=handle, err=True)
    if not handle:
        return friendship.Person(person_id=person_id)
    request = friendship.CreatePersonRequest(
        handle=handle, display_name=name or handle, headline=wanted.headline
    )
    return (await client.call(client.people.CreatePerson, request)).person
