"""Photos are set and removed, and shown with other pictures in terminals that can, as each can."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.rpc.cli.conftest import Paperplane
from tests.support.sample_pictures import picture
from tests.support.terminal import Terminal

HAS_SIXELS, HAS_NONE = "\x1b[?62;4c", "\x1b[?62c"
KNOWS_KITTY = "\x1b_Gi=1;OK\x1b\\"
# On Python 3.11 the library of that time asks for sixels first, later ones for kitty's way.
KITTY = HAS_NONE + KNOWS_KITTY if sys.version_info < (3, 12) else KNOWS_KITTY + HAS_NONE
SIXEL, PLACED, HALF_BLOCK = "\x1bP0;", "\U0010eeee", "▀"


def asked(paperplane: Paperplane, method: str) -> int:
    return [each for each, _ in paperplane.backend.calls].count(method)


@pytest.fixture
def photo(tmp_path: Path) -> str:
    path = tmp_path / "me.png"
    path.write_bytes(picture())
    return str(path)


def test_a_photo_is_set_and_removed(paperplane: Paperplane, photo: str) -> None:
    shown = paperplane.ok("photo", photo, "--json").json["person"]
    assert shown["photoId"] in paperplane.backend.files.photos
    assert "Alice Martin" in paperplane.ok("photo", photo).stdout
    assert paperplane.backend.people["alice"].photo_id != shown["photoId"]
    assert paperplane.ok("photo", "--remove", "--json").json["person"]["photoId"] == ""
    assert "Alice Martin" in paperplane.ok("photo", "--remove").stdout


def test_what_is_no_photo_is_said_to_be_none(paperplane: Paperplane, tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("no picture")
    ran = paperplane.run("photo", str(tmp_path / "notes.png"))
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert ran.stderr == "notes.png is no JPEG, PNG or WebP picture. (PHOTO_TYPE_UNKNOWN)\n"
    assert paperplane.run("photo", str(tmp_path / "missing.png")).exit_code == 2
    assert paperplane.run("photo").exit_code == 2
    assert paperplane.run("photo", str(tmp_path / "notes.png"), "--remove").exit_code == 2
    assert paperplane.backend.people["alice"].photo_id == ""


def test_no_picture_is_fetched_that_nobody_would_see(paperplane: Paperplane, photo: str) -> None:
    paperplane.backend.befriend("alice", "bob")
    paperplane.ok("photo", photo, "--as", "bob")
    paperplane.ok("send", "alice", "--file", photo, "--as", "bob")
    for arguments in (["show", "bob"], ["show", "bob", "1"]):
        shown = paperplane.ok(*arguments).stdout
        assert "@bob" in shown
        assert not set("\x1b▀") & set(shown)
    assert paperplane.ok("show", "bob", "1", "--json").json["message"]["seq"] == "1"
    assert paperplane.run("show", "bob", "2").exit_code == 1
    assert not asked(paperplane, "GetPhoto")
    assert not asked(paperplane, "DownloadAttachment")


Start = Callable[..., Terminal]


@pytest.fixture
def start(paperplane: Paperplane, photo: str) -> Iterator[Start]:
    """Start commands on terminals with colours; Bob has a photo, and has sent Alice a picture."""
    paperplane.backend.befriend("alice", "bob")
    paperplane.ok("photo", photo, "--as", "bob")
    paperplane.ok("send", "alice", "Look", "--file", photo, "--as", "bob")
    terminals: list[Terminal] = []

    def start(*arguments: str, answers: str, **variables: str) -> Terminal:
        colourful = {"NO_COLOR": "", "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        settings = {**paperplane.environment, **colourful, **variables}
        terminals.append(Terminal(settings, *arguments))
        # Before it is asked, so that the answer is there in time however busy this machine is.
        terminals[-1].type(answers)
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answers", "way"), [(HAS_SIXELS, SIXEL), (KITTY, PLACED), (HAS_NONE, HALF_BLOCK)]
)
def test_a_photo_is_shown_as_the_terminal_can(start: Start, answers: str, way: str) -> None:
    terminal = start("show", "bob", answers=answers)
    terminal.shows("Bob Dubois")
    terminal.shows("friend")
    assert terminal.leaves() == 0
    assert [each for each in (SIXEL, PLACED, HALF_BLOCK) if each in terminal.raw] == [way]


@pytest.mark.slow
def test_the_pictures_of_a_message_are_shown(start: Start) -> None:
    terminal = start("show", "bob", "1", answers=HAS_SIXELS)
    terminal.shows("#1 @bob Look")
    terminal.shows("▣ me.png")
    terminal.shows(SIXEL)
    terminal.shows("\x1b\\")
    assert terminal.leaves() == 0


@pytest.mark.slow
@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb", "COLORTERM": ""}])
def test_a_terminal_without_colours_is_not_even_asked(
    paperplane: Paperplane, start: Start, variables: dict[str, str]
) -> None:
    terminal = start("show", "bob", answers="", **variables)
    terminal.shows("Bob Dubois")
    terminal.shows("friend")
    assert terminal.leaves() == 0
    assert not [each for each in (SIXEL, PLACED, HALF_BLOCK, "\x1b[c") if each in terminal.raw]
    assert not asked(paperplane, "GetPhoto")


@pytest.mark.slow
def test_json_holds_no_picture_on_a_terminal_either(paperplane: Paperplane, start: Start) -> None:
    terminal = start("show", "bob", "--json", answers="")
    terminal.shows('"canMessage": true')
    assert terminal.leaves() == 0
    assert not asked(paperplane, "GetPhoto")


@pytest.mark.slow
def test_a_photo_that_can_not_be_had_or_read_costs_nothing_else(
    paperplane: Paperplane, start: Start
) -> None:
    photos = paperplane.backend.files.photos
    for sizes in photos.values():
        sizes.update(dict.fromkeys(sizes, b"\x89PNG\r\n\x1a\n nothing"))
    terminal = start("show", "bob", answers=HAS_NONE)
    terminal.shows("The picture can't be shown.")
    terminal.shows("Bob Dubois")
    assert terminal.leaves() == 0
    photos.clear()
    terminal = start("show", "bob", answers=HAS_NONE)
    terminal.shows("The photo can't be had now. There is no such photo.")
    terminal.shows("Bob Dubois")
    assert terminal.leaves() == 0
