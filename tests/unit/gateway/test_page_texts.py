"""What the page says: the same sentences in each language, and one for every error that it can meet."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.page import FOLDER

_ERRORS = Path(__file__).parents[3] / "docs" / "errors.md"
_LANGUAGES = ("en", "fr")
_ENTRY = re.compile(r'^  "([^"]+)":(.*?),$(?=\n(?:  "|\n|\};))', re.MULTILINE | re.DOTALL)
_USED = re.compile(r'\bt\(\s*"([^"]+)"')

NEVER_SHOWN = {
    # Said by their code: the same sentence, or the sign-in screen instead of one.
    "DEADLINE_EXCEEDED",
    "INTERNAL",
    "TOKEN_EXPIRED",
    "TOKEN_INVALID",
    "TOKEN_MISSING",
    # Answered by listing or watching anew.
    "CURSOR_EXPIRED",
    "CURSOR_INVALID",
    "PAGE_TOKEN_INVALID",
    "SERVER_STOPPING",
    "STREAM_TOO_SLOW",
    # Only a program that is not the page gets these.
    "CONTENT_ENCODING_UNKNOWN",
    "CONTENT_TYPE_UNKNOWN",
    "METHOD_UNKNOWN",
    "POST_REQUIRED",
    "RANGE_NOT_SATISFIABLE",
    # Initials stand where a photo is gone.
    "PHOTO_NOT_FOUND",
}


def sentences(language: str) -> dict[str, str]:
    text = (FOLDER / "locales" / f"{language}.js").read_text("utf-8")
    found: list[tuple[str, str]] = _ENTRY.findall(text)
    assert len(found) == len(re.findall(r'^  "', text, re.MULTILINE)), "an entry of another form"
    assert len(dict(found)) == len(found), "a key twice"
    return dict(found)


def documented_reasons() -> set[str]:
    return set(re.findall(r"^\| `([A-Z_]+)` +\| `", _ERRORS.read_text("utf-8"), re.MULTILINE))


def test_each_language_has_the_same_sentences() -> None:
    assert sentences("fr").keys() == sentences("en").keys()


def test_a_sentence_takes_the_same_values_in_each_language() -> None:
    def values(language: str) -> dict[str, set[str]]:
        return {
            key: set(re.findall(r"\{(\w+)\}", text)) for key, text in sentences(language).items()
        }

    assert values("fr") == values("en")


@pytest.mark.parametrize("language", _LANGUAGES)
def test_each_error_that_the_page_can_meet_has_a_sentence(language: str) -> None:
    said = {key.removeprefix("error.") for key in sentences(language)}

    assert documented_reasons() - NEVER_SHOWN - said == set()


def test_what_is_never_shown_is_documented_and_has_no_sentence() -> None:
    said = {key.removeprefix("error.") for key in sentences("en")}

    assert documented_reasons() >= NEVER_SHOWN
    assert said & NEVER_SHOWN == set()


def test_each_sentence_that_is_asked_for_exists() -> None:
    used = {key for path in FOLDER.rglob("*.js") for key in _USED.findall(path.read_text("utf-8"))}

    assert used
    assert used - sentences("en").keys() == set()
