"""Who may call what: every method for people, by each kind of caller, in one table of expected answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from paperplane.friendship.v1 import friendship_pb2, friendship_pb2_grpc
from paperplane.options.v1 import options_pb2
from tests.support.clients import (
    STUBS,
    Client,
    ConnectClient,
    GrpcClient,
    Refused,
    fresh_id,
    watching,
)
from tests.support.contract import services
from tests.support.system import SystemUnderTest

pytestmark = pytest.mark.both_databases

METHODS = {
    method.name: method
    for service in services(options_pb2.AUDIENCE_USERS)
    for method in service.methods
}
INNER_PATHS = [
    f"/{service.full_name}/{method.name}"
    for service in services(options_pb2.AUDIENCE_SERVICES)
    for method in service.methods
]

PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
)
"""A single red pixel."""
OK = "OK"
NO_ATTACHMENT = "NOT_FOUND ATTACHMENT_NOT_FOUND"
NO_CHANNEL = "NOT_FOUND CHANNEL_NOT_FOUND"
NO_REQUEST = "NOT_FOUND REQUEST_NOT_FOUND"
NO_PERSON = "NOT_FOUND PERSON_NOT_FOUND"
FOREIGN_TOKEN = "INVALID_ARGUMENT PAGE_TOKEN_INVALID"
FOREIGN_CURSOR = "INVALID_ARGUMENT CURSOR_INVALID"
NOT_YOURS = "PERMISSION_DENIED NOT_YOUR_PROFILE"


@dataclass(frozen=True)
class World:
    """Alice, who is called upon, and who calls: Bob, her friend, and Eve, whom nothing ties to her."""

    alice: str
    bob: str
    eve: str
    nobody: str
    channel: str
    """Of Alice and Bob. Its first message is Alice's, its second Bob's."""
    accepted: str
    """The request of Alice's that made the two friends."""
    to_bob: str
    """A pending request of Carol's to Bob."""
    from_bob: str
    """A pending request of Bob's to Dan."""
    attachment: str
    """A file that Alice sent to Bob."""
    unsent: str
    """A file that Alice uploaded, and has not sent."""
    photo: str
    """Alice's, for the method that shows it."""
    page_tokens: dict[str, str]
    """Tokens of Alice's for the second pages of lists, by method."""
    cursors: dict[str, str]
    """Alice's cursors, by the method that takes them."""


Request = Callable[[World], dict[str, Any]]


@dataclass(frozen=True)
class Row:
    """What a method answers.

    Attributes:
        request: what Eve and Bob ask for: Alice, or what is between her and Bob.
        stranger: what Eve is answered.
        friend: what Bob is answered.
        foreign_request: what Bob asks for with an id, a token or a cursor that is another's.
        foreign: what he is answered.
    """

    request: Request
    stranger: str
    friend: str
    foreign_request: Request
    foreign: str


def _nobody(world: World) -> dict[str, Any]:
    return {"personId": world.nobody}


def _alice(world: World) -> dict[str, Any]:
    return {"personId": world.alice}


def _foreign_channel(_: World) -> dict[str, Any]:
    return {"channelId": "0191d4d2-0000-7000-8000-000000000000"}


def _list(method: str, *, channel: bool = False, **request: Any) -> tuple[Request, Request]:
    """Return how a list is asked for, and how with Alice's token for its second page."""

    def first(world: World) -> dict[str, Any]:
        return {**request, **({"channelId": world.channel} if channel else {})}

    def second(world: World) -> dict[str, Any]:
        return {**first(world), "pageSize": 1, "pageToken": world.page_tokens[method]}

    return first, second


_search, _search_on = _list("SearchPeople", query="alice_")
_requests, _requests_on = _list("ListFriendRequests", box="REQUEST_BOX_SENT")
_friends, _friends_on = _list("ListFriends")
_blocked, _blocked_on = _list("ListBlockedPeople")
_channels, _channels_on = _list("ListChannels")
_messages, _messages_on = _list("ListMessages", channel=True)

