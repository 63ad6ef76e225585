"""Files come whole, over nothing and nowhere but where asked, or nothing of them stays."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from paperplane.messaging.v1 import messaging_pb2 as messaging
from tests.rpc.cli.conftest import ASKED_FOR_A_TOKEN, CONTENT, Paperplane
from tests.support.fake_backend import Talk
from tests.support.fake_files import Cut, StoredFile


def store(paperplane: Paperplane, name: str, content: bytes = CONTENT) -> str:
    """Put a file of Bob's on the server, as any client might have."""
    attachment = messaging.Attachment(
        attachment_id=paperplane.backend.new_id(),
        file_name=name,
        content_type="application/octet-stream",
        size_bytes=len(content),
    )
    stored = StoredFile(attachment, content, b"", frozenset({"bob"}))
    paperplane.backend.files.stored[attachment.attachment_id] = stored
    return attachment.attachment_id


def send_stored(paperplane: Paperplane, *names: str, content: bytes = CONTENT) -> None:
    """Let Bob send Alice files of these names in one message."""
    ids = [store(paperplane, name, content) for name in names]
    paperplane.backend.say("bob", "alice", "Here", attachment_ids=ids)


def test_files_are_seen_in_the_history_and_among_the_channels(
    paperplane: Paperplane, talk: Talk, folder: Path
) -> None:
    send_stored(paperplane, "one.pdf", "two.pdf")
    shown = paperplane.ok("history", "bob").stdout.splitlines()
    assert shown[1].endswith("#1 @bob Here")
    assert shown[2] == "      1 ▤ one.pdf · application/octet-stream · 384.0 kB"
    assert shown[3].startswith("      2 ▤ two.pdf")
    listed = paperplane.ok("channels").stdout
    assert "Here ▤ one.pdf · application/octet-stream · 384.0 kB and 1 more" in listed


def test_the_files_of_a_message_come_whole(
    paperplane: Paperplane, talk: Talk, folder: Path
) -> None:
    send_stored(paperplane, "one.pdf", "two.pdf")
    ran = paperplane.ok("download", "bob", "1")
    assert ran.stdout == "one.pdf  384.0 kB\ntwo.pdf  384.0 kB\n"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "one.pdf": CONTENT,
        "two.pdf": CONTENT,
    }


def test_one_of_the_files_goes_where_it_is_told(
    paperplane: Paperplane, talk: Talk, folder: Path
) -> None:
    send_stored(paperplane, "one.pdf", "two.pdf")
    (folder / "there").mkdir()
    ran = paperplane.ok("download", "bob", "1", "--only", "2", "--to", "there", "--json")
    [file] = ran.json["files"]
    assert file["path"] == "there/two.pdf"
    assert file["attachment"]["fileName"] == "two.pdf"
    assert [path.name for path in (folder / "there").iterdir()] == ["two.pdf"]


def test_nothing_is_overwritten(paperplane: Paperplane, talk: Talk, folder: Path) -> None:
    send_stored(paperplane, "photo.jpg", "photo.jpg")
    (folder / "photo.jpg").write_text("mine")
    (folder / "photo (2).jpg").symlink_to("/nowhere")
    ran = paperplane.ok("download", "bob", "1")
    assert ran.stdout.split("  384.0 kB\n") == ["photo (3).jpg", "photo (4).jpg", ""]
    assert (folder / "photo.jpg").read_text() == "mine"
    assert (folder / "photo (2).jpg").is_symlink()


def test_a_hostile_name_stays_in_the_folder(
    paperplane: Paperplane, talk: Talk, folder: Path
) -> None:
    send_stored(paperplane, "../../etc/passwd", "-rf", ".bashrc", "x\x1b[2J\u202egpj.exe")
    ran = paperplane.ok("download", "bob", "1")
    assert not set("\x1b\u202e") & set(ran.stdout)
    assert sorted(path.name for path in folder.iterdir()) == ["bashrc", "passwd", "rf", "xgpj.exe"]


