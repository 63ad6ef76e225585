"""What a line typed into a chat asks for: to send it or, after a slash, something else."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

HELP = """\
/edit TEXT         replace your last message; /edit #12 TEXT replaces number 12
/delete            delete your last message; /delete #12 deletes number 12
/file PATH TEXT    send a file, with a text or without; a path with blanks stands in quotes
/download #12      download the files of number 12 into the folder you are in
/quit              leave, as Ctrl-D does
//TEXT             send a text that begins with a slash"""

# No channel has a message whose number is longer, and no request could carry it.
_NUMBER = r"#(\d{1,15})"
_EDIT = re.compile(rf"/edit\s+(?:{_NUMBER}\s+)?(?!#\d+\s*$)(\S.*)", re.DOTALL)
_DELETE = re.compile(rf"/delete(?:\s+{_NUMBER})?\s*")
_DOWNLOAD = re.compile(rf"/download\s+{_NUMBER}\s*")
# A path as a shell takes it, which is how terminals write the name of a file dropped on them.
_FILE = re.compile(r"""/file\s+((?:[^\s"'\\]|\\.|"[^"]*"|'[^']*')+)(?:\s+(.*))?""", re.DOTALL)


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
class SendFile:
    """Send a file with a text, which may be empty."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Download:
    """Download the files of a message."""

    seq: int


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


Input = Send | Edit | Delete | SendFile | Download | Help | Quit | Unknown


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
        case "/file" if found := _FILE.fullmatch(line):
            return SendFile("".join(shlex.split(found[1])), (found[2] or "").strip())
        case "/download" if found := _DOWNLOAD.fullmatch(line):
            return Download(int(found[1]))
        case command:
            return Unknown(
                f"{command} can't be used like this. See /help; to send it as it is, type /{line}"
            )


def _number(found: re.Match[str]) -> int | None:
    return int(found[1]) if found[1] else None
