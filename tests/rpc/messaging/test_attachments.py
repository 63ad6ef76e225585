"""Attachments: who may have which, what becomes of them, and what is not taken."""

from __future__ import annotations

import asyncio
import io
import os
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
import pytest
from grpc import StatusCode
from PIL import Image

from chassis.client import write
from paperplane.messaging.v1 import attachments_pb2
from tests.support.databases import change
from tests.support.messaging import MessagingUnderTest, Person, messaging_service
from tests.support.pictures import (
    photograph,
    picture,
    png_claiming,
    png_with_text,
    png_with_text_bomb,
    zip_bomb,
)
from tests.support.refusals import refused
from tests.support.system import wait_for

Friends = tuple[Person, Person, str]
MARKER = "zqxmarker"
HTML = b"<!doctype html><script>alert(1)</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def anything(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def stored(service: MessagingUnderTest) -> list[str]:
    """Return the names of all files in the store, whole or not."""
    return sorted(path.name for path in service.files.rglob("*") if path.is_file())


async def until(condition: Callable[[], bool]) -> None:
    """Wait until what the service does by itself has happened on disk."""
    await asyncio.to_thread(wait_for, condition)


async def test_file_comes_back_as_it_went(friends: Friends) -> None:
    ann, bob, channel_id = friends
    content = anything(1_000_000)

    uploaded = await ann.upload(content, "Plän 🛩.bin", "application/x-plan", len(content))
    sent = await ann.send(channel_id, "", attachment_ids=[uploaded.attachment_id])

    assert (uploaded.file_name, uploaded.content_type) == ("Plän 🛩.bin", "application/x-plan")
    assert uploaded.size_bytes == len(content)
    assert not uploaded.has_preview
    assert list(sent.attachments) == [uploaded]
    assert await bob.history(channel_id) == [sent]
    for person in (ann, bob):
        header, got = await person.download(uploaded.attachment_id)
        assert header.attachment == uploaded
        assert (header.content_type, header.total_bytes) == ("application/x-plan", len(content))
        assert got == content


@pytest.mark.parametrize(
    ("offset", "length"),
    [(0, 1), (5, 100), (999_990, 0), (999_990, 500), (0, 999_999), (131_071, 2)],
)
async def test_part_comes_as_asked_for(friends: Friends, offset: int, length: int) -> None:
    ann = friends[0]
    content = anything(1_000_000)
    uploaded = await ann.upload(content)

    header, got = await ann.download(uploaded.attachment_id, offset=offset, length=length)

    assert header.total_bytes == len(content)
    assert got == content[offset : offset + length if length else None]


async def test_part_behind_the_end_is_refused(friends: Friends) -> None:
    ann = friends[0]
    uploaded = await ann.upload(b"abc")

    error = await refused(ann.download(uploaded.attachment_id, offset=3))

    assert (error.code, error.reason) == (StatusCode.OUT_OF_RANGE, "RANGE_NOT_SATISFIABLE")


async def test_nobody_else_gets_a_file_or_learns_that_there_is_one(
    service: MessagingUnderTest, friends: Friends
) -> None:
    ann, bob, channel_id = friends
    _, eve, _ = await service.friends("bob", "eve")
    stranger = service.person("mallory")
    unsent = await ann.upload(b"unsent")
    sent = await ann.upload(picture(), "a.png")
    await ann.send(channel_id, "", attachment_ids=[sent.attachment_id])

    answers = {
        (await refused(person.download(attachment_id, preview=preview))).raw
        for person, attachment_id in [
            (eve, sent.attachment_id),
            (stranger, sent.attachment_id),
            (eve, unsent.attachment_id),
            # Not Bob's until it is sent to him.
            (bob, unsent.attachment_id),
            (eve, "01234567-89ab-7def-8123-456789abcdef"),
            (stranger, "no such thing"),
        ]
        for preview in (False, True)
    }

    assert len(answers) == 1
    assert b"ATTACHMENT_NOT_FOUND" in answers.pop()


