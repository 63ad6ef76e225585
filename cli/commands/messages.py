"""Direct messages: reading, writing, and talking live."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group
from rich.text import Text

from cli.chat import chat_with
from cli.client import Client, new_message_id
from cli.commands.arguments import Limit, Person, Seq
from cli.downloads import attachments_of, check_folder, download_attachment
from cli.errors import CliError, Refused
from cli.invocation import Invocation, command
from cli.output import console, document, print_json
from cli.rendering import channels_table, closed_sentence, file_size, history, message_line
from cli.screens import JsonScreen, LineScreen, Screen
from cli.text import clean
from cli.uploads import LocalFile, local_files, upload_attachment
from paperplane.messaging.v1 import messaging_pb2 as messaging

commands = typer.Typer()


@command(commands)
async def channels(call: Invocation, limit: Limit = 50) -> None:
    """List your direct messages, the latest first."""
    async with call.client() as client:
        listed = await client.pages(
            client.messaging.ListChannels, messaging.ListChannelsRequest(), "channels", limit
        )
        friend_ids = [] if call.as_json else [each.friend_id for each in listed.channels]
        people = {each: await client.person(f"id:{each}") for each in friend_ids}
    call.show(listed, lambda it: channels_table(it.channels, people))


@command(commands, "history")
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


@command(commands)
async def send(
    call: Invocation,
    person: Person,
    text: Annotated[
        str | None,
        typer.Argument(
            help="The text; if it is -, or there is neither a text nor a file, it is read from "
            "standard input."
        ),
    ] = None,
    paths: Annotated[
        list[Path] | None,
        typer.Option("--file", metavar="PATH", help="A file to send with it; up to 10 times."),
    ] = None,
) -> None:
    """Send a person one message, with files if you like."""
    files = local_files(paths or [])
    is_piped = text == "-" or (text is None and not files)
    content = sys.stdin.read().rstrip("\n") if is_piped else text
    async with call.client() as client:
        friend = await client.person(person)
        channel = await client.channel_with(friend)
        if files and channel.state != messaging.CHANNEL_STATE_OPEN:
            raise Refused(closed_sentence(friend), "CHANNEL_CLOSED", "PERMISSION_DENIED")
        message = messaging.SendMessageRequest(
            channel_id=channel.channel_id,
            client_message_id=new_message_id(),
            text=content or "",
            attachment_ids=await _upload(call, client, files),
        )
        sent = await client.call(client.messaging.SendMessage, message)
    call.show(sent, lambda it: message_line(it.message, friend))


async def _upload(call: Invocation, client: Client, files: Sequence[LocalFile]) -> list[str]:
    """Upload files, and say that nothing was sent if it does not come to that."""
    nothing = "Nothing was sent, and nothing of what was uploaded is kept."
    try:
        with call.if_interrupted(nothing), call.progress() as progress:
            return [
                (await upload_attachment(client, file, progress)).attachment_id for file in files
            ]
    except CliError as error:
        error.notes = (*error.notes, nothing)
        raise


@command(commands)
async def download(
    call: Invocation,
    person: Person,
    number: Seq,
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Where to put them.")] = Path(),
    only: Annotated[
        int | None, typer.Option("--only", min=1, metavar="N", help="Only the N-th of them.")
    ] = None,
) -> None:
    """Download the files of a message. None is ever overwritten."""
    check_folder(to)
    saved: list[tuple[messaging.Attachment, Path]] = []
    async with call.client() as client:
        friend = await client.person(person)
        channel = await client.channel_with(friend)
        message = await client.message(channel.channel_id, number)
        chosen = attachments_of(message, only)
        try:
            with call.progress() as progress:
                for each in chosen:
                    saved.append((each, await download_attachment(client, each, to, progress)))
        finally:
            # What is here is here, even if the next one could not be had.
            _show_saved(call, saved)


def _show_saved(call: Invocation, saved: Sequence[tuple[messaging.Attachment, Path]]) -> None:
    if saved and call.as_json:
        files = [{"path": str(path), "attachment": document(each)} for each, path in saved]
        print_json({"files": files})
    elif saved:
        lines = [Text(f"{clean(str(path))}  {file_size(each)}") for each, path in saved]
        console().print(Group(*lines))


@command(commands)
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


@command(commands)
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


@command(commands)
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
