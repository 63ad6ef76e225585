"""The tables: what the migrations build is what the code declares, and it refuses what must not be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, insert, inspect, select, update
from sqlalchemy.exc import IntegrityError

from chassis.database.engine import open_engine
from chassis.database.migrate import migrate
from services.friendship.domain import Box, Pair, PairRecord, Person, Photo
from services.friendship.migrations import MIGRATIONS
from services.friendship.schema import friend_requests, metadata, pairs, people, photos
from services.friendship.store import pairs as pair_store
from services.friendship.store import people as people_store
from services.friendship.store import photos as photo_store
from services.friendship.store import requests as request_store
from tests.support.statements import plans, recorded


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    url = f"sqlite:///{tmp_path}/friendship.db"
    migrate(url, MIGRATIONS)
    engine = open_engine(url, read_only=False, pool_size=1)
    with engine.connect() as connection, connection.begin():
        yield connection
    engine.dispose()


def test_migrations_build_what_the_code_declares(connection: Connection) -> None:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    assert compare_metadata(context, metadata) == []


def test_migrations_build_every_check(connection: Connection) -> None:
    built = {
        (table, check["name"], " ".join(check["sqltext"].split()))
        for table in metadata.tables
        for check in inspect(connection).get_check_constraints(table)
    }
    declared = {
        (table.name, str(check.name), str(check.sqltext))
        for table in metadata.tables.values()
        for check in table.constraints
        if isinstance(check, CheckConstraint)
    }
    assert built == declared
    assert len(declared) > 15


def test_migrations_build_every_partial_index(connection: Connection) -> None:
    for table in metadata.tables.values():
        declared = {
            str(index.name): str(where)
            for index in table.indexes
            if (where := index.dialect_options["sqlite"]["where"]) is not None
        }
        built = {
            str(index["name"]): str(index.get("dialect_options", {})["sqlite_where"])
            for index in inspect(connection).get_indexes(table.name)
            if "sqlite_where" in index.get("dialect_options", {})
        }
        assert built == declared


FINE: dict[str, Any] = {
    "low_id": "ann",
    "high_id": "bob",
    "friends": False,
    "requester": None,
    "request_id": None,
    "low_ignores": False,
    "high_ignores": False,
    "low_blocks": False,
    "high_blocks": False,
    "epoch": 0,
    "delivered_epoch": 0,
}


@pytest.fixture
def two(connection: Connection) -> Connection:
    for person_id in ("ann", "bob"):
        people_store.insert_person(connection, Person(person_id, person_id, person_id, "", 1))
    request = {
        "requester_id": "ann",
        "addressee_id": "bob",
        "state": 0,
        "note": "",
        "create_time": 1,
    }
    connection.execute(insert(friend_requests).values(request_id="r1", **request))
    return connection


@pytest.mark.parametrize(
    "wrong",
    [
        {"low_id": "bob", "high_id": "ann"},
        {"high_id": "ann"},
        {"high_id": "nobody"},
        {"requester": 0},
        {"request_id": "r1"},
        {"requester": 2, "request_id": "r1"},
        {"requester": 0, "request_id": "r2"},
        {"friends": True, "epoch": 1},
        {"friends": True, "requester": 0, "request_id": "r1", "epoch": 2},
        {"requester": 0, "request_id": "r1", "epoch": 1},
        {"friends": True, "requester": 0, "request_id": "r1", "epoch": 1, "low_blocks": True},
        {"friends": True, "requester": 0, "request_id": "r1", "epoch": 1, "high_ignores": True},
        {"requester": 0, "request_id": "r1", "low_blocks": True},
        {"requester": 0, "request_id": "r1", "high_blocks": True},
        {"requester": 1, "request_id": "r1", "low_blocks": True},
        {"delivered_epoch": 1},
        {"delivered_epoch": -1},
    ],
    ids=str,
)
def test_pairs_that_must_not_be_are_refused(two: Connection, wrong: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), two.begin_nested():
        two.execute(insert(pairs).values(**{**FINE, **wrong}))
    two.execute(insert(pairs).values(**FINE))


def test_pair_exists_once(two: Connection) -> None:
    two.execute(insert(pairs).values(**FINE))
    with pytest.raises(IntegrityError), two.begin_nested():
        two.execute(insert(pairs).values(**FINE))


@pytest.mark.parametrize(
    "wrong",
    [{"state": 2, "note": "left"}, {"state": 3}, {"addressee_id": "ann"}, {"note": "x" * 301}],
    ids=str,
)
def test_requests_that_must_not_be_are_refused(two: Connection, wrong: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), two.begin_nested():
        two.execute(update(friend_requests).values(**wrong))


@pytest.mark.parametrize(
    "wrong", [{"handle": "ab"}, {"display_name": ""}, {"handle": "bob"}], ids=str
)
def test_people_who_must_not_be_are_refused(two: Connection, wrong: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), two.begin_nested():
        two.execute(update(people).where(people.c.person_id == "ann").values(**wrong))


PHOTO = {"photo_id": "p1", "person_id": "ann", "state": 1, "create_time": 1}


@pytest.mark.parametrize(
    "wrong",
    [
        # A second photo that is kept.
        {},
        {"state": 3},
        {"state": 0, "photo_id": "p1"},
        {"state": 0, "photo_id": ""},
        {"state": 0, "person_id": "nobody"},
    ],
    ids=str,
)
def test_photos_that_must_not_be_are_refused(two: Connection, wrong: dict[str, Any]) -> None:
    two.execute(insert(photos).values(PHOTO))
    with pytest.raises(IntegrityError), two.begin_nested():
        two.execute(insert(photos).values({**PHOTO, "photo_id": "p2", **wrong}))
    for photo_id, state in (("p3", 0), ("p4", 0), ("p5", 2), ("p6", 2)):
        two.execute(insert(photos).values({**PHOTO, "photo_id": photo_id, "state": state}))


def test_a_photo_that_was_swept_can_be_kept_no_longer(two: Connection) -> None:
    for number in (1, 2, 3):
        photo_store.insert_photo(two, Photo(f"p{number}", "ann", number))
    photo_store.doom_stale(two, 2)
    photo_store.doom_given_up(two, ["p2"])
    assert sorted(photo_store.find_doomed(two, (), 10)) == ["p1", "p2"]
    assert photo_store.find_doomed(two, {"p1"}, 10) == ["p2"]
    assert not photo_store.keep_photo(two, Photo("p1", "ann", 1))
    assert photo_store.keep_photo(two, Photo("p3", "ann", 3))
    photo_store.doom_given_up(two, ["p3"])
    photo_store.doom_stale(two, 9)
    photo_store.delete_photos(two, ["p1", "p2", "p3"])
    assert list(two.scalars(select(photos.c.photo_id))) == ["p3"]


def test_delivered_epoch_never_falls(two: Connection) -> None:
    known = {"friends": True, "requester": 0, "request_id": "r1", "epoch": 3, "delivered_epoch": 2}
    two.execute(insert(pairs).values(**{**FINE, **known}))
    pair = Pair("ann", "bob")

    pair_store.mark_delivered(two, [PairRecord(pair, epoch=1)])
    assert pair_store.lock_pair(two, pair).delivered_epoch == 2
    pair_store.mark_delivered(two, [PairRecord(pair, epoch=3)])
    assert pair_store.read_outbox(two, 10) == []


def test_no_statement_scans_a_table_of_people(connection: Connection) -> None:
    """Each query reads an index from where its answer begins; the outbox's own holds nothing else."""
    with recorded(connection) as statements:
        hits = (None, people_store.Hit(0, "abc", "p"), people_store.Hit(1, "abc", "p"))
        for hit in hits:
            people_store.search(connection, "ab", ["c", "d"], hit, 10)
        people_store.seen_by(connection, "a", ["b", "c"])
        people_store.present(connection, ["a", "b"])
        people_store.find_person_id(connection, "abc")
        people_store.find_person(connection, "a")
        photo_store.keep_photo(connection, Photo("p", "a", 1))
        photo_store.doom_given_up(connection, ["p", "q"])
        photo_store.doom_stale(connection, 5)
        photo_store.find_doomed(connection, {"p"}, 10)
        photo_store.delete_photos(connection, ["p", "q"])
        photo_store.is_kept(connection, "p")
        pair_store.read_pairs(connection, [Pair("a", "b"), Pair("c", "d")])
        pair_store.lock_pair(connection, Pair("a", "b"))
        pair_store.list_friends(connection, "a", "", 10)
        pair_store.list_blocked(connection, "a", "", 10)
        pair_store.read_outbox(connection, 10)
        for box in Box:
            request_store.list_requests(connection, "a", box, None, 10)
            request_store.list_requests(connection, "a", box, (5, "r"), 10)
        request_store.find_requests(connection, ["a", "b"])
        request_store.nth_latest_time(connection, "a", 5, 10)
        request_store.has_pending(connection, "a", 10)

    all_steps = plans(connection, statements)
    assert len(all_steps) > 20
    assert {step for steps in all_steps for step in steps if step.startswith("SCAN")} == {
        "SCAN anon_1 VIRTUAL TABLE INDEX 1:",
        "SCAN pairs USING INDEX ix_pairs_outbox",
    }
    of_photos = {step for steps in all_steps for step in steps if "photos" in step}
    assert {index for step in of_photos for index in re.findall(r"ix_photos\w+", step)} == {
        "ix_photos_kept",
        "ix_photos_to_sweep",
    }
    searches = [steps for steps in all_steps if any("people_terms" in step for step in steps)]
    assert len(searches) == 2 + 3 + 2
    for steps in searches:
        # Results come in the order of the key, from where the page begins.
        assert steps[0] in (
            "SEARCH people_terms USING PRIMARY KEY (kind=? AND term>? AND term<?)",
            "SEARCH people_terms USING PRIMARY KEY (kind=? AND term=? AND person_id>?)",
        )
        assert not [step for step in steps if "TEMP B-TREE" in step]
    assert any("INDEX ix_friend_requests_sent (requester_id=?)" in s for s in all_steps[-1])