async def test_file_is_the_uploaders_to_send_and_once(
    service: MessagingUnderTest, friends: Friends
) -> None:
    ann, bob, channel_id = friends
    uploaded = await ann.upload(b"mine")
    ids = [uploaded.attachment_id]

    theft = await refused(bob.send(channel_id, "", attachment_ids=ids))
    first = await ann.send(channel_id, "x", "c1", ids)
    again = await ann.send(channel_id, "x", "c1", ids)
    twice = await refused(ann.send(channel_id, "y", attachment_ids=ids))
    other = await refused(ann.send(channel_id, "x", "c1"))

    assert theft.raw == twice.raw
    assert (theft.code, theft.reason) == (StatusCode.NOT_FOUND, "ATTACHMENT_NOT_FOUND")
    assert first == again
    assert other.reason == "CLIENT_MESSAGE_ID_REUSED"


async def test_message_needs_a_text_or_a_file_and_takes_ten(friends: Friends) -> None:
    ann, _, channel_id = friends
    ids = [(await ann.upload(b"%d" % n)).attachment_id for n in range(10)]

    assert (await refused(ann.send(channel_id, ""))).fields == ("text",)
    eleven = await refused(ann.send(channel_id, "", attachment_ids=[*ids, "x"]))
    double = await refused(ann.send(channel_id, "", attachment_ids=[ids[0], ids[0]]))
    sent = await ann.send(channel_id, "", attachment_ids=ids)

    assert eleven.fields == double.fields == ("attachment_ids",)
    assert [each.attachment_id for each in sent.attachments] == ids


async def test_closed_channel_takes_no_file_and_gives_out_its_old_ones(
    service: MessagingUnderTest, friends: Friends
) -> None:
    ann, bob, channel_id = friends
    old, new = await ann.upload(b"old"), await ann.upload(b"new")
    await ann.send(channel_id, "", attachment_ids=[old.attachment_id])
    await service.unfriend("ann", "bob")

    error = await refused(ann.send(channel_id, "", attachment_ids=[new.attachment_id]))

    assert error.reason == "CHANNEL_CLOSED"
    assert (await bob.download(old.attachment_id))[1] == b"old"
    assert (await refused(bob.download(new.attachment_id))).reason == "ATTACHMENT_NOT_FOUND"
    assert (await ann.download(new.attachment_id))[1] == b"new"


async def test_deleting_a_message_deletes_its_files(
    service: MessagingUnderTest, friends: Friends
) -> None:
    ann, bob, channel_id = friends
    files = [await ann.upload(picture(), "a.png"), await ann.upload(b"text")]
    await ann.send(channel_id, "look", "c1", [each.attachment_id for each in files])

    deleted = await ann.delete(channel_id, 1)

    assert not deleted.attachments
    for person in (ann, bob):
        for each in files:
            error = await refused(person.download(each.attachment_id))
            assert error.reason == "ATTACHMENT_NOT_FOUND"
    assert not (await bob.history(channel_id))[0].attachments
    await until(lambda: stored(service) == [])
    await until(lambda: service.rows("SELECT * FROM attachments") == [])


async def test_watcher_sees_the_files_of_a_message(friends: Friends) -> None:
    ann, bob, channel_id = friends
    uploaded = await ann.upload(picture(width=20, height=10), "a.png", "image/png")
    await ann.send(channel_id, "", attachment_ids=[uploaded.attachment_id])

    (event,) = [
        each.event for each in await bob.log() if each.event.WhichOneof("kind") == "message_sent"
    ]

    assert list(event.message_sent.message.attachments) == [uploaded]
    assert (await bob.channel(channel_id)).last_message.attachments[0] == uploaded


async def test_picture_is_upright_and_says_nothing_of_where_it_was_taken(friends: Friends) -> None:
    ann = friends[0]
    original = photograph(MARKER, 400, 300)
    assert MARKER.encode() in original

    uploaded = await ann.upload(original, "IMG_1.JPG", "image/jpeg", len(original))
    header, content = await ann.download(uploaded.attachment_id)
    preview_header, preview = await ann.download(uploaded.attachment_id, preview=True)

    assert (uploaded.width, uploaded.height) == (300, 400)
    assert uploaded.has_preview
    assert uploaded.size_bytes == header.total_bytes == len(content)
    assert preview_header.total_bytes == len(preview)
    for data in (content, preview):
        with Image.open(io.BytesIO(data)) as image:
            assert image.size == (300, 400)
            assert not image.getexif()
        assert MARKER.encode() not in data
        assert b"Exif" not in data


async def test_large_picture_has_a_small_preview(friends: Friends) -> None:
    ann = friends[0]
    uploaded = await ann.upload(picture("JPEG", 3000, 1500), "a.jpg")

    _, preview = await ann.download(uploaded.attachment_id, preview=True)

    with Image.open(io.BytesIO(preview)) as image:
        assert image.size == (800, 400)


