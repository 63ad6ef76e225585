"""What a line typed into a chat asks for: to send it or, after a slash, something else."""

from __future__ import annotations

import re
from dataclasses import dataclass

HELP = """\
/edit TEXT         replace your last message; /edit #12 TEXT replaces number 12
/delete            delete your last message; /delete #12 deletes number 12
/quit              leave, as Ctrl-D does
//TEXT             send a text that begins with a slash"""

_EDIT = re.compile(r"/edit\s+(?:#(\d+)\s+)?(?!#\d+\s*$)(\S.*)", re.DOTALL)
_DELETE = re.compile(r"/delete(?:\s+#(\d+))?\s*")


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message."""

    text: str


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the text of a message, the last one if `seq` is None."""

    seq: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a message, the last one if `seq` is None."""

    seq: int | None


@dataclass(frozen=True, slots=True)
class Help:
    """Say what can be typed."""


@dataclass(frozen=True, slots=True)
class Quit:
    """Leave."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """There is no such command; the sentence says what to do."""

    sentence: str


Input = Send | Edit | Delete | Help | Quit | Unknown


def parse(line: str) -> Input | None:
    """Return what a line asks for; None if it is blank."""
    if not line.strip():
        return None
    if not line.startswith("/"):
        return Send(line)
    if line.startswith("//"):
        return Send(line[1:])
    match line.split(maxsplit=1)[0]:
        case "/quit":
            return Quit()
        case "/help":
            return Help()
        case "/edit" if found := _EDIT.fullmatch(line):
            return Edit(_number(found), found[2])
        case "/delete" if found := _DELETE.fullmatch(line):
            return Delete(_number(found))
        case command:
            return Unknown(
                f"{command} can't be used like this. See /help; to send it as it is, type /{line}"
            )


def _number(found: re.Match[str]) -> int | None:
    return int(found[1]) if found[1] else None
