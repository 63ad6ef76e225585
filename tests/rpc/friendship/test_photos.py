"""Photos: set, seen by everyone wherever a person is, replaced and taken away, and never half there."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from PIL import Image

from paperplane.friendship.v1 import friendship_pb2 as pb
from tests.support.databases import change
from tests.support.friendship import Caller, Refused, World, friendship_world, refusal
from tests.support.pictures import BLUE, RED, plain, shows

NOWHERE = "AAAAAAAAAAAAAAAAAAAAAA"


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def files_of(world: World) -> list[str]:
    return sorted(path.name for path in (world.folder / "photos").iterdir())


async def until_swept(world: World, *photo_ids: str) -> None:
    """Wait until there are the files of these photos and no others."""
    expected = sorted(f"{photo_id}.{size}" for photo_id in photo_ids for size in (96, 512))
    async with asyncio.timeout(10):
        while await asyncio.to_thread(files_of, world) != expected:
            pass


# ---- what is asked for --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
async def test_a_photo_comes_in_two_sizes_and_tells_nothing_else(world: World, name: str) -> None:
    ann, bob = await world.person(), await world.person()
    exif = Image.Exif()
    exif[0x010E] = "where it was taken"
    content = plain(RED, name, (300, 100), exif=exif)
    person = await ann.set_photo(content, f"image/{name.lower()}", len(content))
    assert person.relationship == pb.RELATIONSHIP_SELF
    assert len(person.photo_id) == 22
    for size, pixels in ((pb.PHOTO_SIZE_SMALL, 96), (pb.PHOTO_SIZE_LARGE, 512)):
        request = pb.GetPhotoRequest(photo_id=person.photo_id, size=size)
        answer = await bob.call(bob.people.GetPhoto, request)
        assert answer.content_type == "image/webp"
        image = opened(answer.content)
        assert (image.format, image.size) == ("WEBP", (pixels, pixels))
        assert shows(answer.content, RED)
        assert b"where" not in answer.content


async def test_a_photo_shows_wherever_its_person_does(world: World) -> None:
    ann, bob = await world.person(name="Ann Photogenic"), await world.person()
    asked = await ann.ask(bob)
    photo_id = (await ann.set_photo(plain())).photo_id
    assert (await bob.see(ann)).photo_id == photo_id
    by_handle = pb.GetPersonRequest(handle=(await bob.see(ann)).handle)
    assert (await bob.call(bob.people.GetPerson, by_handle)).person.photo_id == photo_id
    search = pb.SearchPeopleRequest(query="photogenic")
    (found,) = (await bob.call(bob.people.SearchPeople, search)).people
    assert found.photo_id == photo_id
    (received,) = await bob.box(pb.REQUEST_BOX_RECEIVED)
    assert received.person.photo_id == photo_id
    (event,) = await bob.events()
    assert event.request_received.friend_request.person.photo_id == photo_id
    await bob.accept(asked.request_id)
    (friend,) = (await bob.call(bob.friendship.ListFriends, pb.ListFriendsRequest())).friends
    assert friend.photo_id == photo_id
    await bob.block(ann)
    listed = await bob.call(bob.friendship.ListBlockedPeople, pb.ListBlockedPeopleRequest())
    assert [person.photo_id for person in listed.people] == [photo_id]


async def test_other_changes_leave_the_photo(world: World) -> None:
    ann = await world.person(name="Ann", handle="ann")
    photo_id = (await ann.set_photo(plain())).photo_id
    update = pb.UpdatePersonRequest(person=pb.Person(headline="hello"))
    assert (await ann.call(ann.people.UpdatePerson, update)).person.photo_id == photo_id
    again = pb.CreatePersonRequest(handle="ann", display_name="Ann", headline="hello")
    assert (await ann.call(ann.people.CreatePerson, again)).person.photo_id == photo_id


async def test_a_new_photo_takes_the_place_of_the_old_one(world: World) -> None:
    ann, bob = await world.person(), await world.person()
    first = (await ann.set_photo(plain(RED))).photo_id
    second = (await ann.set_photo(plain(BLUE))).photo_id
    assert first != second
    assert (await bob.see(ann)).photo_id == second
    assert (await refusal(bob.photo(first))).reason == "PHOTO_NOT_FOUND"
    await until_swept(world, second)
    assert opened(await bob.photo(second)).size == (96, 96)


async def test_a_photo_that_is_taken_away_is_gone(world: World) -> None:
    ann, bob = await world.person(), await world.person()
    photo_id = (await ann.set_photo(plain())).photo_id
    for _ in range(2):
        assert (await ann.delete_photo()).photo_id == ""
        assert (await bob.see(ann)).photo_id == ""
        assert (await refusal(bob.photo(photo_id))).reason == "PHOTO_NOT_FOUND"
    await until_swept(world)


async def test_of_two_at_once_one_stays_and_nothing_is_left_of_the_other(world: World) -> None:
    ann, bob = await world.person(), await world.person()
    set_by_others = await bob.set_photo(plain())
    people = await asyncio.gather(*(ann.set_photo(plain(RED)) for _ in range(6)))
    stays = (await bob.see(ann)).photo_id
    assert stays in {person.photo_id for person in people}
    await until_swept(world, stays, set_by_others.photo_id)


async def test_photos_tell_nothing_of_who_blocks_or_ignores_whom(world: World) -> None:
    ann, bob, eve = [await world.person() for _ in range(3)]
    photo_id = (await ann.set_photo(plain())).photo_id
    await ann.ignore((await bob.ask(ann)).request_id)
    await ann.block(eve)
    stranger = await world.person()
    seen = {caller.id: (await caller.see(ann)).photo_id for caller in (bob, eve, stranger)}
    assert set(seen.values()) == {photo_id}
    shown = {await caller.photo(photo_id) for caller in (bob, eve, stranger)}
    assert len(shown) == 1


# ---- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "content_type", "size", "code", "reason"),
    [
        (plain(), "image/png", 0, "INVALID_ARGUMENT", "PHOTO_TYPE_UNKNOWN"),
        (plain(kind="PNG"), "image/jpeg", 0, "INVALID_ARGUMENT", "PHOTO_TYPE_UNKNOWN"),
        (plain(kind="GIF"), "image/gif", 0, "INVALID_ARGUMENT", "PHOTO_TYPE_UNKNOWN"),
        (plain(kind="GIF"), "", 0, "INVALID_ARGUMENT", "PHOTO_TYPE_UNKNOWN"),
        (b"%PDF-1.7", "application/pdf", 0, "INVALID_ARGUMENT", "PHOTO_TYPE_UNKNOWN"),
        (b"<svg onload='alert(1)'/>", "image/svg+xml", 0, "INVALID_ARGUMENT", "PHOTO_TYPE_UNKNOWN"),
        (b"<svg onload='alert(1)'/>", "image/png", 0, "INVALID_ARGUMENT", "PHOTO_TYPE_UNKNOWN"),
        (plain()[:300], "", 0, "INVALID_ARGUMENT", "PICTURE_UNREADABLE"),
        (plain(size=(101, 100)), "", 0, "INVALID_ARGUMENT", "PICTURE_TOO_LARGE"),
        (plain(), "", 20_001, "RESOURCE_EXHAUSTED", "PHOTO_TOO_LARGE"),
        (bytes(20_001), "", 0, "RESOURCE_EXHAUSTED", "PHOTO_TOO_LARGE"),
        (plain(), "", 20, "INVALID_ARGUMENT", "UPLOAD_INCOMPLETE"),
        (plain(), "", 20_000, "INVALID_ARGUMENT", "UPLOAD_INCOMPLETE"),
        (b"", "image/png", 0, "INVALID_ARGUMENT", "UPLOAD_INCOMPLETE"),
    ],
)
async def test_what_is_no_photo_is_refused_and_changes_nothing(
    content: bytes, content_type: str, size: int, code: str, reason: str
) -> None:
    async with friendship_world(max_photo_bytes=20_000, max_picture_pixels=10_000) as world:
        ann = await world.person()
        before = (await ann.set_photo(plain())).photo_id
        refused = await refusal(ann.set_photo(content, content_type, size))
        assert (refused.code.name, refused.reason) == (code, reason)
        assert (await ann.see(ann)).photo_id == before
        assert files_of(world) == sorted([f"{before}.96", f"{before}.512"])


async def test_who_is_not_in_the_network_has_no_photo(world: World) -> None:
    stranger = world.caller("stranger")
    never_read = asyncio.Event()

    async def content() -> AsyncIterator[bytes]:
        await never_read.wait()
        yield b""

    assert (await refusal(stranger.set_photo(content()))).reason == "PERSON_NOT_FOUND"
    assert (await refusal(stranger.delete_photo())).reason == "PERSON_NOT_FOUND"


@pytest.mark.parametrize("photo_id", [NOWHERE, "../../etc/passwd", "a.512", ".."])
async def test_an_id_of_no_photo_is_not_found(world: World, photo_id: str) -> None:
    ann = await world.person()
    refused = await refusal(ann.photo(photo_id))
    assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "PHOTO_NOT_FOUND")


async def test_requests_out_of_order_are_refused(world: World) -> None:
    ann = await world.person()
    header = pb.SetPhotoRequest(header=pb.PhotoHeader())
    chunk = pb.SetPhotoRequest(chunk=plain())

    async def said(*requests: pb.SetPhotoRequest) -> Refused:
        call: Any = ann.people.SetPhoto(iter(requests), metadata=ann.metadata, timeout=10)
        return await refusal(call)

    for requests in ((), (chunk,), (chunk, header), (header, header), (header, chunk, header)):
        refused = await said(*requests)
        assert (refused.reason, refused.fields) == ("INVALID_REQUEST", ("header",)), requests
    assert (await said(header, pb.SetPhotoRequest(chunk=bytes(131_073)))).fields == ("chunk",)
    assert (await said(pb.SetPhotoRequest())).reason == "INVALID_REQUEST"
    assert (await ann.see(ann)).photo_id == ""


async def test_a_size_must_be_named(world: World) -> None:
    ann = await world.person()
    photo_id = (await ann.set_photo(plain())).photo_id
    for size in (pb.PHOTO_SIZE_UNSPECIFIED, 7):
        refused = await refusal(ann.photo(photo_id, size))  # type: ignore[arg-type] # on purpose
        assert (refused.reason, refused.fields) == ("INVALID_REQUEST", ("size",))


# ---- what breaks --------------------------------------------------------------------------------


async def test_an_upload_that_is_broken_off_leaves_nothing(world: World) -> None:
    ann = await world.person()
    before = (await ann.set_photo(plain())).photo_id
    taken = asyncio.Event()

    async def content() -> AsyncIterator[bytes]:
        yield plain(BLUE)
        taken.set()
        await asyncio.Event().wait()

    call = ann.open_photo(pb.PhotoHeader(), content())
    await taken.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (await ann.see(ann)).photo_id == before
    await until_swept(world, before)


async def test_a_store_that_fails_leaves_the_photo_as_it_was(world: World) -> None:
    ann = await world.person()
    before = (await ann.set_photo(plain())).photo_id
    folder = world.folder / "photos"
    folder.rename(world.folder / "away")
    folder.write_bytes(b"no folder")
    refused = await refusal(ann.set_photo(plain(BLUE)))
    assert (refused.code.name, refused.reason) == ("UNAVAILABLE", "STORAGE_UNAVAILABLE")
    assert (await refusal(ann.photo(before))).reason == "STORAGE_UNAVAILABLE"
    assert (await ann.see(ann)).photo_id == before
    folder.unlink()
    (world.folder / "away").rename(folder)
    assert opened(await ann.photo(before)).size == (96, 96)
    # What could not be swept then is swept with the next photo.
    after = (await ann.set_photo(plain(BLUE))).photo_id
    await until_swept(world, after)


async def test_a_photo_whose_file_is_lost_is_not_found(world: World) -> None:
    ann = await world.person()
    photo_id = (await ann.set_photo(plain())).photo_id
    (world.folder / "photos" / f"{photo_id}.96").unlink()
    assert (await refusal(ann.photo(photo_id))).reason == "PHOTO_NOT_FOUND"


async def test_what_was_half_stored_an_hour_ago_is_swept_at_start(world: World) -> None:
    ann = await world.person()
    kept = (await ann.set_photo(plain())).photo_id
    await world.stop()
    folder = world.folder / "photos"
    now = world.clock()
    # One that can't be removed is in no other's way.
    (folder / "always.96").mkdir()
    for photo_id, state, age in (
        ("always", 2, 9000),
        ("young", 0, 3500),
        ("old", 0, 3700),
        ("doomed", 2, 1),
    ):
        row = {"id": photo_id, "who": ann.id, "state": state, "time": now - age * 1_000_000}
        insert = "INSERT INTO photos VALUES (:id, :who, :state, :time)"
        change(world.settings.database, insert, **row)
        (folder / f"{photo_id}.512").write_bytes(b"x")
        partial = folder / f"{photo_id}.96#1"
        partial.write_bytes(b"x")
        os.utime(partial, (1, 1))
    (folder / "young.96").write_bytes(b"x")
    await world.start()
    await until_swept(world, kept, "young", "always")
    assert opened(await Caller(ann.id, world.channel).photo(kept)).size == (96, 96)