@pytest.mark.parametrize(
    ("content", "file_name", "content_type", "reason"),
    [
        (picture("PNG"), "a.pdf", "application/pdf", "ATTACHMENT_TYPE_MISMATCH"),
        (picture("PNG"), "a.jpg", "image/jpeg", "ATTACHMENT_TYPE_MISMATCH"),
        (HTML, "a.png", "image/png", "ATTACHMENT_TYPE_MISMATCH"),
        (HTML, "a.png", "text/html", "ATTACHMENT_TYPE_MISMATCH"),
        (HTML, "a.png", "", "ATTACHMENT_TYPE_MISMATCH"),
        (b"\x7fELF" + bytes(60), "a.txt", "text/plain", "ATTACHMENT_TYPE_MISMATCH"),
        (b"MZ" + bytes(200), "cv.pdf", "", "ATTACHMENT_TYPE_MISMATCH"),
        (picture("JPEG")[:200], "a.jpg", "image/jpeg", "PICTURE_UNREADABLE"),
        (png_claiming(50_000, 50_000), "a.png", "image/png", "PICTURE_TOO_LARGE"),
        (b"", "empty.txt", "text/plain", "UPLOAD_EMPTY"),
        (b"x", "../../etc/passwd", "", "INVALID_REQUEST"),
        (b"x", "C:\\boot.ini", "", "INVALID_REQUEST"),
        (b"x", "a\0.png", "", "INVALID_REQUEST"),
        (b"x", "..", "", "INVALID_REQUEST"),
        (b"x", "", "", "INVALID_REQUEST"),
        (b"x", "x" * 256, "", "INVALID_REQUEST"),
        (b"x", "invoice\u202efdp.exe", "", "INVALID_REQUEST"),
        (b"x", "a.png", "not a type", "INVALID_REQUEST"),
    ],
)
async def test_hostile_file_gets_its_error_and_leaves_nothing(
    service: MessagingUnderTest, content: bytes, file_name: str, content_type: str, reason: str
) -> None:
    error = await refused(service.person("ann").upload(content, file_name, content_type))

    assert (error.code, error.reason) == (StatusCode.INVALID_ARGUMENT, reason)
    await until(lambda: stored(service) == [])
    assert service.rows("SELECT * FROM attachments WHERE state <> 'doomed'") == []


async def test_picture_with_a_text_bomb_is_refused_or_comes_out_without_it(
    service: MessagingUnderTest,
) -> None:
    error = await refused(service.person("ann").upload(png_with_text_bomb(), "a.png"))

    assert error.reason == "PICTURE_UNREADABLE"


@pytest.mark.parametrize(
    "polyglot",
    [
        picture("PNG") + HTML,
        picture("GIF") + zip_bomb(),
        png_with_text(HTML.decode()),
        picture("JPEG") + b"%PDF-1.7",
    ],
)
async def test_nothing_but_the_picture_survives_of_a_polyglot(
    service: MessagingUnderTest, polyglot: bytes
) -> None:
    ann = service.person("ann")

    uploaded = await ann.upload(polyglot, "a")
    _, content = await ann.download(uploaded.attachment_id)

    with Image.open(io.BytesIO(content)) as image:
        assert image.size == (40, 30)
    for part in (b"script", b"PK\x03\x04", b"%PDF"):
        assert part not in content


@pytest.mark.parametrize(
    ("content", "file_name", "content_type"),
    [(SVG, "a.svg", "image/svg+xml"), (HTML, "a.html", "text/html"), (zip_bomb(), "a.zip", "")],
)
async def test_what_is_only_ever_saved_is_kept_as_it_is(
    service: MessagingUnderTest, content: bytes, file_name: str, content_type: str
) -> None:
    ann = service.person("ann")

    uploaded = await ann.upload(content, file_name, content_type)

    assert not uploaded.has_preview
    assert (await ann.download(uploaded.attachment_id))[1] == content


