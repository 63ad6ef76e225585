"""Whatever a sender calls a file, its name here is harmless."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.downloads import safe_name


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("photo.jpg", "photo.jpg"),
        ("Übung 3 – Lösung.pdf", "Übung 3 – Lösung.pdf"),  # noqa: RUF001 - as people write
        ("archive.tar.gz", "archive.tar.gz"),
        ("no-suffix", "no-suffix"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("../..", "file"),
        ("", "file"),
        ("\x00\x1b[2J", "file"),
        (".bashrc", "bashrc"),
        ("-rf", "rf"),
        ("~/x", "x"),
        ("~root", "root"),
        ("evil\u202egnp.exe", "evilgnp.exe"),
        ("two\nlines.txt", "two lines.txt"),
        ("a.txt:stream", "a.txt_stream"),
        ('<>:"|?*', "_______"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("console.txt", "console.txt"),
        ("ends in dots. .", "ends in dots"),
        (f"{'x' * 300}.pdf", f"{'x' * 196}.pdf"),
        (f"{'é' * 300}.pdf", f"{'é' * 98}.pdf"),
        (f"x.{'y' * 300}", f"x.{'y' * 198}"),
    ],
)
def test_a_name_is_made_safe(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(st.text(st.sampled_from("./\\-~:\x00\x1b[]m\n \u202e\u2028con.exeé😀" * 2), max_size=400))
def test_no_name_leads_elsewhere_or_is_obeyed(name: str) -> None:
    folder = Path("/somewhere")
    safe = safe_name(name)
    assert (folder / safe).resolve().parent == folder
    assert safe[0] not in "-.~ "
    assert 0 < len(safe.encode()) <= 200
    assert not {each for each in safe if unicodedata.category(each) in ("Cc", "Zl", "Zp")}