def test_a_download_that_breaks_off_goes_on_where_it_was(
    paperplane: Paperplane, talk: Talk, folder: Path
) -> None:
    send_stored(paperplane, "one.pdf")
    paperplane.backend.files.cuts = [Cut(100_000), Cut(65_536), Cut(0), Cut(1)]
    paperplane.ok("download", "bob", "1")
    assert (folder / "one.pdf").read_bytes() == CONTENT
    offsets = [
        request.offset
        for method, request in paperplane.backend.calls
        if method == "DownloadAttachment"
    ]
    assert sorted(set(offsets)) == [0, 100_000, 165_536, 165_537]


def test_a_download_that_fails_leaves_nothing_of_its_file(
    paperplane: Paperplane, talk: Talk, folder: Path
) -> None:
    send_stored(paperplane, "one.pdf", "two.pdf")
    second = talk.messages[0].attachments[1].attachment_id
    del paperplane.backend.files.stored[second]
    ran = paperplane.run("download", "bob", "1")
    assert (ran.exit_code, "(ATTACHMENT_NOT_FOUND)" in ran.stderr) == (1, True)
    assert ran.stdout == "one.pdf  384.0 kB\n"
    assert [path.name for path in folder.iterdir()] == ["one.pdf"]


@pytest.mark.slow
def test_an_interrupted_download_leaves_nothing(
    paperplane: Paperplane, talk: Talk, folder: Path
) -> None:
    send_stored(paperplane, "one.pdf")
    files = paperplane.backend.files
    files.go_on.clear()
    ran = paperplane.interrupted("download", "bob", "1", at=files.has_begun)
    assert (ran.exit_code, ran.stdout, ran.stderr) == (130, "", "")
    assert not list(folder.iterdir())


@pytest.mark.slow
def test_a_download_that_leads_nowhere_is_given_up(
    paperplane: Paperplane, talk: Talk, folder: Path
) -> None:
    send_stored(paperplane, "one.pdf")
    paperplane.backend.files.cuts = [Cut(100_000), *([Cut(0)] * 1_000)]
    ran = paperplane.run("download", "bob", "1")
    assert (ran.exit_code, ran.stdout) == (3, "")
    assert not list(folder.iterdir())


def test_a_download_goes_on_when_its_token_has_run_out(
    paperplane: Paperplane, talk: Talk, folder: Path
) -> None:
    send_stored(paperplane, "one.pdf")
    expired = Cut(100_000, grpc.StatusCode.UNAUTHENTICATED, "TOKEN_EXPIRED")
    paperplane.backend.files.cuts = [expired]
    asked = paperplane.backend.calls.count(ASKED_FOR_A_TOKEN)
    paperplane.ok("download", "bob", "1")
    assert paperplane.backend.calls.count(ASKED_FOR_A_TOKEN) == asked + 1
    assert (folder / "one.pdf").read_bytes() == CONTENT


def test_what_can_not_be_downloaded_is_said(
    paperplane: Paperplane, talk: Talk, folder: Path
) -> None:
    send_stored(paperplane, "one.pdf")
    paperplane.backend.say("bob", "alice", "No files")

    def error(*arguments: str) -> tuple[int, str]:
        ran = paperplane.run("download", "bob", *arguments)
        return ran.exit_code, ran.stderr.strip()

    assert error("2") == (1, "Message #2 has no files. (NO_FILES)")
    assert error("3") == (1, "There is no message #3. (MESSAGE_NOT_FOUND)")
    assert error("1", "--only", "2") == (2, "Message #1 has 1 files, so none is number 2.")
    assert error("1", "--to", "nowhere") == (
        2,
        "nowhere: there is no such folder. (FOLDER_UNUSABLE)",
    )
    paperplane.ok("delete", "alice", "1", "--as", "bob")
    assert error("1") == (1, "Message #1 is deleted, and its files are. (MESSAGE_DELETED)")
    assert not list(folder.iterdir())