async def test_file_beyond_the_limit_is_refused_before_and_while_it_comes(tmp_path: Path) -> None:
    options = {"PAPERPLANE_MAX_ATTACHMENT_BYTES": "1000000"}
    async with messaging_service(tmp_path, options) as service:
        ann = service.person("ann")
        taken = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal taken
            while True:
                taken += 100_000
                yield bytes(100_000)

        announced = await refused(ann.upload(b"x", size_bytes=1_000_001))
        unannounced = await refused(ann.upload(endless()))
        whole = await ann.upload(anything(1_000_000))

        assert {e.reason for e in (announced, unannounced)} == {"ATTACHMENT_TOO_LARGE"}
        assert announced.code is StatusCode.RESOURCE_EXHAUSTED
        # No more than the pipes between here and there hold.
        assert taken < 20_000_000
        assert stored(service) == [whole.attachment_id]


@pytest.mark.parametrize("announced", [99, 101])
async def test_other_length_than_announced_is_refused(
    service: MessagingUnderTest, announced: int
) -> None:
    error = await refused(service.person("ann").upload(bytes(100), size_bytes=announced))

    assert error.reason == "UPLOAD_INCOMPLETE"
    assert stored(service) == []


async def test_stream_out_of_order_is_refused(service: MessagingUnderTest) -> None:
    header = attachments_pb2.UploadAttachmentRequest(
        header=attachments_pb2.UploadHeader(file_name="a")
    )
    chunk = attachments_pb2.UploadAttachmentRequest(chunk=b"x")

    async def upload(*requests: attachments_pb2.UploadAttachmentRequest) -> object:
        call = service.person("ann").open_upload()
        for request in requests:
            await write(call, request.SerializeToString())
        await call.done_writing()
        return await call

    for requests in ((), (chunk,), (header, chunk, header), (header, header)):
        error = await refused(upload(*requests))
        assert (error.reason, error.fields) == ("INVALID_REQUEST", ("header",))
    empty = await refused(upload(header, attachments_pb2.UploadAttachmentRequest()))
    assert empty.reason == "INVALID_REQUEST"
    large = attachments_pb2.UploadAttachmentRequest(chunk=bytes(131_073))
    assert (await refused(upload(header, large))).fields == ("chunk",)
    assert stored(service) == []


async def test_upload_cut_off_leaves_nothing(service: MessagingUnderTest) -> None:
    ann = service.person("ann")
    header = attachments_pb2.UploadHeader(file_name="a")
    call = ann.open_upload()
    for part in (
        attachments_pb2.UploadAttachmentRequest(header=header),
        attachments_pb2.UploadAttachmentRequest(chunk=anything(131_072)),
    ):
        await write(call, part.SerializeToString())
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    # Its place among those under way is free again: ten more can begin.
    for _ in range(10):
        await ann.upload(b"x")
    assert len(stored(service)) == 10
    assert len(service.rows("SELECT * FROM attachments")) == 10


async def test_many_uploads_at_once_are_refused_but_for_ten(service: MessagingUnderTest) -> None:
    ann = service.person("ann")
    go = asyncio.Event()

    async def content() -> AsyncIterator[bytes]:
        yield b"first"
        await go.wait()
        yield b"second"

    async def attempt() -> str:
        try:
            return (await ann.upload(content())).attachment_id
        except grpc.aio.AioRpcError as error:
            return error.details() or ""

    attempts = [asyncio.ensure_future(attempt()) for _ in range(200)]
    done: set[asyncio.Future[str]] = set()
    waiting = set(attempts)
    while len(done) < 190:
        finished, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        done |= finished
    go.set()
    taken = await asyncio.gather(*waiting)

    assert len({each.result() for each in done}) == 1
    assert "too many uploads" in next(iter(done)).result()
    assert sorted(taken) == stored(service)