TABLE: dict[str, Row] = {
    # PeopleService
    "CreatePerson": Row(
        lambda w: {"handle": w.alice, "displayName": "x"},
        "ALREADY_EXISTS PERSON_EXISTS",
        "ALREADY_EXISTS PERSON_EXISTS",
        lambda w: {"handle": w.bob, "displayName": "another Bob"},
        "ALREADY_EXISTS PERSON_EXISTS",
    ),
    "GetPerson": Row(_alice, OK, OK, _nobody, NO_PERSON),
    "UpdatePerson": Row(
        lambda w: {"person": {"personId": w.alice, "headline": "x"}},
        NOT_YOURS,
        NOT_YOURS,
        lambda w: {"person": {"personId": w.nobody, "headline": "x"}},
        NOT_YOURS,
    ),
    "SearchPeople": Row(_search, OK, OK, _search_on, FOREIGN_TOKEN),
    "SetPhoto": Row(
        lambda _: {"header": {}, "chunk": PICTURE},
        OK,
        OK,
        lambda _: {"header": {}, "chunk": "eA=="},
        "INVALID_ARGUMENT PHOTO_TYPE_UNKNOWN",
    ),
    "DeletePhoto": Row(lambda _: {}, OK, OK, lambda _: {}, OK),
    "GetPhoto": Row(
        lambda w: {"photoId": w.photo, "size": "PHOTO_SIZE_SMALL"},
        OK,
        OK,
        lambda w: {"photoId": w.unsent, "size": "PHOTO_SIZE_SMALL"},
        "NOT_FOUND PHOTO_NOT_FOUND",
    ),
    # FriendshipService
    "SendFriendRequest": Row(_alice, OK, OK, _nobody, NO_PERSON),
    "CancelFriendRequest": Row(
        lambda w: {"requestId": w.accepted},
        NO_REQUEST,
        NO_REQUEST,
        lambda w: {"requestId": w.to_bob},
        NO_REQUEST,
    ),
    "AcceptFriendRequest": Row(
        lambda w: {"requestId": w.accepted},
        NO_REQUEST,
        OK,
        lambda w: {"requestId": w.from_bob},
        NO_REQUEST,
    ),
    "IgnoreFriendRequest": Row(
        lambda w: {"requestId": w.accepted},
        NO_REQUEST,
        "FAILED_PRECONDITION REQUEST_NOT_PENDING",
        lambda w: {"requestId": w.from_bob},
        NO_REQUEST,
    ),
    "ListFriendRequests": Row(_requests, OK, OK, _requests_on, FOREIGN_TOKEN),
    "ListFriends": Row(_friends, OK, OK, _friends_on, FOREIGN_TOKEN),
    "RemoveFriend": Row(_alice, OK, OK, _nobody, NO_PERSON),
    "BlockPerson": Row(_alice, OK, OK, _nobody, NO_PERSON),
    "UnblockPerson": Row(_alice, OK, OK, _nobody, NO_PERSON),
    "ListBlockedPeople": Row(_blocked, OK, OK, _blocked_on, FOREIGN_TOKEN),
    "WatchFriendships": Row(
        lambda _: {},
        OK,
        OK,
        lambda w: {"afterCursor": w.cursors["WatchFriendships"]},
        FOREIGN_CURSOR,
    ),
    # MessagingService
    "ListChannels": Row(_channels, OK, OK, _channels_on, FOREIGN_TOKEN),
    "GetChannel": Row(_alice, NO_CHANNEL, OK, _foreign_channel, NO_CHANNEL),
    "SendMessage": Row(
        lambda w: {"channelId": w.channel, "text": "x"},
        NO_CHANNEL,
        OK,
        lambda w: {**_foreign_channel(w), "text": "x"},
        NO_CHANNEL,
    ),
    "ListMessages": Row(_messages, NO_CHANNEL, OK, _messages_on, FOREIGN_TOKEN),
    "EditMessage": Row(
        lambda w: {"channelId": w.channel, "seq": 2, "text": "x"},
        NO_CHANNEL,
        OK,
        lambda w: {"channelId": w.channel, "seq": 1, "text": "x"},
        "PERMISSION_DENIED NOT_THE_SENDER",
    ),
    "DeleteMessage": Row(
        lambda w: {"channelId": w.channel, "seq": 2},
        NO_CHANNEL,
        OK,
        lambda w: {"channelId": w.channel, "seq": 1},
        "PERMISSION_DENIED NOT_THE_SENDER",
    ),
    "MarkRead": Row(
        lambda w: {"channelId": w.channel, "seq": 1},
        NO_CHANNEL,
        OK,
        lambda w: {**_foreign_channel(w), "seq": 1},
        NO_CHANNEL,
    ),
    "SendTyping": Row(
        lambda w: {"channelId": w.channel}, NO_CHANNEL, OK, _foreign_channel, NO_CHANNEL
    ),
    "WatchMessages": Row(
        lambda _: {},
        OK,
        OK,
        lambda w: {"afterCursor": w.cursors["WatchMessages"]},
        FOREIGN_CURSOR,
    ),
    # AttachmentService
    "UploadAttachment": Row(
        lambda _: {"header": {"fileName": "x.txt"}, "chunk": "eA=="},
        OK,
        OK,
        lambda _: {"header": {"fileName": "x.txt"}, "chunk": ""},
        "INVALID_ARGUMENT UPLOAD_EMPTY",
    ),
    "DownloadAttachment": Row(
        lambda w: {"attachmentId": w.attachment},
        NO_ATTACHMENT,
        OK,
        lambda w: {"attachmentId": w.unsent},
        NO_ATTACHMENT,
    ),
}

