"""Bad input gets a clear answer, and nothing is stored."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import grpc
import pytest
import pytest_asyncio

from chassis.calls import PERSON_KEY
from paperplane.friendship.v1 import friendship_pb2 as pb
from tests.support import databases
from tests.support.databases import Backend
from tests.support.friendship import Refused, World, friendship_world, refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")

PEOPLE = "/paperplane.friendship.v1.PeopleService/"
FRIENDSHIP = "/paperplane.friendship.v1.FriendshipService/"
AUTHORIZATION = "/paperplane.friendship.v1.ChannelAuthorizationService/"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(backend: Backend) -> AsyncGenerator[World]:
    """One for the whole module and each database: what is refused leaves nothing behind."""
    assert backend == databases.chosen()
    async with friendship_world() as world:
        yield world


async def send_raw(world: World, method: str, data: bytes, person_id: str = "ann") -> Refused:
    """Call a method with bytes that no stub would send."""
    channel: Any = world.channel
    call = channel.unary_unary(method)
    return await refusal(call(data, metadata=((PERSON_KEY, person_id),), timeout=10))


def person(**fields: Any) -> pb.CreatePersonRequest:
    return pb.CreatePersonRequest(**{"handle": "eve", "display_name": "Eve", **fields})


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("CreatePerson", person(handle=""), "handle"),
        ("CreatePerson", person(handle="ab"), "handle"),
        ("CreatePerson", person(handle="a" * 31), "handle"),
        ("CreatePerson", person(handle="Upper"), "handle"),
        ("CreatePerson", person(handle="dots.no"), "handle"),
        ("CreatePerson", person(handle="abc\n"), "handle"),
        ("CreatePerson", person(handle="abc\x00"), "handle"),
        ("CreatePerson", person(handle="аbс"), "handle"),  # noqa: RUF001 - Cyrillic on purpose
        ("CreatePerson", person(display_name=""), "display_name"),
        ("CreatePerson", person(display_name="  \u2003 "), "display_name"),
        ("CreatePerson", person(display_name="x" * 81), "display_name"),
        ("CreatePerson", person(display_name="a\x07b"), "display_name"),
        ("CreatePerson", person(headline="x" * 121), "headline"),
        ("CreatePerson", person(headline="a\nb"), "headline"),
        ("GetPerson", pb.GetPersonRequest(), "key"),
        ("GetPerson", pb.GetPersonRequest(person_id=""), "person_id"),
        ("GetPerson", pb.GetPersonRequest(person_id="x" * 256), "person_id"),
        ("GetPerson", pb.GetPersonRequest(handle="NO"), "handle"),
        ("UpdatePerson", pb.UpdatePersonRequest(), "person"),
        ("SearchPeople", pb.SearchPeopleRequest(), "query"),
        ("SearchPeople", pb.SearchPeopleRequest(query="x" * 101), "query"),
        ("SearchPeople", pb.SearchPeopleRequest(query="x", page_size=201), "page_size"),
        ("SearchPeople", pb.SearchPeopleRequest(query="x", page_size=-1), "page_size"),
        ("SearchPeople", pb.SearchPeopleRequest(query="x", page_token="t" * 2049), "page_token"),
    ],
)
async def test_people_service_names_the_field_at_fault(
    world: World, method: str, request_: Any, field: str
) -> None:
    ann = await world.person("ann")
    caller = world.caller("eve") if method == "CreatePerson" else ann
    refused = await refusal(caller.call(getattr(caller.people, method), request_))

    assert refused.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refused.reason == "INVALID_REQUEST"
    assert set(refused.fields) == {field}
    assert (await refusal(ann.see(world.caller("eve")))).reason == "PERSON_NOT_FOUND"


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("SendFriendRequest", pb.SendFriendRequestRequest(), "person_id"),
        ("SendFriendRequest", pb.SendFriendRequestRequest(person_id="x" * 256), "person_id"),
        (
            "SendFriendRequest",
            pb.SendFriendRequestRequest(person_id="bob", note="x" * 301),
            "note",
        ),
        ("SendFriendRequest", pb.SendFriendRequestRequest(person_id="bob", note="\x00"), "note"),
        ("CancelFriendRequest", pb.CancelFriendRequestRequest(), "request_id"),
        ("AcceptFriendRequest", pb.AcceptFriendRequestRequest(request_id="x" * 65), "request_id"),
        ("IgnoreFriendRequest", pb.IgnoreFriendRequestRequest(), "request_id"),
        ("ListFriendRequests", pb.ListFriendRequestsRequest(), "box"),
        ("ListFriendRequests", pb.ListFriendRequestsRequest(box=9), "box"),  # type: ignore[arg-type]
        ("ListFriends", pb.ListFriendsRequest(page_size=201), "page_size"),
        ("RemoveFriend", pb.RemoveFriendRequest(), "person_id"),
        ("BlockPerson", pb.BlockPersonRequest(), "person_id"),
        ("UnblockPerson", pb.UnblockPersonRequest(), "person_id"),
        ("ListBlockedPeople", pb.ListBlockedPeopleRequest(page_size=-5), "page_size"),
    ],
)
async def test_friendship_service_names_the_field_at_fault(
    world: World, method: str, request_: Any, field: str
) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    refused = await refusal(ann.call(getattr(ann.friendship, method), request_))

    assert refused.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refused.reason == "INVALID_REQUEST"
    assert refused.fields == (field,)
    assert await ann.kinds() == await bob.kinds() == []


@pytest.mark.parametrize("method", [PEOPLE + "CreatePerson", FRIENDSHIP + "SendFriendRequest"])
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x0a\x03\xff\xfe\xfd", id="invalid_utf8"),
        pytest.param(b"\x0a\x7fshort", id="truncated"),
        pytest.param(b"\xff" * 20, id="garbage"),
    ],
)
async def test_malformed_message_is_an_invalid_request(
    world: World, method: str, data: bytes
) -> None:
    refused = await send_raw(world, method, data)

    assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert b"short" not in refused.raw


async def test_longest_words_are_taken_and_returned_whole(world: World) -> None:
    ann = world.caller("a" * 255)
    request = pb.CreatePersonRequest(
        handle="z" * 30, display_name="\U0001f468" * 80, headline="é" * 120
    )
    made = (await ann.call(ann.people.CreatePerson, request)).person
    cat = await world.person("cat")
    asked = await cat.ask(ann, note="ﷺ" * 300)

    assert made.display_name == request.display_name
    assert asked.note == "ﷺ" * 300
    seen = await ann.box(pb.REQUEST_BOX_RECEIVED)
    assert seen[0].note == asked.note


async def test_authorization_names_the_field_at_fault(world: World) -> None:
    refused = await send_raw(world, AUTHORIZATION + "AuthorizeChannels", b"")
    assert (refused.reason, refused.fields) == ("INVALID_REQUEST", ("pairs",))


async def test_errors_repeat_nothing_that_was_written(world: World) -> None:
    marker = "m4rk3r"
    ann, dan = await world.person("ann"), await world.person("dan", handle=marker)
    refused = [
        await refusal(ann.enter(marker, marker)),
        await refusal(world.caller("eve").enter(marker, marker)),
        await refusal(world.caller("eve").enter(marker, marker.upper())),
        await refusal(ann.ask(dan, note=marker * 60)),
        await refusal(ann.call(ann.people.SearchPeople, pb.SearchPeopleRequest(query=marker * 20))),
        await refusal(ann.call(ann.people.GetPerson, pb.GetPersonRequest(handle=marker + "x"))),
    ]
    assert not [r for r in refused if marker.encode() in r.raw.lower()]