async def test_uploads_that_are_never_sent_are_counted(tmp_path: Path) -> None:
    options = {"PAPERPLANE_MAX_UNSENT_ATTACHMENTS": "2"}
    async with messaging_service(tmp_path, options) as service:
        ann, _, channel_id = await service.friends("ann", "bob")
        first, _ = await ann.upload(b"1"), await ann.upload(b"2")

        error = await refused(ann.upload(b"3"))
        await ann.send(channel_id, "", attachment_ids=[first.attachment_id])
        await ann.upload(b"3")

        assert (error.code, error.reason) == (StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_UPLOADS")
        assert len(stored(service)) == 3


async def test_uploads_that_are_never_sent_are_removed_after_a_day(tmp_path: Path) -> None:
    now = 1_000_000_000_000_000
    options = {"PAPERPLANE_SWEEP_SECONDS": "0.05"}
    async with messaging_service(tmp_path, options, clock=lambda: now) as service:
        ann, _, channel_id = await service.friends("ann", "bob")
        sent, unsent = await ann.upload(b"sent"), await ann.upload(picture(), "a.png")
        await ann.send(channel_id, "", attachment_ids=[sent.attachment_id])
        now += 86_400_000_000 - 1
        later = await ann.upload(b"later")
        now += 2

        await until(lambda: stored(service) == sorted([sent.attachment_id, later.attachment_id]))

        error = await refused(ann.send(channel_id, "", attachment_ids=[unsent.attachment_id]))
        assert error.reason == "ATTACHMENT_NOT_FOUND"
        assert (await ann.download(later.attachment_id))[1] == b"later"


async def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    """A row whose files were being stored, one of them whole and one in the middle."""
    async with messaging_service(tmp_path) as service:
        kept = await service.person("ann").upload(b"kept")
        await service.stop()
        columns = (
            "attachment_id, uploader_id, state, file_name, content_type, size_bytes, width, height"
        )
        with_times = f"{columns}, preview_bytes, preview_type, create_time"
        _execute(
            service,
            f"INSERT INTO attachments ({with_times}) "
            "VALUES ('half', 'ann', 'storing', 'x', 'x/x', 1, 0, 0, 0, '', 1)",
        )
        (service.files / "half").write_bytes(b"x")
        partial = service.files / "half.preview#1"
        partial.write_bytes(b"x")
        os.utime(partial, (1, 1))

        await service.start()
        await until(lambda: stored(service) == [kept.attachment_id])

        await until(lambda: len(service.rows("SELECT * FROM attachments")) == 1)


async def test_file_that_is_missing_is_no_half_download(service: MessagingUnderTest) -> None:
    ann = service.person("ann")
    uploaded = await ann.upload(b"x")
    (service.files / uploaded.attachment_id).unlink()

    for arguments in ({}, {"length": 1}):
        error = await refused(ann.download(uploaded.attachment_id, **arguments))
        assert error.reason == "ATTACHMENT_NOT_FOUND"


async def test_one_file_that_can_not_be_removed_is_in_no_others_way(
    service: MessagingUnderTest, friends: Friends
) -> None:
    ann, _, channel_id = friends
    stuck, other = await ann.upload(b"1"), await ann.upload(b"2")
    for each in (stuck, other):
        await ann.send(channel_id, "", attachment_ids=[each.attachment_id])
    # A folder can't be removed as if it were a file.
    (service.files / stuck.attachment_id).unlink()
    (service.files / stuck.attachment_id).mkdir()

    await ann.delete(channel_id, 1)
    await ann.delete(channel_id, 2)

    await until(lambda: stored(service) == [])
    left = [(stuck.attachment_id, "doomed")]
    await until(lambda: service.rows("SELECT attachment_id, state FROM attachments") == left)


async def test_deleting_again_and_again_keeps_the_sweep_from_nothing(tmp_path: Path) -> None:
    now = 1_000_000_000_000_000
    options = {"PAPERPLANE_SWEEP_SECONDS": "86400"}
    async with messaging_service(tmp_path, options, clock=lambda: now) as service:
        ann, _, channel_id = await service.friends("ann", "bob")
        overdue, sent = await ann.upload(b"overdue"), await ann.upload(b"sent")
        now += 86_400_000_001
        await service.stop()
        await service.start()
        await ann.upload(b"x")
        await until(lambda: overdue.attachment_id not in stored(service))
        assert sent.attachment_id not in stored(service)
        again = await ann.upload(b"again")
        await ann.send(channel_id, "", attachment_ids=[again.attachment_id])
        now += 86_400_000_001

        # Nothing but this calls for a sweep.
        await ann.delete(channel_id, 1)

        await until(lambda: stored(service) == [])


async def test_store_that_fails_is_told_and_leaves_nothing(service: MessagingUnderTest) -> None:
    ann = service.person("ann")
    await ann.upload(b"x")
    service.files.rename(service.files.with_name("moved"))
    service.files.write_bytes(b"a file where the folder was")

    error = await refused(ann.upload(b"y"))

    assert (error.code, error.reason) == (StatusCode.UNAVAILABLE, "STORAGE_UNAVAILABLE")
    service.files.unlink()
    service.files.with_name("moved").rename(service.files)
    assert (await ann.upload(b"z")).size_bytes == 1


def _execute(service: MessagingUnderTest, statement: str) -> None:
    change(service.settings.database, statement)
