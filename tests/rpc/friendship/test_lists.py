"""Lists and their pages, cursors and the live stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import grpc
import pytest
from sqlalchemy import create_engine, text

from paperplane.friendship.v1 import friendship_pb2 as pb
from tests.support.friendship import Caller, World, friendship_world, reason_of, refusal


async def pages(
    caller: Caller, method: Any, request: Any, items: Callable[[Any], Sequence[Any]]
) -> list[list[str]]:
    """Return the ids on each page; every page must carry the first one's cursor."""
    found: list[list[str]] = []
    cursors: set[str] = set()
    while True:
        response = await caller.call(method, request)
        found.append([getattr(i, "request_id", "") or i.person_id for i in items(response)])
        cursors.add(getattr(response, "cursor", ""))
        assert len(cursors) == 1
        if not response.next_page_token:
            return found
        request.page_token = response.next_page_token


async def test_friends_are_listed_by_handle_page_by_page(world: World) -> None:
    hub = await world.person("m-hub")
    for number in (3, 1, 4, 0, 2):
        # Some ids lie before the hub's and some after: either side of the pair.
        friend = await world.person(f"{'az'[number % 2]}-{number}", handle=f"friend_{number}")
        await friend.befriend(hub)
    expected = ["a-0", "z-1", "a-2", "z-3", "a-4"]

    whole = await pages(
        hub, hub.friendship.ListFriends, pb.ListFriendsRequest(page_size=2), lambda r: r.friends
    )

    assert whole == [expected[:2], expected[2:4], expected[4:]]
    exact = await pages(
        hub, hub.friendship.ListFriends, pb.ListFriendsRequest(page_size=5), lambda r: r.friends
    )
    assert exact == [expected]


async def test_blocked_people_are_listed_by_handle_and_only_to_the_blocker(world: World) -> None:
    hub = await world.person("m-hub")
    others = [await world.person(f"{'az'[n % 2]}-{n}", handle=f"other_{n}") for n in range(3)]
    for other in others:
        await hub.block(other)

    listed = await pages(
        hub,
        hub.friendship.ListBlockedPeople,
        pb.ListBlockedPeopleRequest(page_size=2),
        lambda r: r.people,
    )

    assert listed == [["a-0", "z-1"], ["a-2"]]
    request = pb.ListBlockedPeopleRequest()
    seen = await others[0].call(others[0].friendship.ListBlockedPeople, request)
    assert list(seen.people) == []
    await hub.unblock(others[1])
    seen = await hub.call(hub.friendship.ListBlockedPeople, request)
    assert [person.person_id for person in seen.people] == ["a-0", "a-2"]


@pytest.mark.parametrize("box", [pb.REQUEST_BOX_RECEIVED, pb.REQUEST_BOX_SENT])
async def test_requests_are_listed_newest_first_though_made_at_once(
    box: pb.RequestBox.ValueType,
) -> None:
    async with friendship_world(clock=lambda: 1_000_000) as world:
        hub = await world.person("m-hub")
        ids: list[str] = []
        for _ in range(5):
            other = await world.person()
            sent = box == pb.REQUEST_BOX_SENT
            ids.append((await (hub.ask(other) if sent else other.ask(hub))).request_id)
        request = pb.ListFriendRequestsRequest(box=box, page_size=2)
        listed = await pages(
            hub, hub.friendship.ListFriendRequests, request, lambda r: r.friend_requests
        )

        newest_first = sorted(ids, reverse=True)
        assert listed == [newest_first[:2], newest_first[2:4], newest_first[4:]]


async def test_page_that_is_taken_later_leaves_out_and_doubles_nothing(world: World) -> None:
    hub = await world.person("hub")
    others = [await world.person() for _ in range(4)]
    ids = [(await other.ask(hub)).request_id for other in others]
    request = pb.ListFriendRequestsRequest(box=pb.REQUEST_BOX_RECEIVED, page_size=2)
    first = await hub.call(hub.friendship.ListFriendRequests, request)
    await (await world.person()).ask(hub)
    await hub.ignore(first.friend_requests[0].request_id)
    request.page_token = first.next_page_token
    second = await hub.call(hub.friendship.ListFriendRequests, request)

    assert [r.request_id for r in second.friend_requests] == [ids[1], ids[0]]
    assert second.cursor == first.cursor
    kinds = [event.WhichOneof("kind") for event in await hub.events(first.cursor)]
    assert kinds == ["request_received", "request_ignored"]


