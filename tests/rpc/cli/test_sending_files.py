"""Files go out whole with their message, or nothing does; whatever stands in the way is said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from tests.rpc.cli.conftest import ASKED_FOR_A_TOKEN, CONTENT, Paperplane
from tests.support.fake_backend import Talk
from tests.support.fake_files import Cut
from tests.support.sample_pictures import picture
from tests.support.terminal import Terminal


def test_files_arrive_as_they_are_with_one_message(
    paperplane: Paperplane, talk: Talk, folder: Path
) -> None:
    (folder / "data.bin").write_bytes(CONTENT)
    (folder / "beach.png").write_bytes(picture())
    ran = paperplane.ok("send", "bob", "Look", "--file", "data.bin", "--file", "beach.png")
    assert ran.stdout.splitlines() == [
        ran.stdout.splitlines()[0],
        "      1 ▤ data.bin · application/octet-stream · 384.0 kB",
        f"      2 ▣ beach.png · image/png · {len(picture()) / 1000:.1f} kB · 640x480",
    ]
    assert ran.stdout.startswith(ran.stdout[:5] + " #1 you Look\n")
    assert ran.stderr == ""
    [message] = talk.messages
    stored = [paperplane.backend.files.stored[each.attachment_id] for each in message.attachments]
    assert [file.content for file in stored] == [CONTENT, picture()]


def test_a_file_needs_no_text(paperplane: Paperplane, talk: Talk, folder: Path) -> None:
    (folder / "data.bin").write_bytes(CONTENT)
    sent = paperplane.ok("send", "bob", "--file", "data.bin", "--json", stdin="not read").json
    assert sent["message"]["text"] == ""
    assert [each["fileName"] for each in sent["message"]["attachments"]] == ["data.bin"]
    paperplane.ok("send", "bob", "-", "--file", "data.bin", stdin="read\n")
    assert [message.text for message in talk.messages] == ["", "read"]


def test_nothing_is_uploaded_if_one_of_the_files_can_not_be_sent(
    paperplane: Paperplane, talk: Talk, folder: Path
) -> None:
    (folder / "good.txt").write_text("good")
    (folder / "empty.txt").touch()
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to(folder / "loop")
    names = ("good.txt", "empty.txt", "folder", "pipe", "loop", "missing\x1b[2J.txt", "good.txt/x")
    ran = paperplane.run(
        "send", "bob", "Look", *(part for name in names for part in ("--file", name))
    )
    assert ran.exit_code == 2
    assert ran.stderr.splitlines() == [
        "Nothing was sent. (FILE_UNUSABLE)",
        "  empty.txt: it is empty",
        "  folder: it is a folder",
        "  pipe: it is no ordinary file",
        "  loop: Too many levels of symbolic links",
        "  missing.txt: there is no such file",
        "  good.txt/x: Not a directory",
    ]
    assert not talk.messages
    assert "UploadAttachment" not in dict(paperplane.backend.calls)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_not_sent(
    paperplane: Paperplane, talk: Talk, folder: Path
) -> None:
    (folder / "secret.txt").write_text("secret")
    (folder / "secret.txt").chmod(0)
    ran = paperplane.run("send", "bob", "--file", "secret.txt")
    assert (ran.exit_code, "secret.txt: you may not read it" in ran.stderr) == (2, True)
    assert not talk.messages


def test_a_message_takes_ten_files(paperplane: Paperplane, talk: Talk, folder: Path) -> None:
    (folder / "x").write_text("x")
    ten = ["--file", "x"] * 10
    assert len(paperplane.ok("send", "bob", *ten, "--json").json["message"]["attachments"]) == 10
    ran = paperplane.run("send", "bob", *ten, "--file", "x")
    assert (ran.exit_code, "10 files at most" in ran.stderr) == (2, True)
    assert len(talk.messages) == 1


def test_a_refused_file_is_named_with_the_reason(
    paperplane: Paperplane, talk: Talk, folder: Path
) -> None:
    (folder / "big.bin").write_bytes(bytes(1_000_001))
    (folder / "small.bin").write_bytes(b"small")
    ran = paperplane.run("send", "bob", "Look", "--file", "small.bin", "--file", "big.bin")
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert ran.stderr.splitlines() == [
        "big.bin is larger than this server takes. (ATTACHMENT_TOO_LARGE)",
        "  Nothing was sent, and nothing of what was uploaded is kept.",
    ]
    (folder / "fake.png").write_text("<html>")
    ran = paperplane.run("send", "bob", "--file", "fake.png", "--json")
    error = json.loads(ran.stderr)["error"]
    assert error["reason"] == "ATTACHMENT_TYPE_MISMATCH"
    assert error["message"].startswith("fake.png is not what its name says")
    assert not talk.messages


@pytest.mark.slow
def test_an_early_refusal_is_heard_however_much_was_still_to_come(
    paperplane: Paperplane, talk: Talk, folder: Path
) -> None:
    (folder / "big.bin").write_bytes(bytes(5_000_000))
    for _ in range(40):
        ran = paperplane.run("send", "bob", "--file", "big.bin")
        assert "(ATTACHMENT_TOO_LARGE)" in ran.stderr


def test_a_name_that_the_contract_does_not_take_is_mended(
    paperplane: Paperplane, talk: Talk, folder: Path
) -> None:
    for name in ("new\nline\u202egnp.txt", "back\\slash", "data:text,html"):
        (folder / name).write_text("x")
        paperplane.ok("send", "bob", "--file", name)
    assert [message.attachments[0].file_name for message in talk.messages] == [
        "new_line_gnp.txt",
        "back_slash",
        "data:text,html",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, every name is text")
def test_a_name_that_is_no_text_is_mended(paperplane: Paperplane, talk: Talk, folder: Path) -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    (folder / name).write_text("x")
    paperplane.ok("send", "bob", "--file", name)
    assert talk.messages[0].attachments[0].file_name == "caf_.txt"
    assert (
        "  caf: there is no such file" in paperplane.run("send", "bob", "--file", name[:4]).stderr
    )


def test_what_a_file_is_compressed_with_is_not_its_type(
    paperplane: Paperplane, talk: Talk, folder: Path
) -> None:
    for name in ("notes.txt.gz", "notes.txt", "notes.unheard-of"):
        (folder / name).write_text("x")
        paperplane.ok("send", "bob", "--file", name)
    assert [message.attachments[0].content_type for message in talk.messages] == [
        "application/octet-stream",
        "text/plain",
        "application/octet-stream",
    ]


def test_a_closed_channel_is_known_before_anything_is_uploaded(
    paperplane: Paperplane, talk: Talk, folder: Path
) -> None:
    (folder / "data.bin").write_bytes(CONTENT)
    paperplane.backend.part("alice", "bob")
    ran = paperplane.run("send", "bob", "--file", "data.bin")
    assert (ran.exit_code, "(CHANNEL_CLOSED)" in ran.stderr) == (1, True)
    assert not paperplane.backend.files.stored
    assert not talk.messages


def test_a_message_whose_answer_got_lost_is_there_once_with_its_files(
    paperplane: Paperplane, talk: Talk, folder: Path
) -> None:
    (folder / "data.bin").write_bytes(CONTENT)
    paperplane.backend.unavailable["SendMessage"] = 2
    paperplane.ok("send", "bob", "Once", "--file", "data.bin")
    assert [len(message.attachments) for message in talk.messages] == [1]
    assert len(paperplane.backend.files.stored) == 1


def test_an_upload_begins_anew_when_its_token_has_run_out(
    paperplane: Paperplane, talk: Talk, folder: Path
) -> None:
    (folder / "data.bin").write_bytes(CONTENT)
    paperplane.backend.files.cuts = [Cut(200_000, grpc.StatusCode.UNAUTHENTICATED, "TOKEN_EXPIRED")]
    asked = paperplane.backend.calls.count(ASKED_FOR_A_TOKEN)
    paperplane.ok("send", "bob", "--file", "data.bin")
    assert paperplane.backend.calls.count(ASKED_FOR_A_TOKEN) == asked + 1
    [stored] = paperplane.backend.files.stored.values()
    assert stored.content == CONTENT


def test_a_server_that_can_not_take_files_now_is_said_to(
    paperplane: Paperplane, talk: Talk, folder: Path
) -> None:
    (folder / "data.bin").write_bytes(CONTENT)
    cut = Cut(384_000, grpc.StatusCode.UNAVAILABLE, "STORAGE_UNAVAILABLE")
    paperplane.backend.files.cuts = [cut] * 10
    ran = paperplane.run("send", "bob", "--file", "data.bin")
    assert (ran.exit_code, ran.stdout) == (3, "")
    assert ran.stderr.startswith("data.bin can't be stored now; try again shortly.")
    assert not talk.messages


@pytest.mark.slow
def test_an_interrupted_upload_leaves_nothing_and_says_so(
    paperplane: Paperplane, talk: Talk, folder: Path
) -> None:
    (folder / "data.bin").write_bytes(CONTENT)
    files = paperplane.backend.files
    files.go_on.clear()
    ran = paperplane.interrupted("send", "bob", "Look", "--file", "data.bin", at=files.has_begun)
    assert (ran.exit_code, ran.stdout) == (130, "")
    assert ran.stderr == "Nothing was sent, and nothing of what was uploaded is kept.\n"
    assert not files.stored
    assert not talk.messages


@pytest.mark.slow
def test_on_a_terminal_one_sees_how_far_a_file_has_come(
    paperplane: Paperplane, talk: Talk, folder: Path
) -> None:
    (folder / "data.bin").write_bytes(CONTENT)
    paperplane.backend.files.go_on.clear()
    terminal = Terminal(paperplane.environment, "send", "bob", "Look", "--file", "data.bin")
    try:
        terminal.shows("data.bin ━")
        terminal.shows("/384.0 kB")
        assert not talk.messages
        paperplane.backend.files.go_on.set()
        terminal.shows("#1 you Look")
        assert terminal.leaves() == 0
    finally:
        paperplane.backend.files.go_on.set()
        terminal.close()


# What getrusage tells would hold what the test itself had taken when it started the process.
TELL_MOST_MEMORY = """
import pathlib
from cli.app import app
app(standalone_mode=False)
status = pathlib.Path("/proc/self/status").read_text()
print(status.partition("VmHWM:")[2].split()[0])
"""


@pytest.mark.prove
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_large_file_is_never_whole_in_memory(
    paperplane: Paperplane, talk: Talk, folder: Path
) -> None:
    def most_memory(*arguments: str) -> int:
        """Run a command in a process of its own; return the most KiB that it ever took."""
        printed = subprocess.check_output(
            [sys.executable, "-c", TELL_MOST_MEMORY, *arguments],
            env={**os.environ, **paperplane.environment},
            text=True,
        )
        return int(printed.splitlines()[-1])

    paperplane.backend.files.most_bytes = 50_000_000
    (folder / "small").write_bytes(b"x")
    (folder / "large").write_bytes(bytes(50_000_000))
    up = [most_memory("send", "bob", "--file", name) for name in ("small", "large")]
    down = [most_memory("download", "bob", number) for number in ("1", "2")]
    assert (folder / "large (2)").stat().st_size == 50_000_000
    for small, large in (up, down):
        assert large - small < 16 * 1024
