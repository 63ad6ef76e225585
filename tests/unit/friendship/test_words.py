"""How names are folded into words."""

from __future__ import annotations

import pytest

from services.friendship.words import fold, name_words, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Zoë", "zoe"),
        ("ZOE\u0308", "zoe"),
        ("Łukasz Ørsted", "lukasz orsted"),
        ("STRASSE", "strasse"),
        ("straße", "strasse"),
        ("İstanbul", "istanbul"),
        ("ﬁnn", "finn"),
        ("Ἀθηνᾶ", "αθηνα"),
    ],
)
def test_folding_takes_case_and_diacritics_off(text: str, expected: str) -> None:
    assert fold(text) == expected
    assert fold(expected) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Jo O'Brien-Smith", ["jo", "o", "brien", "smith"]),
        ("anna_smith", ["anna_smith"]),
        ("  ...!  ", []),
        ("山田 太郎", ["山田", "太郎"]),
        ("हिन्दी", [fold("हिन्दी")]),
        ("42nd", ["42nd"]),
    ],
)
def test_words_end_where_letters_do(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_name_is_found_by_the_parts_between_underscores_too() -> None:
    assert name_words("Anna_Smith _x_") == {"anna_smith", "anna", "smith", "_x_", "x"}
