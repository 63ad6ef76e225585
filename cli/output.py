"""Writes to standard output and error: nothing in what is printed is ever obeyed or interpreted."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message as ProtoMessage
from rich.console import Console
from rich.text import Text

from cli.errors import CliError
from cli.text import clean


def console(stderr: bool = False) -> Console:
    """Return a console that interprets nothing in what it prints and cuts nothing off in a pipe."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(
        file=stream,
        markup=False,
        emoji=False,
        highlight=False,
        soft_wrap=not stream.isatty(),
        width=None if stream.isatty() else 500,
    )


def document(message: ProtoMessage) -> dict[str, Any]:
    """Return a message in protobuf's JSON mapping, with the fields that are 0, empty or false."""
    return MessageToDict(message, always_print_fields_with_no_presence=True)


def print_json(value: Mapping[str, Any], stderr: bool = False, indent: int | None = 2) -> None:
    """Print one JSON document; what is not ASCII is escaped, so that no terminal obeys it."""
    stream = sys.stderr if stderr else sys.stdout
    stream.write(json.dumps(value, indent=indent) + "\n")
    stream.flush()


def error_text(error: CliError) -> Text:
    """Render an error: its sentence, its reason, and what is wrong with which field."""
    text = Text.assemble((clean(error.sentence), "red"))
    if error.reason:
        text.append(f" ({error.reason})", "dim")
    for note in error.notes:
        text.append(f"\n  {clean(note)}")
    if error.code == "UNAUTHENTICATED":
        text.append("\n  Sign in again: paperplane sign-in")
    return text