async def test_page_token_serves_only_its_caller_method_and_arguments(world: World) -> None:
    ann, bob = await world.person("ann", "Same"), await world.person("bob", "Same")
    for _ in range(3):
        other = await world.person("", "Same")
        await other.ask(ann)
        await other.ask(bob)
    stub = ann.friendship
    received = pb.ListFriendRequestsRequest(box=pb.REQUEST_BOX_RECEIVED, page_size=1)
    token = (await ann.call(stub.ListFriendRequests, received)).next_page_token
    found = pb.SearchPeopleRequest(query="same", page_size=1)
    search_token = (await ann.call(ann.people.SearchPeople, found)).next_page_token
    assert token
    assert search_token

    def again(who: Caller, page_token: str, box: Any = pb.REQUEST_BOX_RECEIVED) -> Any:
        request = pb.ListFriendRequestsRequest(box=box, page_token=page_token)
        return who.call(who.friendship.ListFriendRequests, request)

    await again(ann, token)
    flipped = token[:-1] + ("A" if token[-1] != "A" else "B")
    for wrong in (
        again(bob, token),
        again(ann, token, pb.REQUEST_BOX_IGNORED),
        again(ann, search_token),
        again(ann, "nonsense"),
        again(ann, "ünïcode"),
        again(ann, flipped),
        again(ann, token * 2),
        ann.call(stub.ListFriends, pb.ListFriendsRequest(page_token=token)),
        ann.call(stub.ListBlockedPeople, pb.ListBlockedPeopleRequest(page_token=token)),
        ann.call(
            ann.people.SearchPeople, pb.SearchPeopleRequest(query="sam", page_token=search_token)
        ),
    ):
        refused = await refusal(wrong)
        assert refused.code == grpc.StatusCode.INVALID_ARGUMENT
        assert refused.reason == "PAGE_TOKEN_INVALID"


async def test_list_then_watch_misses_nothing_and_doubles_nothing(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    await bob.ask(ann)
    listed = await ann.call(ann.friendship.ListFriends, pb.ListFriendsRequest())
    await ann.ask(bob)

    assert [e.WhichOneof("kind") for e in await ann.events(listed.cursor)] == ["request_accepted"]


async def test_watch_resumes_from_the_cursor_of_any_event(world: World) -> None:
    ann = await world.person("ann")
    for _ in range(4):
        await (await world.person()).ask(ann)
    responses: list[pb.WatchFriendshipsResponse] = []
    async for response in ann.watch():
        responses.append(response)
        if response.event.HasField("caught_up"):
            break

    assert len(responses) == 5
    assert responses[3].cursor == responses[4].cursor
    for place, response in enumerate(responses[:4], 1):
        rest = await ann.events(response.cursor)
        assert rest == [r.event for r in responses[place:4]]


async def test_watch_goes_on_live_with_the_request_and_the_person(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob", "Bob Roe")
    caught_up = asyncio.Event()

    async def first_live() -> pb.Event:
        async for response in ann.watch():
            if caught_up.is_set():
                return response.event
            assert response.event.HasField("caught_up")
            assert response.cursor
            caught_up.set()
        raise AssertionError

    task = asyncio.create_task(first_live())
    await caught_up.wait()
    asked = await bob.ask(ann, note="hi")
    event = await task

    request = event.request_received.friend_request
    assert request.request_id == asked.request_id
    assert request.note == "hi"
    assert request.person.display_name == "Bob Roe"
    assert request.person.relationship == pb.RELATIONSHIP_REQUEST_RECEIVED
    assert event.event_time.seconds > 0


async def test_cursor_serves_only_its_person_and_its_log(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    await ann.ask(bob)
    cursor = (await ann.call(ann.friendship.ListFriends, pb.ListFriendsRequest())).cursor

    assert await ann.events(cursor) == []
    for wrong in ("nonsense", cursor[:-1], cursor + "A", "é"):
        refused = await refusal(ann.events(wrong))
        assert refused.code == grpc.StatusCode.INVALID_ARGUMENT
        assert refused.reason == "CURSOR_INVALID"
    assert await reason_of(bob.events(cursor)) == "CURSOR_INVALID"


async def test_cursor_of_an_earlier_life_or_beyond_the_end_has_expired(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    await ann.ask(bob)
    cursor = (await ann.call(ann.friendship.ListFriends, pb.ListFriendsRequest())).cursor

    async def restart_after(*statements: str) -> None:
        await world.stop()
        engine = create_engine(world.settings.database)
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))
        engine.dispose()
        await world.start()

    # A log that was restored from before the cursor was given out.
    await restart_after("DELETE FROM inbox_entries", "DELETE FROM inbox_heads")
    refused = await refusal(world.caller("ann").events(cursor))
    assert refused.code == grpc.StatusCode.FAILED_PRECONDITION
    assert refused.reason == "CURSOR_EXPIRED"

    await restart_after("DELETE FROM secrets WHERE name = 'log_generation'")
    assert await reason_of(world.caller("ann").events(cursor)) == "CURSOR_EXPIRED"


async def test_stream_ends_with_its_server_and_says_so(world: World) -> None:
    ann = await world.person("ann")
    caught_up = asyncio.Event()

    async def watch() -> None:
        async for _ in ann.watch():
            caught_up.set()

    task = asyncio.create_task(refusal(watch()))
    await caught_up.wait()
    stopping = asyncio.create_task(world.stop())
    refused = await task
    await stopping
    await world.start()

    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVER_STOPPING")


async def test_everything_survives_a_restart(world: World) -> None:
    ann, bob = await world.person("ann"), await world.person("bob")
    await ann.befriend(bob)
    cursor = (await ann.call(ann.friendship.ListFriends, pb.ListFriendsRequest())).cursor
    await world.stop()
    await world.start()
    ann, bob = world.caller("ann"), world.caller("bob")

    assert await ann.friends() == ["bob"]
    await bob.remove(ann)
    assert [e.WhichOneof("kind") for e in await ann.events(cursor)] == ["friend_removed"]
