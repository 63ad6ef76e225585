"""Makes what others wrote safe to print: a terminal obeys some characters and shows them not."""

from __future__ import annotations

import re

# Whole escape sequences go first, so that no debris such as "[31m" stays behind. One that never
# ends loses only its introducer, below, and not the text behind it.
_SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movements
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # OSC, DCS and kin
    r"|\x1b[ -/]*[0-Z\\^-~]"  # two or three characters: resets, character sets
)
# C0 but for tab and newline, DEL, C1, and what turns the direction of the text around it. And what
# stands for bytes of a file's name that are no text, which no stream would take.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_LINE_BREAKS = re.compile("\r\n?|\x0b|\x0c|\x85|\u2028|\u2029")


def clean(text: str) -> str:
    """Return the text without terminal controls; tabs stay, line breaks become newlines."""
    return _CONTROLS.sub("", _LINE_BREAKS.sub("\n", _SEQUENCES.sub("", text)))


def one_line(text: str) -> str:
    """Return the text without terminal controls, on one line."""
    return " ".join(clean(text).split())
