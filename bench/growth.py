"""How cost grows with data, on PostgreSQL: the same calls on few rows and on many, and the plan of every query.

    python -m bench.growth --messages 10000
    python -m bench.growth --messages 10000000

Both services run in this process. A time is given as a ratio to that of an empty call on the same
server, so that the two runs can be compared. The last lines name every sequential scan.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import psycopg
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sqlalchemy import Engine, event, make_url

from bench.postgresql import new_databases
from chassis.calls import PERSON_KEY
from chassis.client import open_channel
from chassis.database.migrate import migrate
from paperplane.friendship.v1 import friendship_pb2 as fpb
from paperplane.friendship.v1 import friendship_pb2_grpc
from paperplane.messaging.v1 import messaging_pb2 as mpb
from paperplane.messaging.v1 import messaging_pb2_grpc
from services.friendship import wiring as friendship_wiring
from services.friendship.migrations import MIGRATIONS as FRIENDSHIP
from services.friendship.settings import FriendshipSettings
from services.messaging import wiring as messaging_wiring
from services.messaging.migrations import MIGRATIONS as MESSAGING
from services.messaging.settings import MessagingSettings

CALLS = 200
"""How often each call is made, one after the other."""
_PER_CHANNEL = 20
_HUB = "p00000000"
_HUBS_FRIENDS = 500

# A ring of friends: each is one of the next two; and one person has very many. Everyone has a handle and two words.
_FRIENDSHIPS = """
INSERT INTO people SELECT id(n), 'handle_' || n, word(n) || ' ' || word(n / 97 + 50), '', 1
    FROM generate_series(0, :people - 1) n;
INSERT INTO people_terms SELECT 0, 'handle_' || n, id(n) FROM generate_series(0, :people - 1) n;
INSERT INTO people_terms SELECT DISTINCT 1, w, id(n)
    FROM generate_series(0, :people - 1) n, LATERAL (VALUES (word(n)), (word(n / 97 + 50))) v (w);
CREATE TEMP TABLE friends AS
    SELECT n low, n + d high FROM generate_series(0, :people - 3) n, generate_series(1, 2) d
    UNION SELECT 0, n FROM generate_series(1, :hub) n;
INSERT INTO friend_requests SELECT 'r' || low || '_' || high, id(low), id(high), 1, '', 1 FROM friends;
INSERT INTO pairs SELECT id(low), id(high), true, 0, 'r' || low || '_' || high, false, false, false, false, 1, 1
    FROM friends;
INSERT INTO photos SELECT 'photo' || n, id(n), 1, 1 FROM generate_series(0, :people - 1) n;
INSERT INTO inbox_heads SELECT id(n), 1 FROM generate_series(0, :people - 1) n;
"""
# Every channel has some messages, and the first one as many as a tenth of all. Each is in one log.
_CHANNELS = """
CREATE TEMP TABLE friends AS SELECT row_number() OVER () - 1 c, low, high FROM (
    SELECT n low, n + d high FROM generate_series(0, :channels / 2 + 1) n, generate_series(1, 2) d
    UNION SELECT 0, n FROM generate_series(1, :hub) n ORDER BY 1, 2) pairs;
INSERT INTO channels SELECT 'c' || c, id(low), id(high), true, 1,
        CASE c WHEN 0 THEN :messages / 10 ELSE :each END, 0, 0, 0, 0, 0, 0, 1, 1 FROM friends;
INSERT INTO messages SELECT 'c' || c, s, id(low), 'm' || s, NULL, 'Message number ' || s, s, NULL, NULL, 0
    FROM friends, generate_series(1, CASE c WHEN 0 THEN :messages / 10 ELSE :each END) s;
INSERT INTO inbox_entries SELECT id(high), row_number() OVER (PARTITION BY high ORDER BY c, s),
        'message_sent', 'c' || c, s, '', s FROM friends, generate_series(1, :each) s;
