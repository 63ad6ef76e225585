"""Shows photos and pictures in a terminal, the best way that it has: kitty's, sixels, half blocks."""

from __future__ import annotations

import io
import logging
import os
import sys
from contextlib import aclosing
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from cli.errors import CliError
from cli.output import console
from cli.rendering import attachment_label
from paperplane.friendship.v1 import friendship_pb2 as friendship
from paperplane.messaging.v1 import attachments_pb2 as attachments

if TYPE_CHECKING:
    from cli.client import Client
    from cli.invocation import Invocation
    from paperplane.messaging.v1 import messaging_pb2 as messaging

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
_MOST_PIXELS = 4_000_000
_MOST_BYTES = 8_000_000
"""Photos and previews have far less of either."""


async def show_photo(call: Invocation, client: Client, person: friendship.Person) -> None:
    """Show a person's photo, if they have one and it can be shown here."""
    if not person.photo_id or not _can_show(call):
        return
    request = friendship.GetPhotoRequest(photo_id=person.photo_id, size=friendship.PHOTO_SIZE_LARGE)
    try:
        photo = await client.call(client.people.GetPhoto, request)
    except CliError as error:
        # What else is known of the person is worth showing without it.
        call.note(f"The photo can't be had now. {error.sentence}")
    else:
        _show(call, photo.content, columns=24, rows=12)


async def show_previews(call: Invocation, client: Client, message: messaging.Message) -> None:
    """Show the pictures of a message, if there are any and they can be shown here."""
    if not _can_show(call):
        return
    for attachment in message.attachments:
        if attachment.has_preview:
            content = await _preview(client, attachment)
            console().print(Text(attachment_label(attachment), "dim"))
            _show(call, content, columns=80, rows=24)


async def _preview(client: Client, attachment: messaging.Attachment) -> bytes:
    request = attachments.DownloadAttachmentRequest(
        attachment_id=attachment.attachment_id, preview=True
    )
    content = bytearray()
    responses = client.stream(client.attachments.DownloadAttachment, request)
    async with aclosing(responses):
        async for response in responses:
            content += response.chunk
            if len(content) > _MOST_BYTES:
                break
    return bytes(content)


def _can_show(call: Invocation) -> bool:
    """Whether someone sits at a terminal that has colours, and wants them."""
    # The terminal is asked what it can show, and its answer comes by standard input.
    if call.as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    terminal = console()
    # A terminal that no window shows may have no size.
    has_size = min(os.get_terminal_size(sys.stdout.fileno())) > 0
    return has_size and terminal.color_system is not None and not terminal.no_color


def _show(call: Invocation, content: bytes, columns: int, rows: int) -> None:
    """Show a picture within so many columns and rows of the terminal."""
    # A terminal that does not answer gets half blocks, and nobody needs to be told.
    logging.getLogger("textual_image").addHandler(logging.NullHandler())
    try:
        from PIL import Image

        # Asks the terminal, hence only here.
        from textual_image.renderable import Image as Picture
        from textual_image.renderable import TGPImage

        with Image.open(io.BytesIO(content), formats=_FORMATS) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                raise ValueError("more than any preview has")
            picture = Picture(opened.convert("RGB"), width="auto", height="auto")
        # Kitty finds the picture by the exact colours of the cells that stand for it.
        terminal = Console(color_system="truecolor" if Picture is TGPImage else "auto")
        terminal.print(picture, width=columns, height=min(rows, terminal.height - 2))
    except (OSError, SyntaxError, ValueError):
        # It is damaged, or the terminal's answer got mixed up with what was typed meanwhile.
        call.note("The picture can't be shown.")
