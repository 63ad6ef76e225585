"""The HTTP port: Connect as JSON and binary, gRPC-Web, and what is refused before it is read."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from paperplane.friendship.v1 import friendship_pb2
from tests.support.gateway import (
    CREATE_PERSON,
    GET_PERSON,
    MARKER,
    WATCH_MESSAGES,
    GatewayUnderTest,
    a_gateway,
    envelope,
    envelopes,
    http_reason,
    json_reason,
    peak_memory_mib,
    refusal,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_json_goes_in_and_comes_out(gateway: GatewayUnderTest) -> None:
    response = await gateway.post(GET_PERSON, {"personId": "bob"}, x_request_id="my-id")

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"] == "my-id"
    assert response.text == '{"person":{"personId":"bob","displayName":"Zoë 🛩","canMessage":true}}'
    assert gateway.does.received[0].metadata["x-paperplane-person"] == "alice"
    assert gateway.does.received[0].metadata["x-request-id"] == "my-id"


async def test_binary_goes_in_and_comes_out(gateway: GatewayUnderTest) -> None:
    request = friendship_pb2.GetPersonRequest(person_id="bob").SerializeToString()

    response = await gateway.post(GET_PERSON, content=request, content_type="application/proto")

    person = friendship_pb2.GetPersonResponse.FromString(response.content).person
    assert person.person_id == "bob"


async def test_grpc_web_goes_in_and_comes_out(gateway: GatewayUnderTest) -> None:
    request = friendship_pb2.GetPersonRequest(person_id="bob").SerializeToString()

    response = await gateway.post(
        GET_PERSON, content=envelope(request), content_type="application/grpc-web+proto"
    )

    (_, message), (_, trailers) = envelopes(response.content)
    assert friendship_pb2.GetPersonResponse.FromString(message).person.person_id == "bob"
    assert b"grpc-status: 0" in trailers


async def test_compressed_requests_are_read(gateway: GatewayUnderTest) -> None:
    body = gzip.compress(b'{"personId":"bob"}')

    response = await gateway.post(GET_PERSON, content=body, content_encoding="gzip")

    assert response.json()["person"]["personId"] == "bob"


async def test_a_claimed_identity_is_dropped(gateway: GatewayUnderTest) -> None:
    await gateway.post(GET_PERSON, {}, x_paperplane_person="eve", x_paperplane_role="admin")

    metadata = gateway.does.received[0].metadata
    assert metadata["x-paperplane-person"] == "alice"
    assert not {"x-paperplane-role", "authorization", "host"} & metadata.keys()


async def test_the_callers_timeout_travels_on(gateway: GatewayUnderTest) -> None:
    await gateway.post(GET_PERSON, {}, connect_timeout_ms="7000")
    await gateway.post(GET_PERSON, {})

    with_deadline, without = (received.remaining for received in gateway.does.received)
    assert with_deadline is not None
    assert without is not None
    assert 5 < with_deadline < 8
    assert 28 < without < 31


async def test_a_timeout_ends_a_call_in_our_words(gateway: GatewayUnderTest) -> None:
    gateway.does.hang = True

    response = await gateway.post(GET_PERSON, {}, connect_timeout_ms="200")

    assert response.status_code == 504
    assert http_reason(response) == "DEADLINE_EXCEEDED"
    await asyncio.wait_for(gateway.does.cancelled.wait(), 5)


async def test_a_client_that_leaves_cancels_the_inner_call(gateway: GatewayUnderTest) -> None:
    gateway.does.hang = True
    call = asyncio.create_task(gateway.post(GET_PERSON, {}))
    await gateway.does.entered.wait()

    call.cancel()

    await asyncio.wait_for(gateway.does.cancelled.wait(), 5)


async def test_a_services_refusal_passes_unchanged(gateway: GatewayUnderTest) -> None:
    gateway.does.refusal = refusal()

    response = await gateway.post(GET_PERSON, {})
    web = await gateway.post(
        GET_PERSON, content=envelope(b""), content_type="application/grpc-web+proto"
    )

    assert response.status_code == 404
    assert http_reason(response) == "PERSON_NOT_FOUND"
    assert response.json()["message"] == refusal().message
    assert [detail["type"] for detail in response.json()["details"]] == [
        "google.rpc.ErrorInfo",
        "google.rpc.BadRequest",
    ]
    trailers = {**web.headers, **dict(_trailers(web.content))}
    assert trailers["grpc-status"] == "5"
    assert "grpc-status-details-bin" in trailers


def _trailers(body: bytes) -> list[tuple[str, str]]:
    lines = envelopes(body)[-1][1].decode().splitlines() if body else []
    return [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]


async def test_a_service_that_is_down_is_named_unavailable() -> None:
    async with a_gateway() as gateway:
        await gateway.backend.stop()

        response = await gateway.post(CREATE_PERSON, {})

        assert response.status_code == 503
        assert http_reason(response) == "SERVICE_UNAVAILABLE"
        assert "unix" not in response.text


async def test_without_a_token_nothing_is_read(gateway: GatewayUnderTest) -> None:
    response = await gateway.post(GET_PERSON, content=b"{not json", authorization="")

    assert response.status_code == 401
    assert http_reason(response) == "TOKEN_MISSING"
    assert response.headers["x-request-id"]


DEEP = 100_000
BAD_JSON: dict[str, bytes] = {
    "no json": b"{" + MARKER.encode(),
    "an array": b'["' + MARKER.encode() + b'"]',
    "a text": b'"' + MARKER.encode() + b'"',
    "null": b"null",
    "an unknown field": b'{"personId":"bob","' + MARKER.encode() + b'":1}',
    "a wrong type": b'{"personId":{"' + MARKER.encode() + b'":1}}',
    "a field twice": b'{"personId":"' + MARKER.encode() + b'","personId":"x"}',
    "two of one choice": b'{"personId":"' + MARKER.encode() + b'","handle":"x"}',
    "not UTF-8": b'{"personId":"' + MARKER.encode() + b'\xff"}',
    "half a character": b'{"personId":"' + MARKER.encode() + b'\\ud800"}',
    "nested arrays": b"[" * DEEP,
    "nested objects": b'{"personId":' * (DEEP // 10),
    "a huge number": b'{"personId":' + b"9" * DEEP + b"}",
}


@pytest.mark.parametrize("kind", BAD_JSON)
async def test_bad_json_is_refused_without_a_word_of_it(
    gateway: GatewayUnderTest, kind: str
) -> None:
    response = await gateway.post(GET_PERSON, content=BAD_JSON[kind])

    assert response.status_code == 400
    assert http_reason(response) == "INVALID_REQUEST"
    assert MARKER not in response.text
    (violation,) = response.json()["details"][1]["debug"]["fieldViolations"]
    assert violation["description"]
    assert gateway.does.received == []


async def test_an_unknown_field_is_told_with_the_known_ones(gateway: GatewayUnderTest) -> None:
    response = await gateway.post(GET_PERSON, {"person": "bob"})

    (violation,) = response.json()["details"][1]["debug"]["fieldViolations"]
    assert "personId, handle" in violation["description"]


@pytest.mark.parametrize("body", ['{"box":"NO_SUCH"}', f'{{"box":"{MARKER}"}}', '{"box":[]}'])
async def test_an_unknown_enum_name_is_refused(gateway: GatewayUnderTest, body: str) -> None:
    path = "/paperplane.friendship.v1.FriendshipService/ListFriendRequests"

    response = await gateway.post(path, content=body.encode())

    assert response.status_code == 400
    assert http_reason(response) == "INVALID_REQUEST"
    assert MARKER not in response.text


async def test_bad_json_in_a_stream_is_refused(gateway: GatewayUnderTest) -> None:
    response = await gateway.post(
        WATCH_MESSAGES,
        content=envelope(b'{"' + MARKER.encode() + b'":1}'),
        content_type="application/connect+json",
    )

    ((_, end),) = envelopes(response.content)
    assert json_reason(json.loads(end)["error"]) == "INVALID_REQUEST"
    assert MARKER not in response.text


async def test_an_empty_body_is_an_empty_request(gateway: GatewayUnderTest) -> None:
    response = await gateway.post(CREATE_PERSON, content=b"")

    assert response.json() == {"person": {}}


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        (GET_PERSON, "application/x-www-form-urlencoded"),
        (GET_PERSON, "text/plain"),
        (GET_PERSON, "application/grpc"),
        (GET_PERSON, "application/grpc+proto"),
        (GET_PERSON, "application/connect+json"),
        (GET_PERSON, ""),
        (WATCH_MESSAGES, "application/json"),
    ],
)
async def test_other_content_types_are_refused_with_the_known_ones(
    gateway: GatewayUnderTest, path: str, content_type: str
) -> None:
    response = await gateway.post(path, {}, content_type=content_type)

    assert response.status_code == 415
    assert http_reason(response) == "CONTENT_TYPE_UNKNOWN"


async def test_a_charset_is_no_obstacle(gateway: GatewayUnderTest) -> None:
    response = await gateway.post(GET_PERSON, {}, content_type="application/json; charset=utf-8")

    assert response.status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/paperplane.friendship.v1.ChannelAuthorizationService/AuthorizeChannels",
        "/paperplane.messaging.v1.ChannelLifecycleService/ApplyFriendshipChanges",
        "/paperplane.friendship.v1.PeopleService/NoSuchMethod",
        "/grpc.health.v1.Health/Check",
        "/index.html",
    ],
)
async def test_what_is_not_for_people_does_not_exist(gateway: GatewayUnderTest, path: str) -> None:
    response = await gateway.post(path, {})

    assert response.status_code == 404
    assert response.json()["code"] == "unimplemented"
    assert http_reason(response) == "METHOD_UNKNOWN"


@pytest.mark.parametrize("verb", ["GET", "PUT", "DELETE", "OPTIONS"])
async def test_methods_are_only_posted_to(gateway: GatewayUnderTest, verb: str) -> None:
    response = await gateway.http.request(
        verb, GET_PERSON, params={"message": "{}", "encoding": "json"}
    )

    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"connect_timeout_ms": MARKER},
        {"connect_timeout_ms": "-1"},
        {"connect_timeout_ms": "99999999999"},
        {"connect_protocol_version": MARKER},
        {"grpc_timeout": MARKER},
        {"content_encoding": MARKER},
    ],
)
async def test_bad_protocol_headers_are_refused_without_quoting_them(
    gateway: GatewayUnderTest, headers: dict[str, str]
) -> None:
    response = await gateway.post(GET_PERSON, {}, **headers)

    assert response.status_code in (400, 501)
    assert http_reason(response) == "INVALID_REQUEST"
    assert MARKER not in response.text


@pytest.mark.parametrize(
    "body",
    [
        b"\x00\x00\x00\x00\x09{}",
        b"\x00\x00",
        b"",
        envelope(b"{}", 0x40),
        envelope(b"{}", 1),
        envelope(b"{}") + envelope(b"{}"),
    ],
)
async def test_a_broken_envelope_is_refused_in_our_words(
    gateway: GatewayUnderTest, body: bytes
) -> None:
    response = await gateway.post(
        WATCH_MESSAGES, content=body, content_type="application/connect+json"
    )

    (_, end) = envelopes(response.content)[-1]
    assert json_reason(json.loads(end)["error"]) == "INVALID_REQUEST"


async def _much() -> AsyncIterator[bytes]:
    for _ in range(1024):
        yield b" " * 65_536


async def test_a_body_above_256_kib_is_refused_and_never_held(gateway: GatewayUnderTest) -> None:
    before = peak_memory_mib()

    response = await gateway.http.post(
        GET_PERSON,
        content=_much(),
        headers={"content-type": "application/json", "authorization": gateway.authorization()},
    )

    assert response.status_code == 429
    assert http_reason(response) == "REQUEST_TOO_LARGE"
    assert peak_memory_mib() - before < 16


BOMB = gzip.compress(b" " * (64 << 20))


async def test_a_compressed_bomb_is_refused_while_it_inflates(gateway: GatewayUnderTest) -> None:
    before = peak_memory_mib()

    response = await gateway.post(GET_PERSON, content=BOMB, content_encoding="gzip")
    stream = await gateway.post(
        WATCH_MESSAGES,
        content=envelope(BOMB, 1),
        content_type="application/connect+json",
        connect_content_encoding="gzip",
    )

    assert response.status_code == 429
    assert http_reason(response) == "REQUEST_TOO_LARGE"
    ((_, end),) = envelopes(stream.content)
    assert json_reason(json.loads(end)["error"]) == "REQUEST_TOO_LARGE"
    assert peak_memory_mib() - before < 16


async def test_too_many_calls_in_a_second_are_refused_with_a_delay() -> None:
    async with a_gateway(rate_limit="2") as gateway:
        responses = [await gateway.post(GET_PERSON, {}) for _ in range(6)]

        refused = [response for response in responses if response.status_code == 429]
        assert refused
        assert http_reason(refused[0]) == "RATE_LIMITED"
        assert refused[0].json()["details"][1]["type"] == "google.rpc.RetryInfo"


async def test_health_and_the_list_of_methods_need_no_token(gateway: GatewayUnderTest) -> None:
    health = await gateway.http.get("/healthz")
    methods = await gateway.http.get("/methods")

    assert (health.status_code, health.text) == (200, "ok\n")
    assert GET_PERSON in methods.text


class TestDevelopmentTokens:
    async def test_a_token_is_made_for_whoever_asks(self, gateway: GatewayUnderTest) -> None:
        answer = await gateway.post("/dev/token", {"personId": "carol"}, authorization="")

        token = answer.json()["token"]
        response = await gateway.post(GET_PERSON, {}, authorization=f"Bearer {token}")
        assert response.status_code == 200
        assert gateway.does.received[0].metadata["x-paperplane-person"] == "carol"
        assert answer.headers["cache-control"] == "no-store"

    @pytest.mark.parametrize(
        "headers",
        [
            {"origin": "https://evil.example"},
            {"origin": "null"},
            {"host": "evil.example"},
            {"host": "evil.example:8080"},
            {"host": "127.0.0.1.evil.example"},
            {"host": "192.0.2.7"},
            {"host": "["},
        ],
    )
    async def test_pages_of_other_sites_get_none(
        self, gateway: GatewayUnderTest, headers: dict[str, str]
    ) -> None:
        response = await gateway.post("/dev/token", {"personId": "alice"}, **headers)

        assert response.status_code == 403
        assert "token" not in response.json()

    @pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
    async def test_forms_of_other_sites_get_none(
        self, gateway: GatewayUnderTest, content_type: str
    ) -> None:
        response = await gateway.post(
            "/dev/token", {"personId": "alice"}, content_type=content_type
        )

        assert response.status_code == 415

    async def test_our_own_page_gets_one(self, gateway: GatewayUnderTest) -> None:
        origin = str(gateway.http.base_url).rstrip("/")

        response = await gateway.post("/dev/token", {"personId": "alice"}, origin=origin)

        assert response.status_code == 200

    @pytest.mark.parametrize(
        "body",
        [
            {},
            [],
            {"personId": ""},
            {"personId": "two words"},
            {"personId": "ü"},
            {"personId": "x" * 256},
            {"personId": 7},
            {"personId": "alice", "lifetimeSeconds": 0},
            {"personId": "alice", "lifetimeSeconds": 12 * 3600 + 1},
            {"personId": "alice", "lifetimeSeconds": True},
            {"personId": "alice", "admin": True},
        ],
    )
    async def test_bad_wishes_are_refused(self, gateway: GatewayUnderTest, body: Any) -> None:
        response = await gateway.post("/dev/token", body)

        assert response.status_code == 400

    @pytest.mark.parametrize("content", [b"[" * 4000, b"\xff", b""])
    async def test_nonsense_is_refused(self, gateway: GatewayUnderTest, content: bytes) -> None:
        assert (await gateway.post("/dev/token", content=content)).status_code == 400

    async def test_large_bodies_are_refused(self, gateway: GatewayUnderTest) -> None:
        assert (await gateway.post("/dev/token", content=b" " * 5000)).status_code == 413

    async def test_it_is_posted_to(self, gateway: GatewayUnderTest) -> None:
        assert (await gateway.http.get("/dev/token")).status_code == 405


@pytest.mark.parametrize(
    ("method", "content_type"),
    [(GET_PERSON, "application/json"), (WATCH_MESSAGES, "application/connect+json")],
)
async def test_a_request_that_never_ends_is_given_up_on(method: str, content_type: str) -> None:
    async with a_gateway(default_timeout="0.2") as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.gateway.http_port)
        head = [
            f"POST {method} HTTP/1.1",
            "host: localhost",
            f"content-type: {content_type}",
            "content-length: 100",
            f"authorization: {gateway.authorization()}",
        ]
        writer.write("\r\n".join([*head, "", "{"]).encode())

        answer = await asyncio.wait_for(reader.read(), 10)

        assert b"DEADLINE_EXCEEDED" in answer
        assert gateway.does.received == []
        writer.close()