NO_TOKEN = "UNAUTHENTICATED TOKEN_MISSING"
EXPIRED = "UNAUTHENTICATED TOKEN_EXPIRED"
WRONG_AUDIENCE = "UNAUTHENTICATED TOKEN_INVALID"

_CURSORS_FROM = {"WatchFriendships": "ListFriends", "WatchMessages": "ListChannels"}


async def outcome(client: Client, method: str, request: dict[str, Any]) -> str:
    """Call any method; return the code and, if it was refused, the reason."""
    try:
        if METHODS[method].client_streaming:
            # One request for each field.
            await client.upload(method, *({name: value} for name, value in request.items()))
        elif method in _CURSORS_FROM:
            async with watching(client, method, **request) as stream:
                await stream.until_caught_up()
        elif METHODS[method].server_streaming:
            async for _ in client.watch(method, **request):
                pass
        else:
            await client.call(method, **request)
    except Refused as refused:
        return f"{refused.code} {refused.reason}"
    return OK


async def a_world(system: SystemUnderTest, channel: grpc.aio.Channel, method: str) -> World:
    """Make Alice, Bob and Eve, what is between them, and what of Alice's the method can be given."""

    def person(person_id: str) -> Client:
        return GrpcClient(channel, STUBS, system.token(person_id))

    async def enter(name: str) -> tuple[str, Client]:
        person_id = fresh_id(name)
        client = person(person_id)
        await client.call("CreatePerson", handle=person_id, displayName=name)
        return person_id, client

    async def ask(client: Client, person_id: str) -> str:
        asked = await client.call("SendFriendRequest", personId=person_id)
        return str(asked["friendRequest"]["requestId"])

    (alice_id, alice), (bob_id, bob), (eve_id, _) = [
        await enter(name) for name in ("alice", "bob", "eve")
    ]
    (carol_id, carol), (dan_id, _) = [await enter(name) for name in ("alice_c", "alice_d")]
    accepted = await ask(alice, bob_id)
    await bob.call("AcceptFriendRequest", requestId=accepted)
    await carol.call("AcceptFriendRequest", requestId=await ask(alice, carol_id))
    channel_id = (await alice.call("GetChannel", personId=bob_id))["channel"]["channelId"]
    files = [
        await alice.upload("UploadAttachment", {"header": {"fileName": "x"}}, {"chunk": "eA=="})
        for _ in range(2)
    ]
    sent, unsent = [str(file["attachment"]["attachmentId"]) for file in files]
    await alice.call("SendMessage", channelId=channel_id, text="x", attachmentIds=[sent])
    await bob.call("SendMessage", channelId=channel_id, text="x")
    photo = ""
    if method == "GetPhoto":
        seen = await alice.upload("SetPhoto", {"header": {}}, {"chunk": PICTURE})
        photo = str(seen["person"]["photoId"])
    to_bob, from_bob = await ask(carol, bob_id), await ask(bob, dan_id)
    world = World(
        alice_id,
        bob_id,
        eve_id,
        fresh_id("nobody"),
        channel_id,
        accepted,
        to_bob,
        from_bob,
        sent,
        unsent,
        photo,
        {},
        {},
    )
    if method in _CURSORS_FROM:
        world.cursors[method] = (await alice.call(_CURSORS_FROM[method]))["cursor"]
    if TABLE[method].foreign == FOREIGN_TOKEN:
        for name in ("gus", "hal"):
            # Two of each, so that Alice's lists have second pages.
            other_id, _ = await enter(name)
            await ask(alice, other_id)
            other_id, _ = await enter(name)
            await alice.call("BlockPerson", personId=other_id)
        page = await alice.call(method, **{**TABLE[method].request(world), "pageSize": 1})
        world.page_tokens[method] = page["nextPageToken"]
    return world


