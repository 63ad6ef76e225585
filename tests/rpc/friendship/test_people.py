"""The network: entering it, changing one's entry, finding others."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from paperplane.friendship.v1 import friendship_pb2 as pb
from tests.support.friendship import Caller, World, reason_of, refusal


async def create(caller: Caller, handle: str, name: str, headline: str = "") -> pb.Person:
    request = pb.CreatePersonRequest(handle=handle, display_name=name, headline=headline)
    return (await caller.call(caller.people.CreatePerson, request)).person


async def update(caller: Caller, paths: list[str] | None = None, **fields: Any) -> pb.Person:
    mask = None if paths is None else FieldMask(paths=paths)
    request = pb.UpdatePersonRequest(person=pb.Person(**fields), update_mask=mask)
    return (await caller.call(caller.people.UpdatePerson, request)).person


async def search(caller: Caller, query: str, size: int = 0) -> list[str]:
    """Return the handles of all pages."""
    handles: list[str] = []
    token = ""
    while True:
        page = await caller.call(
            caller.people.SearchPeople,
            pb.SearchPeopleRequest(query=query, page_size=size, page_token=token),
        )
        handles += [person.handle for person in page.people]
        token = page.next_page_token
        if not token:
            return handles
        assert len(page.people) == (size or 50)


async def test_created_person_is_found_by_id_and_by_handle(world: World) -> None:
    ann, bob = world.caller("ann"), await world.person("bob")
    created = await create(ann, "ann_1", "Ann Lee", "Sings")

    assert created.person_id == "ann"
    assert created.relationship == pb.RELATIONSHIP_SELF
    assert not created.can_message
    by_id = await bob.see(ann)
    by_handle = await bob.call(bob.people.GetPerson, pb.GetPersonRequest(handle="ann_1"))
    assert by_id == by_handle.person
    assert by_id.relationship == pb.RELATIONSHIP_NONE
    assert (by_id.display_name, by_id.headline) == ("Ann Lee", "Sings")


async def test_creating_again_with_the_same_words_returns_the_same_person(world: World) -> None:
    ann = world.caller("ann")
    created = await create(ann, "ann", "Ann", "x")

    assert await create(ann, "ann", "Ann", "x") == created
    assert await reason_of(create(ann, "ann", "Ann", "y")) == "PERSON_EXISTS"
    assert await reason_of(create(ann, "other", "Ann", "x")) == "PERSON_EXISTS"


async def test_handle_belongs_to_one_person(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")

    refused = await refusal(create(world.caller("eve"), "ann", "Eve"))
    assert (refused.code, refused.reason) == (grpc.StatusCode.ALREADY_EXISTS, "HANDLE_TAKEN")
    assert await reason_of(update(bob, handle="ann", headline="x")) == "HANDLE_TAKEN"
    assert (await ann.see(bob)).headline == ""
    assert (await update(ann, handle="anna")).handle == "anna"
    assert (await update(bob, handle="ann")).handle == "ann"


async def test_unknown_people_are_not_found(world: World) -> None:
    ann = await world.person("ann")
    for key in ({"person_id": "nobody"}, {"handle": "nobody"}, {"person_id": "a'b"}):
        request = pb.GetPersonRequest(**key)
        assert await reason_of(ann.call(ann.people.GetPerson, request)) == "PERSON_NOT_FOUND"


async def test_update_without_mask_changes_what_is_not_empty(world: World) -> None:
    ann = world.caller("ann")
    await create(ann, "ann", "Ann", "Sings")
    changed = await update(ann, person_id="ann", display_name="Anne")

    assert (changed.handle, changed.display_name, changed.headline) == ("ann", "Anne", "Sings")


async def test_update_with_mask_changes_exactly_its_fields(world: World) -> None:
    ann = world.caller("ann")
    await create(ann, "ann", "Ann", "Sings")
    changed = await update(ann, ["headline"], display_name="left out", headline="")

    assert (changed.display_name, changed.headline) == ("Ann", "")
    changed = await update(ann, ["*"], handle="anne", display_name="Anne")
    assert (changed.handle, changed.display_name, changed.headline) == ("anne", "Anne", "")


@pytest.mark.parametrize(
    ("paths", "fields", "violated"),
    [
        (["nonsense"], {"headline": "x"}, "update_mask"),
        (["person_id"], {"headline": "x"}, "update_mask"),
        (["relationship"], {"headline": "x"}, "update_mask"),
        (["create_time", "headline"], {"headline": "x"}, "update_mask"),
        (["*", "nonsense"], {"handle": "abc", "display_name": "x"}, "update_mask"),
        ([""], {"headline": "x"}, "update_mask"),
        ([], {}, "update_mask"),
        (None, {}, "update_mask"),
        (["handle"], {}, "person.handle"),
        (["display_name"], {"handle": "abc"}, "person.display_name"),
        (["*"], {"handle": "abc"}, "person.display_name"),
        (None, {"handle": "UPPER"}, "person.handle"),
    ],
)
async def test_wrong_updates_change_nothing(
    world: World, paths: list[str] | None, fields: dict[str, str], violated: str
) -> None:
    ann = await world.person("ann")
    before = await ann.see(ann)

    refused = await refusal(update(ann, paths, **fields))

    assert (refused.reason, refused.fields) == ("INVALID_REQUEST", (violated,))
    assert await ann.see(ann) == before


async def test_only_ones_own_entry_can_be_changed(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    for other in ("bob", "nobody"):
        refused = await refusal(update(ann, person_id=other, headline="x"))
        assert refused.code == grpc.StatusCode.PERMISSION_DENIED
        assert refused.reason == "NOT_YOUR_PROFILE"
    assert (await bob.see(bob)).headline == ""
    assert await reason_of(update(world.caller("nobody"), headline="x")) == "PERSON_NOT_FOUND"


async def test_search_folds_case_and_diacritics(world: World) -> None:
    ann = await world.person("ann")
    names = ["Zoë Ångström", "Łukasz Müller", "ΣΊΣΥΦΟΣ", "Straße Weg", "Jo O'Brien", "İpek"]
    handles = [f"person_{number}" for number in range(len(names))]
    for handle, name in zip(handles, names, strict=True):
        await world.person(handle, name, handle)
    for query, number in [
        ("zoe", 0),
        ("ANGSTROM", 0),
        ("zoë ång", 0),
        ("lukasz", 1),
        ("muller łuk", 1),
        ("σίσυφοσ", 2),
        ("σισυφος", 2),
        ("strasse", 3),
        ("o'brien", 4),
        ("brien o jo", 4),
        ("ipek", 5),
        ("person_4", 4),
    ]:
        assert await search(ann, query) == [handles[number]], query


async def test_search_ranks_handles_first_and_whole_words_before_longer_ones(world: World) -> None:
    await world.person("p1", "Anna Annabel", "zz1")
    await world.person("p2", "Ann Other", "zz2")
    await world.person("p3", "Zed", "anna")
    await world.person("p4", "Zed Annan", "ann")
    bob = await world.person("bob")

    assert await search(bob, "ann") == ["ann", "anna", "zz2", "zz1"]
    assert await search(bob, "ann", size=1) == ["ann", "anna", "zz2", "zz1"]
    assert await search(bob, "ann an anna") == ["anna", "zz1", "ann"]


async def test_search_demands_every_word(world: World) -> None:
    await world.person("p1", "Maria Lopez", "maria")
    await world.person("p2", "Maria Lang", "mlang")
    bob = await world.person("bob")

    assert await search(bob, "maria lo") == ["maria"]
    assert await search(bob, "maria l") == ["maria", "mlang"]
    assert await search(bob, "maria x") == []


async def test_search_follows_a_changed_name(world: World) -> None:
    ann = await world.person("ann", "Ann Lee")
    await update(ann, display_name="Ann Roe")

    assert await search(ann, "lee") == []
    assert await search(ann, "roe") == ["ann"]


@pytest.mark.parametrize("query", ["!!!", "   ", "%", "*", "?'\"", "\u0301", "\U0010ffff"])
async def test_search_without_a_usable_word_finds_nobody(world: World, query: str) -> None:
    ann = await world.person("ann")
    assert await search(ann, query) == []


async def test_search_of_too_many_words_is_refused(world: World) -> None:
    ann = await world.person("ann")
    assert await search(ann, "a b c d e f g h") == []
    refused = await refusal(search(ann, "a b c d e f g h i"))
    assert (refused.reason, refused.fields) == ("INVALID_REQUEST", ("query",))


async def test_search_shows_how_each_stands_to_the_caller(world: World) -> None:
    ann = await world.person("ann", "Same")
    people = {name: await world.person(name, "Same") for name in ("bob", "cat", "dan", "eve")}
    await ann.befriend(people["bob"])
    await ann.ask(people["cat"])
    await people["dan"].ask(ann)
    await ann.block(people["eve"])

    page = await ann.call(ann.people.SearchPeople, pb.SearchPeopleRequest(query="same"))

    assert {person.person_id: person.relationship for person in page.people} == {
        "ann": pb.RELATIONSHIP_SELF,
        "bob": pb.RELATIONSHIP_FRIENDS,
        "cat": pb.RELATIONSHIP_REQUEST_SENT,
        "dan": pb.RELATIONSHIP_REQUEST_RECEIVED,
        "eve": pb.RELATIONSHIP_BLOCKED,
    }
    assert [p.person_id for p in page.people if p.can_message] == ["bob"]


async def test_every_method_needs_a_caller(world: World) -> None:
    nobody: Any = world.caller("")
    for attempt in (
        nobody.ask(nobody),
        nobody.see(nobody),
        nobody.friends(),
        nobody.events(),
    ):
        refused = await refusal(attempt)
        assert refused.code == grpc.StatusCode.UNAUTHENTICATED
        assert refused.reason == "TOKEN_MISSING"
