"""Search among many people: pages that are stable, complete and disjoint, at the cost of a page."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from sqlalchemy import insert

from chassis.database.engine import open_engine
from paperplane.friendship.v1 import friendship_pb2 as pb
from services.friendship.domain import Person
from services.friendship.schema import people, people_terms
from services.friendship.store.people import term_rows
from tests.support.friendship import Caller, friendship_world

pytestmark = pytest.mark.slow

GIVEN = ["Anna", "Annika", "Béla", "Chloé", "Dmitri", "Eva", "Fatima", "Göran", "Hana", "Ivo"]
FAMILY = ["Anders", "Brown", "Çelik", "Dvořák", "Eriksen", "Fox", "García", "Hall", "Ito", "Jansen"]


def crowd(count: int) -> list[Person]:
    dice = random.Random(7)
    return [
        Person(
            f"id-{dice.getrandbits(64):016x}",
            f"{dice.choice(GIVEN).lower().encode('ascii', 'ignore').decode()}_{number:06}",
            f"{dice.choice(GIVEN)} {dice.choice(FAMILY)} {number % 97}",
            "",
            1,
        )
        for number in range(count)
    ]


async def all_pages(caller: Caller, query: str, size: int) -> list[str]:
    """Return the ids of all pages, in order. Between pages, others enter the network."""
    found: list[str] = []
    token = ""
    while True:
        request = pb.SearchPeopleRequest(query=query, page_size=size, page_token=token)
        page = await caller.call(caller.people.SearchPeople, request)
        found += [person.person_id for person in page.people]
        token = page.next_page_token
        if not token:
            return found


def expected(everyone: Sequence[Person], given: str, family: str) -> set[str]:
    return {
        person.person_id
        for person in everyone
        if family in person.display_name and (given in person.display_name.split()[0])
    }


@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [20_000, pytest.param(100_000, marks=pytest.mark.prove)])
async def test_pages_of_a_large_network_are_stable_complete_and_disjoint(count: int) -> None:
    async with friendship_world() as world:
        everyone = crowd(count)
        engine = open_engine(world.settings.database, read_only=False, pool_size=1)
        with engine.begin() as connection:
            rows = [
                {
                    "person_id": person.person_id,
                    "handle": person.handle,
                    "display_name": person.display_name,
                    "headline": person.headline,
                    "create_time": person.create_time,
                }
                for person in everyone
            ]
            connection.execute(insert(people), rows)
            terms = [row for person in everyone for row in term_rows(person)]
            connection.execute(insert(people_terms), terms)
        engine.dispose()
        ann = await world.person("ann", "Zz", "zzz")

        # Every word of the query leads to the same people, whatever the size of the page.
        wide = await all_pages(ann, "dvorak chloe", 200)
        assert wide == await all_pages(ann, "CHLOÉ Dvořák", 137)
        assert len(set(wide)) == len(wide)
        named = expected(everyone, "Chloé", "Dvořák")
        handled = {p.person_id for p in everyone if p.handle.startswith("chloe")}
        by_family = {p.person_id for p in everyone if "Dvořák" in p.display_name}
        assert set(wide) == named | (handled & by_family)
        assert len(wide) > 200

        # Everyone whose handle or name begins so, once, those by handle first.
        every = await all_pages(ann, "annik", 200)
        by_handle = sorted(
            (p.handle, p.person_id) for p in everyone if p.handle < "annil" and p.handle >= "annik"
        )
        assert every[: len(by_handle)] == [person_id for _, person_id in by_handle]
        assert len(set(every)) == len(every)
        assert set(every) == {
            p.person_id
            for p in everyone
            if p.handle.startswith("annik") or "Annik" in p.display_name
        }