@pytest.fixture(params=["grpc", "connect"])
def as_bearer(
    request: pytest.FixtureRequest, channel: grpc.aio.Channel, http: httpx.AsyncClient
) -> Callable[[str], Client]:
    """Calls one of the two ports with a token."""
    if request.param == "grpc":
        return lambda token: GrpcClient(channel, STUBS, token)
    return lambda token: ConnectClient(http, STUBS.paths, token)


def test_every_method_for_people_has_a_row_and_no_other() -> None:
    assert TABLE.keys() == METHODS.keys()


@pytest.mark.parametrize("method", METHODS)
async def test_each_kind_of_caller_is_answered_as_the_table_says(
    method: str,
    system: SystemUnderTest,
    channel: grpc.aio.Channel,
    as_bearer: Callable[[str], Client],
) -> None:
    row = TABLE[method]
    world = await a_world(system, channel, method)
    issuer = system.issuer()
    long_ago = system.issuer(now=lambda: 1_000_000_000)
    plain = row.request(world)
    cells = [
        ("no token", "", plain, NO_TOKEN),
        ("expired", long_ago.token(world.bob), plain, EXPIRED),
        ("wrong audience", system.issuer("elsewhere").token(world.bob), plain, WRONG_AUDIENCE),
        ("stranger", issuer.token(world.eve), plain, row.stranger),
        ("foreign", issuer.token(world.bob), row.foreign_request(world), row.foreign),
        ("friend", issuer.token(world.bob), plain, row.friend),
    ]
    found = {
        name: await outcome(as_bearer(token), method, request) for name, token, request, _ in cells
    }
    assert found == {name: expected for name, _, _, expected in cells}


@pytest.mark.parametrize("path", INNER_PATHS)
async def test_what_is_for_services_is_out_of_peoples_reach(
    path: str, system: SystemUnderTest, channel: grpc.aio.Channel, http: httpx.AsyncClient
) -> None:
    authorization = f"Bearer {system.token('alice')}"
    raw: Any = channel
    call = raw.unary_unary(path)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call(b"", metadata=(("authorization", authorization),), timeout=10)
    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED
    response = await http.post(path, json={}, headers={"authorization": authorization})
    assert response.status_code == 404


def test_the_contract_has_services_that_people_must_not_reach() -> None:
    assert len(INNER_PATHS) >= 3


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_lists_what_people_may_call(
    version: str, channel: grpc.aio.Channel
) -> None:
    listed: Any = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        reflection_pb2.ServerReflectionRequest.SerializeToString,
        reflection_pb2.ServerReflectionResponse.FromString,
    )

    async def requests() -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")

    found = [
        {service.name for service in answer.list_services_response.service}
        async for answer in listed(requests(), timeout=10)
    ]
    ours = {service.full_name for service in services(options_pb2.AUDIENCE_USERS)}
    assert found == [ours | {"grpc.health.v1.Health"}]


async def test_the_gateway_says_that_it_is_healthy(
    channel: grpc.aio.Channel, http: httpx.AsyncClient
) -> None:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    for service in ("", *(found.full_name for found in services(options_pb2.AUDIENCE_USERS))):
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert (await http.get("/healthz")).text == "ok\n"


async def test_what_callers_claim_to_be_is_ignored(
    system: SystemUnderTest,
    channel: grpc.aio.Channel,
    http: httpx.AsyncClient,
) -> None:
    mallory, victim = fresh_id("mallory"), fresh_id("victim")
    for person_id in (mallory, victim):
        client = GrpcClient(channel, STUBS, system.token(person_id))
        await client.call("CreatePerson", handle=person_id, displayName="x")
    claim = ("x-paperplane-person", victim)
    path = STUBS.paths["GetPerson"]
    request = friendship_pb2.GetPersonRequest(person_id=victim)
    get: Any = friendship_pb2_grpc.PeopleServiceStub(channel).GetPerson
    authorization = ("authorization", f"Bearer {system.token(mallory)}")

    for metadata in ((authorization, claim), (claim, authorization)):
        answer = await get(request, metadata=metadata, timeout=10)
        assert answer.person.relationship == friendship_pb2.RELATIONSHIP_NONE
        response = await http.post(path, json={"personId": victim}, headers=list(metadata))
        assert response.json()["person"]["relationship"] == "RELATIONSHIP_NONE"

    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await get(request, metadata=(claim,), timeout=10)
    assert failed.value.code() is grpc.StatusCode.UNAUTHENTICATED
    response = await http.post(path, json={"personId": victim}, headers=[claim])
    assert response.status_code == 401
