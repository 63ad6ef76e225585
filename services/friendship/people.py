"""The network: entering it, changing one's entry, finding others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from chassis.refusals import FieldViolation, InvalidRequest
from services.friendship.domain import Person, Relationship, SeenPerson
from services.friendship.refusals import NotYourProfile, PersonExists, PersonNotFound
from services.friendship.store import people as store
from services.friendship.words import words

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from chassis.clock import Clock
    from chassis.database import Database
    from services.friendship.store import Write

SETTABLE = ("handle", "display_name", "headline")
_NEVER_EMPTY = ("handle", "display_name")
_MAX_WORDS = 8


@dataclass(frozen=True, slots=True)
class FoundPeople:
    """A page of a search, and where it ended, or None if nothing follows."""

    people: list[SeenPerson]
    end: store.Hit | None


class People:
    """What people do with the network.

    Arguments:
        database: the service's database.
        clock: tells the time.
    """

    def __init__(self, database: Database[Write], clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(
        self, caller_id: str, handle: str, display_name: str, headline: str
    ) -> SeenPerson:
        """Enter the caller into the network; with the same words once more, return them.

        Raises:
            PersonExists: the caller is in the network under other words.
            HandleTaken: another has the handle.
        """
        person = Person(caller_id, handle, display_name, headline, self._clock())
        kept: Person = await self._database.write(partial(_create, person=person))
        return SeenPerson(kept, Relationship.SELF)

    async def get(self, caller_id: str, person_id: str) -> SeenPerson:
        """Return a person by id.

        Raises:
            PersonNotFound: there is none.
        """
        return await self._database.read(lambda c: _see(c, caller_id, person_id))

    async def get_by_handle(self, caller_id: str, handle: str) -> SeenPerson:
        """Return a person by handle.

        Raises:
            PersonNotFound: there is none.
        """
        return await self._database.read(
            lambda c: _see(c, caller_id, store.find_person_id(c, handle))
        )

    async def update(
        self, caller_id: str, person_id: str, values: Mapping[str, str], paths: Sequence[str]
    ) -> SeenPerson:
        """Change fields of the caller's entry, all of them or none.

        Arguments:
            caller_id: who changes.
            person_id: whose entry; empty for the caller's.
            values: a value for each settable field.
            paths: which of them to take; none stands for those that are not empty.

        Raises:
            InvalidRequest: a path is wrong, or a value that its field can't have.
            NotYourProfile: the entry is another's.
            PersonNotFound: the caller is not in the network.
            HandleTaken: another has the handle.
        """
        if person_id not in ("", caller_id):
            raise NotYourProfile
        changes = _changes(values, paths)
        kept: Person = await self._database.write(
            partial(_update, person_id=caller_id, changes=changes)
        )
        return SeenPerson(kept, Relationship.SELF)

    async def search(
        self, caller_id: str, query: str, after: store.Hit | None, limit: int
    ) -> FoundPeople:
        """Find people each of whose names begins with a word of the query, the best first.

        Arguments:
            caller_id: who searches.
            query: words, in any case, with or without diacritics.
            after: where the page before ended.
            limit: how many to return at most.

        Raises:
            InvalidRequest: the query has too many words.
        """
        wanted = words(query)
        if len(wanted) > _MAX_WORDS:
            raise InvalidRequest.field("query", f"a query has at most {_MAX_WORDS} words")
        if not wanted:
            return FoundPeople([], None)
        # The longest word matches the fewest. A prefix of another one demands nothing more.
        lead = max(wanted, key=len)
        further = {
            word
            for word in wanted
            if not any(other != word and other.startswith(word) for other in wanted)
        } - {lead}

        def find(connection: Connection) -> FoundPeople:
            hits = store.search(connection, lead, sorted(further), after, limit + 1)
            page = hits[:limit]
            seen = store.seen_by(connection, caller_id, [hit.person_id for hit in page])
            end = page[-1] if len(hits) > limit else None
            return FoundPeople([seen[hit.person_id] for hit in page], end)

        return await self._database.read(find)


def _create(connection: Connection, person: Person) -> Person:
    kept = store.find_person(connection, person.person_id)
    if kept is None:
        store.insert_person(connection, person)
        return person
    if replace(person, create_time=kept.create_time, photo_id=kept.photo_id) != kept:
        raise PersonExists
    return kept


def _see(connection: Connection, viewer_id: str, person_id: str | None) -> SeenPerson:
    seen = store.seen_by(connection, viewer_id, [person_id]) if person_id else {}
    if person_id not in seen:
        raise PersonNotFound
    return seen[person_id]


def _update(connection: Connection, person_id: str, changes: Mapping[str, Any]) -> Person:
    kept = store.find_person(connection, person_id)
    if kept is None:
        raise PersonNotFound
    person = replace(kept, **changes)
    if person != kept:
        store.update_person(connection, person)
    return person


def _changes(values: Mapping[str, str], paths: Sequence[str]) -> dict[str, str]:
    """Return the fields that change, as AIP-134 reads a mask."""
    unknown = sorted(set(paths) - {*SETTABLE, "*"})
    if unknown:
        raise InvalidRequest.field(
            "update_mask", f"only these can be set: {', '.join(SETTABLE)}, or * for all"
        )
    if "*" in paths:
        paths = SETTABLE
    elif not paths:
        paths = [field for field in SETTABLE if values[field]]
    if not paths:
        raise InvalidRequest.field("update_mask", "say which fields to change, or fill some in")
    empty = [field for field in _NEVER_EMPTY if field in paths and not values[field]]
    if empty:
        raise InvalidRequest(
            tuple(FieldViolation(f"person.{field}", "must not be empty") for field in empty)
        )
    return {field: values[field] for field in paths}
