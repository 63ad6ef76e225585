"""How names are folded into words, so that "zoe" finds "Zoë" and "lukasz" finds "Łukasz"."""

from __future__ import annotations

import unicodedata

# Letters that bear their mark within, so that no normal form takes it off.
_STROKES = str.maketrans(
    {
        "ł": "l",
        "ø": "o",
        "đ": "d",
        "ħ": "h",
        "ŧ": "t",
        "\N{LATIN SMALL LETTER DOTLESS I}": "i",
        "æ": "ae",
        "œ": "oe",
        "ð": "d",
        "þ": "th",
    }
)


def fold(text: str) -> str:
    """Return a text without regard to case and diacritics."""
    # Case folding can bring forth marks anew, as with "İ".
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    bare = "".join(char for char in plain if not unicodedata.combining(char))
    return bare.translate(_STROKES)


def words(text: str) -> list[str]:
    """Return the folded words of a text, in order. The underscore is a letter, as in handles."""
    return "".join(char if _is_letter(char) else " " for char in fold(text)).split()


def name_words(name: str) -> set[str]:
    """Return the words by which a name is found: also the parts of those with an underscore."""
    whole = words(name)
    return {*whole, *(part for word in whole for part in word.split("_") if part)}


def _is_letter(char: str) -> bool:
    # In many scripts a vowel is a mark upon its consonant, and no mark of that kind ends a word.
    return char.isalnum() or char == "_" or unicodedata.category(char).startswith("M")
