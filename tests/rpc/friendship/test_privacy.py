"""What is nobody else's business: being ignored looks like waiting, being blocked like being removed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import count

import grpc
import pytest
from google.protobuf.message import Message
from sqlalchemy import Engine, event

from paperplane.friendship.v1 import friendship_pb2 as pb
from tests.support.friendship import Caller, World, friendship_world, read_refusal
from tests.support.pictures import plain

Act = Callable[[Caller, Caller], Awaitable[object]]


class Ticks:
    """A clock that moves on by a second at each look."""

    def __init__(self) -> None:
        self._seconds = count(1)

    def __call__(self) -> int:
        return 1_000_000 * next(self._seconds)


async def everything(viewer: Caller, other: Caller) -> list[bytes]:
    """Return all that a person can see of another, as the bytes that come to them."""
    call, stub = viewer.call, viewer.friendship
    photo = pb.GetPhotoRequest(
        photo_id=(await viewer.see(other)).photo_id, size=pb.PHOTO_SIZE_SMALL
    )
    seen: list[Message] = [
        await call(viewer.people.GetPhoto, photo),
        await call(viewer.people.GetPerson, pb.GetPersonRequest(person_id=other.id)),
        await call(viewer.people.SearchPeople, pb.SearchPeopleRequest(query=other.id)),
        await call(stub.ListFriends, pb.ListFriendsRequest()),
        await call(stub.ListBlockedPeople, pb.ListBlockedPeopleRequest()),
    ]
    for box in (pb.REQUEST_BOX_SENT, pb.REQUEST_BOX_RECEIVED, pb.REQUEST_BOX_IGNORED):
        seen.append(await call(stub.ListFriendRequests, pb.ListFriendRequestsRequest(box=box)))
    async for response in viewer.watch():
        seen.append(response)
        if response.event.HasField("caught_up"):
            break
    return [normalised(message) for message in seen]


def normalised(message: Message) -> bytes:
    """Serialize a message without what differs between any two runs: ids, times, cursors."""
    copy = type(message)()
    copy.CopyFrom(message)
    strip(copy)
    return copy.SerializeToString(deterministic=True)


def strip(message: Message) -> None:
    for field, value in message.ListFields():
        if field.name in ("request_id", "create_time", "event_time", "cursor"):
            message.ClearField(field.name)
        elif field.name == "photo_id":
            # That there is one shows.
            setattr(message, field.name, "<photo>")
        elif field.message_type is not None:
            for item in value if field.is_repeated else [value]:
                strip(item)


async def life(secret: Act, open_life: Act) -> list[list[bytes]]:
    """Live one life in a world of its own; return what ann sees, step by step, and gets as answers.

    Arguments:
        secret: what bob does that ann must not learn.
        open_life: what ann does, before and after.
    """
    async with friendship_world(clock=Ticks(), requests_per_hour=6) as world:
        ann, bob = await world.person("ann"), await world.person("bob")
        await bob.set_photo(plain())
        views: list[list[bytes]] = []
        await open_life(ann, bob)
        await secret(bob, ann)
        views.append(await everything(ann, bob))
        steps: list[Act] = [ask, ask, Caller.remove, again, ask, again, again, again, again]
        for step in steps:
            views.append([await answer(step(ann, bob))])
            views.append(await everything(ann, bob))
        return views


async def answer(call: Awaitable[object]) -> bytes:
    """Return what a call answers, a refusal too, as the bytes that come to the caller."""
    try:
        message = await call
    except grpc.aio.AioRpcError as error:
        refused = read_refusal(error)
        # For how long depends on the clock, which bob's own commands move.
        return f"{refused.code} {refused.reason} {refused.retry_seconds is None}".encode()
    return normalised(message) if isinstance(message, Message) else b""


async def again(ann: Caller, bob: Caller) -> pb.FriendRequest:
    """Take back what is pending and ask again."""
    for sent in await ann.box(pb.REQUEST_BOX_SENT):
        await ann.cancel(sent.request_id)
    return await ann.ask(bob)


async def nothing(_: Caller, __: Caller) -> None:
    """Do nothing."""


async def ignore(bob: Caller, ann: Caller) -> None:
    received = await bob.box(pb.REQUEST_BOX_RECEIVED)
    await bob.ignore(received[0].request_id)


async def block(bob: Caller, ann: Caller) -> None:
    await bob.block(ann)


async def block_and_unblock(bob: Caller, ann: Caller) -> None:
    await bob.block(ann)
    await bob.unblock(ann)


async def remove(bob: Caller, ann: Caller) -> None:
    await bob.remove(ann)


async def remove_and_block(bob: Caller, ann: Caller) -> None:
    await bob.remove(ann)
    await bob.block(ann)


async def take_back(bob: Caller, ann: Caller) -> None:
    sent = await bob.box(pb.REQUEST_BOX_SENT)
    await bob.cancel(sent[0].request_id)


async def ask(ann: Caller, bob: Caller) -> pb.FriendRequest:
    return await ann.ask(bob, note="please")


async def befriend(ann: Caller, bob: Caller) -> None:
    await ann.befriend(bob)


async def be_asked(ann: Caller, bob: Caller) -> None:
    await bob.ask(ann)


@pytest.mark.parametrize(
    ("before", "open_act", "secret_act"),
    [
        pytest.param(ask, nothing, ignore, id="ignored_looks_pending"),
        pytest.param(ask, nothing, block, id="blocked_looks_pending"),
        pytest.param(ask, nothing, block_and_unblock, id="unblocked_looks_pending"),
        pytest.param(befriend, remove, block, id="blocked_looks_removed"),
        pytest.param(befriend, remove, remove_and_block, id="blocked_later_looks_removed"),
        pytest.param(nothing, nothing, block, id="blocked_stranger_looks_like_any"),
        pytest.param(be_asked, take_back, block, id="withdrawn_by_block_looks_cancelled"),
    ],
)
async def test_secret_act_shows_in_no_byte_and_no_event(
    before: Act, open_act: Act, secret_act: Act
) -> None:
    plain = await life(open_act, before)
    secret = await life(secret_act, before)

    assert len(plain) > 10
    for step, (one, other) in enumerate(zip(plain, secret, strict=True)):
        assert one == other, f"differs at step {step}"


async def test_the_comparison_can_fail() -> None:
    """What bob does in the open is seen, or the tests above would show nothing."""
    assert await life(nothing, befriend) != await life(remove, befriend)
    assert await life(nothing, ask) != await life(ask, ask)


async def test_live_watcher_gets_the_same_events_ignored_or_not(world: World) -> None:
    ann, bob, cat = [await world.person(name) for name in ("ann", "bob", "cat")]
    watching = asyncio.Event()
    events: list[pb.Event] = []

    async def watch() -> None:
        async for response in ann.watch():
            watching.set()
            events.append(response.event)
            if len(events) == 5:
                return

    task = asyncio.create_task(watch())
    await watching.wait()
    await ann.ask(bob)
    await bob.ignore((await bob.box(pb.REQUEST_BOX_RECEIVED))[0].request_id)
    await bob.block(ann)
    await bob.unblock(ann)
    await ann.cancel((await ann.box(pb.REQUEST_BOX_SENT))[0].request_id)
    # Whatever was told of the secret acts would have come before these.
    await cat.ask(ann)
    await ann.ask(cat)
    await task

    assert [told.WhichOneof("kind") for told in events] == [
        "caught_up",
        "request_sent",
        "request_cancelled",
        "request_received",
        "request_accepted",
    ]


async def test_request_costs_the_same_statements_whether_it_is_hidden_or_not() -> None:
    counts: dict[str, int] = {}
    for name, secret in (("plain", nothing), ("ignored", ignore), ("blocked", block)):
        async with friendship_world() as world:
            ann, bob = await world.person("ann"), await world.person("bob")
            # Both have been told something before, so that their inboxes exist in every case.
            await ann.cancel((await ann.ask(bob)).request_id)
            await ann.ask(bob)
            await secret(bob, ann)
            await ann.cancel((await ann.box(pb.REQUEST_BOX_SENT))[0].request_id)
            statements: list[str] = []
            note = partial(_note, statements)
            event.listen(Engine, "before_cursor_execute", note)
            await ann.ask(bob)
            event.remove(Engine, "before_cursor_execute", note)
            counts[name] = len(statements)
    assert counts["plain"] > 5
    assert len(set(counts.values())) == 1, counts


def _note(statements: list[str], *arguments: object) -> None:
    statements.append(str(arguments[2]))
