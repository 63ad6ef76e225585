"""What other people write never reaches the terminal as anything but text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.text import clean, one_line


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[Hgone", "gone"),
        ("\x1b]0;new title\x07hello", "hello"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bP+q544e\x1b\\after", "after"),
        ("\x9b31mred", "red"),
        ("\x1bcreset", "reset"),
        ("\x1b(0lines", "lines"),
        ("bell\x07 back\x08space del\x7f", "bell backspace del"),
        ("a\x1b]never ends", "a]never ends"),
        ("\x1b\x1b[31m[31m", "[31m"),
        ("right\u202eleft", "rightleft"),
        ("one\rtwo\r\nthree\u2028four", "one\ntwo\nthree\nfour"),
        ("tab\tstays", "tab\tstays"),
        ("no \udce9 text", "no  text"),
        ("[bold]markup[/bold] :smile:", "[bold]markup[/bold] :smile:"),
        ("Chloé 👩‍⚕️ 日本", "Chloé 👩‍⚕️ 日本"),
    ],
)
def test_controls_are_removed_and_text_stays(hostile: str, shown: str) -> None:
    assert clean(hostile) == shown


@given(st.text(st.sampled_from("\x1b\x9b\x07\\[]()0123;mPX^_ab \n\t\x00\x7f\x85\u202e")))
def test_no_control_survives_whatever_the_mixture(hostile: str) -> None:
    controls = {each for each in clean(hostile) if unicodedata.category(each) == "Cc"}
    assert controls <= {"\n", "\t"}


def test_a_name_can_not_break_its_line() -> None:
    assert one_line("Bob\nalice: hi\t\x1b[1A") == "Bob alice: hi"
