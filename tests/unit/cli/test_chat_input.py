"""A typed line means one thing."""

from __future__ import annotations

import pytest

from cli.chat_input import (
    Delete,
    Download,
    Edit,
    Help,
    Input,
    Quit,
    Send,
    SendFile,
    Unknown,
    parse,
)


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("", None),
        ("  \t", None),
        ("Hello", Send("Hello")),
        ("  two\nlines", Send("  two\nlines")),
        ("//etc", Send("/etc")),
        ("/quit", Quit()),
        ("/help", Help()),
        ("/edit New text", Edit(None, "New text")),
        ("/edit 3 apples", Edit(None, "3 apples")),
        ("/edit #12 New\ntext", Edit(12, "New\ntext")),
        ("/delete", Delete(None)),
        ("/delete #3", Delete(3)),
        ("/file notes.pdf", SendFile("notes.pdf", "")),
        ("/file ~/notes.pdf  It's here\nat last ", SendFile("~/notes.pdf", "It's here\nat last")),
        ("/file 'my notes.pdf' Here", SendFile("my notes.pdf", "Here")),
        ('/file "it\'s mine.pdf"', SendFile("it's mine.pdf", "")),
        (r"/file my\ notes.pdf Here", SendFile("my notes.pdf", "Here")),
        ("/download #12", Download(12)),
    ],
)
def test_a_line_is_understood(line: str, meaning: Input | None) -> None:
    assert parse(line) == meaning


@pytest.mark.parametrize(
    "line",
    [
        *("/edit", "/edit #3", "/delete 3", "/shrug", "/"),
        *("/file", "/file 'never ends", "/file ends\\", "/download", "/download 3"),
        *("/delete #99999999999999999999", "/download #99999999999999999999"),
    ],
)
def test_what_is_not_understood_is_never_sent(line: str) -> None:
    assert isinstance(parse(line), Unknown)
