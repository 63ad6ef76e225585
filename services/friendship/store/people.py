"""Reads and writes people, and finds them by their words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, delete, exists, insert, literal, not_, select, update
from sqlalchemy.exc import IntegrityError

from services.friendship.domain import Pair, Person, Relationship, SeenPerson
from services.friendship.refusals import HandleTaken
from services.friendship.schema import (
    TERM_OF_HANDLE,
    TERM_OF_NAME,
    pairs,
    people,
    people_terms,
    photos,
)
from services.friendship.store.pairs import to_state
from services.friendship.store.photos import IS_KEPT
from services.friendship.words import name_words

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Row

_IS_THEIR_PHOTO = and_(photos.c.person_id == people.c.person_id, IS_KEPT)
_LAST_CHARACTER = "\U0010ffff"


def to_person(row: Row[Any]) -> Person:
    """Read a person from their row, and the id of their photo beside it."""
    return Person(
        person_id=row.person_id,
        handle=row.handle,
        display_name=row.display_name,
        headline=row.headline,
        create_time=row.create_time,
        photo_id=row.photo_id or "",
    )


def find_person(connection: Connection, person_id: str) -> Person | None:
    """Return a person by id."""
    row = connection.execute(
        select(people, photos.c.photo_id)
        .select_from(people.outerjoin(photos, _IS_THEIR_PHOTO))
        .where(people.c.person_id == person_id)
    ).first()
    return None if row is None else to_person(row)


def find_person_id(connection: Connection, handle: str) -> str | None:
    """Return the id of the person with a handle."""
    return connection.scalar(select(people.c.person_id).where(people.c.handle == handle))


def present(connection: Connection, person_ids: Collection[str]) -> set[str]:
    """Return those of the ids that are people's."""
    return set(
        connection.scalars(select(people.c.person_id).where(people.c.person_id.in_(person_ids)))
    )


def insert_person(connection: Connection, person: Person) -> None:
    """Enter a person who is not in the network.

    Raises:
        HandleTaken: another has the handle.
    """
    try:
        with connection.begin_nested():
            connection.execute(
                insert(people).values(
                    person_id=person.person_id,
                    handle=person.handle,
                    display_name=person.display_name,
                    headline=person.headline,
                    create_time=person.create_time,
                )
            )
    except IntegrityError:
        raise HandleTaken from None
    _write_terms(connection, person)


def update_person(connection: Connection, person: Person) -> None:
    """Write what may change of a person.

    Raises:
        HandleTaken: another has the handle.
    """
    try:
        with connection.begin_nested():
            connection.execute(
                update(people)
                .where(people.c.person_id == person.person_id)
                .values(
                    handle=person.handle,
                    display_name=person.display_name,
                    headline=person.headline,
                )
            )
    except IntegrityError:
        raise HandleTaken from None
    connection.execute(delete(people_terms).where(people_terms.c.person_id == person.person_id))
    _write_terms(connection, person)


def _write_terms(connection: Connection, person: Person) -> None:
    connection.execute(insert(people_terms), term_rows(person))


def term_rows(person: Person) -> list[dict[str, Any]]:
    """Return the rows by which a search finds a person."""
    terms = [(TERM_OF_HANDLE, person.handle)]
    terms += [(TERM_OF_NAME, word) for word in sorted(name_words(person.display_name))]
    return [{"kind": kind, "term": term, "person_id": person.person_id} for kind, term in terms]


def seen_by(
    connection: Connection, viewer_id: str, person_ids: Collection[str]
) -> dict[str, SeenPerson]:
    """Return people as a viewer sees them, in one query for them all."""
    if not person_ids:
        return {}
    viewer = literal(viewer_id, people.c.person_id.type)
    other_is_low = people.c.person_id < viewer
    query = (
        select(people, photos.c.photo_id, pairs)
        .select_from(
            people.outerjoin(photos, _IS_THEIR_PHOTO).outerjoin(
                pairs,
                and_(
                    pairs.c.low_id == case((other_is_low, people.c.person_id), else_=viewer),
                    pairs.c.high_id == case((other_is_low, viewer), else_=people.c.person_id),
                ),
            )
        )
        .where(people.c.person_id.in_(person_ids))
    )
    return {
        row.person_id: SeenPerson(to_person(row), _relationship(row, viewer_id))
        for row in connection.execute(query)
    }


def _relationship(row: Row[Any], viewer_id: str) -> Relationship:
    if row.person_id == viewer_id:
        return Relationship.SELF
    if row.low_id is None:
        return Relationship.NONE
    return to_state(row).relationship(Pair(row.low_id, row.high_id).side(viewer_id))


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a search found a person: the place in the order of the results."""

    kind: int
    term: str
    person_id: str


def search(
    connection: Connection,
    word: str,
    further: Iterable[str],
    after: Hit | None,
    limit: int,
) -> list[Hit]:
    """Find people by prefixes of their words: handles before names, whole words before longer ones.

    The results are read off the primary key in their order, from where the page before ended.

    Arguments:
        connection: to read on.
        word: the prefix that leads: results are ordered by what it matches.
        further: prefixes that other words of the same person must have.
        after: the last hit of the page before.
        limit: how many hits to return at most.
    """
    found = people_terms
    has_further = [_has(prefix) for prefix in further]
    # A person has one handle, but many words in a name.
    first_place = {TERM_OF_HANDLE: (), TERM_OF_NAME: (not_(_found_before(word)),)}
    hits: list[Hit] = []
    for kind, stretch in _stretches(word, after):
        if len(hits) == limit:
            break
        rows = connection.execute(
            select(found.c.term, found.c.person_id)
            .where(found.c.kind == kind, stretch, *has_further, *first_place[kind])
            .order_by(found.c.term, found.c.person_id)
            .limit(limit - len(hits))
        )
        hits += [Hit(kind, row.term, row.person_id) for row in rows]
    return hits


def _stretches(word: str, after: Hit | None) -> Iterator[tuple[int, ColumnElement[bool]]]:
    """Yield the stretches of the index that remain, in the order of the results.

    Each is a range, so that the tenth page costs what the first does.
    """
    term, person_id = people_terms.c.term, people_terms.c.person_id
    for kind in (TERM_OF_HANDLE, TERM_OF_NAME):
        if after is None or after.kind < kind:
            yield kind, _begins(term, word)
        elif after.kind == kind:
            yield kind, and_(term == after.term, person_id > after.person_id)
            yield kind, and_(term > after.term, term < word + _LAST_CHARACTER)


def _has(prefix: str) -> ColumnElement[bool]:
    """Tell whether the person found has any word with a prefix."""
    other = people_terms.alias()
    return exists().where(
        other.c.person_id == people_terms.c.person_id, _begins(other.c.term, prefix)
    )


def _found_before(word: str) -> ColumnElement[bool]:
    """Tell whether a person found by a name is found at a better place: each shows once."""
    better = people_terms.alias()
    ahead = (better.c.kind == TERM_OF_HANDLE) | (better.c.term < people_terms.c.term)
    return exists().where(
        better.c.person_id == people_terms.c.person_id, _begins(better.c.term, word), ahead
    )


def _begins(term: ColumnElement[str], prefix: str) -> ColumnElement[bool]:
    """Tell whether a term begins with a prefix, as a range, so that an index serves it."""
    return and_(term >= prefix, term < prefix + _LAST_CHARACTER)