INSERT INTO inbox_heads SELECT person_id, max(position) FROM inbox_entries GROUP BY person_id;
"""
_NAMES = """
CREATE FUNCTION id(n bigint) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'p' || lpad(n::text, 8, '0') $$;
CREATE FUNCTION word(n bigint) RETURNS text IMMUTABLE LANGUAGE sql AS
    $$ SELECT chr(97 + (n % 26)::int) || chr(97 + (n / 26 % 26)::int) || 'name' || n % 997 $$;
"""


def populate(url: str, statements: str, **numbers: int) -> int:
    """Fill a database; return how many rows it has."""
    for name, number in numbers.items():
        statements = statements.replace(f":{name}", str(number))
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        for statement in (*_NAMES.split(";\n"), *statements.split(";\n")):
            if statement.strip():
                connection.execute(statement.encode())
        connection.execute("VACUUM ANALYZE")
        query = (
            "SELECT sum(n_live_tup)::bigint FROM pg_stat_user_tables WHERE schemaname = 'public'"
        )
        row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


class Recorder:
    """What statements were executed, by the call that was under way."""

    def __init__(self) -> None:
        self.call = ""
        self.found: dict[tuple[str, str], tuple[str, Any]] = {}
        event.listen(Engine, "before_cursor_execute", self._note)

    def _note(
        self, connection: Any, cursor: Any, statement: str, parameters: Any, *rest: object
    ) -> None:
        del cursor, rest
        if self.call and statement.split(maxsplit=1)[0] in (
            "SELECT",
            "INSERT",
            "UPDATE",
            "DELETE",
            "WITH",
        ):
            database = str(connection.engine.url.database)
            self.found.setdefault((self.call, statement), (database, parameters))

    def plans(self, urls: dict[str, str]) -> list[tuple[str, str, list[str]]]:
        """Return for each statement the call, the statement, and the steps of its plan."""
        found: list[tuple[str, str, list[str]]] = []
        for (call, statement), (database, parameters) in self.found.items():
            url = make_url(urls[database]).set(drivername="postgresql")
            with psycopg.connect(url.render_as_string(hide_password=False)) as connection:
                rows = connection.execute(f"EXPLAIN {statement}".encode(), parameters).fetchall()
                found.append((call, statement, [str(row[0]) for row in rows]))
        return found


async def timed(call: Callable[[int], Awaitable[object]]) -> list[float]:
    """Make a call many times, one after the other; return how long each took, in seconds."""
    took: list[float] = []
    for number in range(CALLS):
        began = time.perf_counter()
        await call(number)
        took.append(time.perf_counter() - began)
    return took


def calls_of(
    friendship: grpc.aio.Channel, messaging: grpc.aio.Channel
) -> dict[str, Callable[[int], Awaitable[object]]]:
    """Return the calls that are measured, each with a number of its own."""
    people: Any = friendship_pb2_grpc.PeopleServiceStub(friendship)
    friendships: Any = friendship_pb2_grpc.FriendshipServiceStub(friendship)
    messages: Any = messaging_pb2_grpc.MessagingServiceStub(messaging)
    health: Any = health_pb2_grpc.HealthStub(messaging)

    def asked(method: Any, request: Any) -> Awaitable[object]:
        call: Awaitable[object] = method(request, metadata=((PERSON_KEY, _HUB),), timeout=60)
        return call

    def send(number: int) -> Awaitable[object]:
        request = mpb.SendMessageRequest(
            channel_id=f"c{number % 100}", client_message_id=f"new{number}", text="hello"
        )
        return asked(messages.SendMessage, request)

    def search(query: str) -> Callable[[int], Awaitable[object]]:
        return lambda _: asked(people.SearchPeople, fpb.SearchPeopleRequest(query=query))

    def history(before_seq: int = 2**62) -> Callable[[int], Awaitable[object]]:
        request = mpb.ListMessagesRequest(channel_id="c0", page_size=50, before_seq=before_seq)
        return lambda _: asked(messages.ListMessages, request)

    return {
        "empty call": lambda _: health.Check(health_pb2.HealthCheckRequest(), timeout=60),
        "SendMessage": send,
        "ListMessages, the latest": history(),
        "ListMessages, near the first": history(before_seq=500),
        "ListChannels": lambda _: asked(messages.ListChannels, mpb.ListChannelsRequest()),
        "SearchPeople, a letter": search("a"),
        "SearchPeople, a word": search("aaname0"),
        "SearchPeople, two words": search("ba ab"),
        "ListFriends": lambda _: asked(friendships.ListFriends, fpb.ListFriendsRequest()),
        "GetPerson": lambda n: asked(people.GetPerson, fpb.GetPersonRequest(person_id=f"p{n:08}")),
    }


async def measure(urls: dict[str, str], recorder: Recorder) -> dict[str, list[float]]:
    """Run both services on populated databases and make every call."""
    with tempfile.TemporaryDirectory(prefix="pp-growth-") as folder:
        at = {name: f"unix:{folder}/{name}" for name in urls}
        friendship = FriendshipSettings.model_validate(
            {
                "listen": at["friendship"],
                "database": urls["friendship"],
                "messaging": at["messaging"],
                "photos": (Path(folder) / "photos").as_uri(),
            }
        )
        messaging = MessagingSettings.model_validate(
            {
                "listen": at["messaging"],
                "database": urls["messaging"],
                "friendship": at["friendship"],
                "attachments": (Path(folder) / "attachments").as_uri(),
            }
        )
        async with AsyncExitStack() as opened:
            await opened.enter_async_context(messaging_wiring.running(messaging))
            await opened.enter_async_context(friendship_wiring.running(friendship))
            channels = [await opened.enter_async_context(open_channel(at[name])) for name in urls]
            took: dict[str, list[float]] = {}
            for name, call in calls_of(*channels).items():
                recorder.call = name
                await call(CALLS)
                took[name] = await timed(call)
            recorder.call = ""
            return took


def main() -> None:
    """Populate, measure, explain; fail if a plan scans a table from its beginning to its end."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--plans", action="store_true", help="print every plan")
    options = parser.parse_args()
    count: int = options.messages
    urls = new_databases()
    for service, revisions in (("friendship", FRIENDSHIP), ("messaging", MESSAGING)):
        migrate(urls[service], revisions)
    began = time.monotonic()
    rows = populate(urls["friendship"], _FRIENDSHIPS, people=count // 8, hub=_HUBS_FRIENDS)
    rows += populate(
        urls["messaging"],
        _CHANNELS,
        channels=count * 9 // 10 // _PER_CHANNEL,
        messages=count,
        each=_PER_CHANNEL,
        hub=_HUBS_FRIENDS,
    )
    print(f"{rows:,} rows in {time.monotonic() - began:.0f} s", flush=True)
    recorder = Recorder()
    took = asyncio.run(measure(urls, recorder))
    empty = statistics.median(took["empty call"])
    for name, times in took.items():
        ordered = sorted(times)
        p50, p95 = (ordered[int(len(ordered) * share)] / empty for share in (0.5, 0.95))
        print(f"{name:28} p50 {p50:6.1f} empty calls, p95 {p95:6.1f}; {p50 * empty * 1000:.2f} ms")
    scans: set[str] = set()
    plans = recorder.plans(urls)
    for call, statement, steps in plans:
        if options.plans:
            print(f"\n{call}: {' '.join(statement.split())}", *steps, sep="\n    ")
        scans |= {f"{call}: {step.strip()}" for step in steps if "Seq Scan" in step}
    print(f"{len(plans)} statements; sequential scans: {len(scans)}", *sorted(scans), sep="\n    ")
    sys.exit(1 if scans else 0)


if __name__ == "__main__":
    main()
