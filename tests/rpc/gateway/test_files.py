"""Files over plain HTTP: what goes in, what comes out with which headers, and how it breaks off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from paperplane.messaging.v1 import attachments_pb2 as pb
from tests.support.gateway import GatewayUnderTest, a_gateway, http_reason, refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMED = {"content-disposition": "attachment; filename*=UTF-8''na%C3%AFve%20%F0%9F%9B%A9.png"}
CONTENT = bytes(range(256)) * 10


async def call(gateway: GatewayUnderTest, method: str, path: str, **more: Any) -> httpx.Response:
    headers = {"authorization": gateway.authorization(), **more.pop("headers", {})}
    return await gateway.http.request(method, path, headers=headers, **more)


async def test_a_file_goes_in_as_it_is(gateway: GatewayUnderTest) -> None:
    headers = {**NAMED, "content-type": "IMAGE/png; charset=x", "x-request-id": "r1"}

    response = await call(gateway, "PUT", "/attachments", content=bytes(1_000_000), headers=headers)

    assert response.status_code == 201
    assert response.json()["attachment"] == {
        "attachmentId": "a1",
        "fileName": "naïve 🛩.png",
        "sizeBytes": "1000000",
    }
    assert response.headers["x-request-id"] == "r1"
    said = gateway.does.received[0].request.header
    assert (said.content_type, said.size_bytes) == ("image/png", 1_000_000)
    assert gateway.does.received[0].metadata["x-paperplane-person"] == "alice"


async def test_a_file_of_unknown_length_goes_in_too(gateway: GatewayUnderTest) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield bytes(200_000)

    response = await call(gateway, "PUT", "/attachments", content=body(), headers=NAMED)

    assert response.json()["attachment"]["sizeBytes"] == "600000"
    assert gateway.does.received[0].request.header.size_bytes == 0


async def test_a_client_that_leaves_in_the_middle_completes_nothing(
    gateway: GatewayUnderTest,
) -> None:
    gateway.does.hang = True
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.gateway.http_port)
    writer.write(
        b"PUT /attachments HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n"
        b"content-disposition: attachment; filename=a\r\n"
        b"authorization: " + gateway.authorization().encode() + b"\r\n\r\nthe beginning"
    )
    await asyncio.wait_for(gateway.does.entered.wait(), 5)

    writer.close()

    await asyncio.wait_for(gateway.does.cancelled.wait(), 5)
    assert gateway.does.completed == 0
    assert await reader.read() == b""


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ({}, 400, "INVALID_REQUEST"),
        ({"content-disposition": "attachment"}, 400, "INVALID_REQUEST"),
        ({"content-disposition": "attachment; filename=" + ";" * 50_000}, 400, "INVALID_REQUEST"),
        ({**NAMED, "content-encoding": "gzip"}, 415, "CONTENT_ENCODING_UNKNOWN"),
        ({**NAMED, "authorization": "Bearer no"}, 401, "TOKEN_INVALID"),
    ],
)
async def test_what_can_not_be_taken_is_refused_before_it_is_read(
    gateway: GatewayUnderTest, headers: dict[str, str], status: int, reason: str
) -> None:
    response = await call(gateway, "PUT", "/attachments", content=b"x", headers=headers)

    assert (response.status_code, http_reason(response)) == (status, reason)
    assert not gateway.does.received


async def test_a_refusal_comes_before_the_body_and_asks_for_none(
    gateway: GatewayUnderTest,
) -> None:
    """Neither a client that waits to be told to go on nor one that stalls waits for its answer."""
    for head in (b"expect: 100-continue\r\ncontent-length: 9\r\n", b"content-length: 999999\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.gateway.http_port)
        writer.write(b"PUT /attachments HTTP/1.1\r\nhost: x\r\n" + head + b"\r\n")

        status = await asyncio.wait_for(reader.readline(), 4)

        assert status.startswith(b"HTTP/1.1 401 ")
        writer.close()
        await writer.wait_closed()


async def test_a_length_beyond_all_bounds_is_said_to_be_large(gateway: GatewayUnderTest) -> None:
    gateway.does.refusal = refusal("ATTACHMENT_TOO_LARGE")
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.gateway.http_port)
    writer.write(
        b"PUT /attachments HTTP/1.1\r\nhost: x\r\ncontent-length: 9223372036854775808\r\n"
        b"content-disposition: attachment; filename=a\r\n"
        b"authorization: " + gateway.authorization().encode() + b"\r\n\r\n"
    )

    assert (await asyncio.wait_for(reader.readline(), 4)).startswith(b"HTTP/1.1 413 ")
    assert gateway.does.received[0].request.header.size_bytes == 2**63 - 1
    writer.close()
    await writer.wait_closed()


async def test_a_reader_that_leaves_ends_the_download(gateway: GatewayUnderTest) -> None:
    gateway.does.content = bytes(100_000_000)
    headers = {"authorization": gateway.authorization()}
    async with gateway.http.stream("GET", "/attachments/a1", headers=headers) as response:
        await anext(response.aiter_raw())

    await asyncio.wait_for(gateway.does.cancelled.wait(), 10)
    assert gateway.does.sent < 100_000


async def test_a_refusal_of_the_service_comes_with_the_status_that_http_has_for_it(
    gateway: GatewayUnderTest,
) -> None:
    gateway.does.refusal = refusal("ATTACHMENT_TOO_LARGE")

    response = await call(gateway, "PUT", "/attachments", content=b"x", headers=NAMED)

    assert (response.status_code, http_reason(response)) == (413, "ATTACHMENT_TOO_LARGE")


async def test_a_picture_is_shown_under_its_name_and_never_kept(gateway: GatewayUnderTest) -> None:
    response = await call(gateway, "GET", "/attachments/a1")

    assert response.content == CONTENT
    assert {
        name: response.headers[name]
        for name in ("content-type", "content-length", "cache-control", "content-disposition")
    } == {
        "content-type": "image/png",
        "content-length": "2560",
        "cache-control": "private, no-store",
        "content-disposition": 'inline; filename="na_ve _.png"; '
        "filename*=UTF-8''na%C3%AFve%20%F0%9F%9B%A9.png",
    }
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in response.headers["content-security-policy"]
    assert not gateway.does.received[0].request.preview


async def test_a_preview_is_asked_for_as_such(gateway: GatewayUnderTest) -> None:
    await call(gateway, "GET", "/attachments/a1?preview=1")

    assert gateway.does.received[0].request == pb.DownloadAttachmentRequest(
        attachment_id="a1", preview=True
    )


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("bytes=0-99", 0, 99),
        ("bytes=2000-", 2000, 2559),
        ("bytes=-10", 2550, 2559),
        ("bytes=-99999", 0, 2559),
        ("bytes=5-999999", 5, 2559),
    ],
)
async def test_a_part_is_given_out(
    gateway: GatewayUnderTest, wanted: str, first: int, last: int
) -> None:
    response = await call(gateway, "GET", "/attachments/a1", headers={"range": wanted})

    assert response.status_code == 206
    assert response.headers["content-range"] == f"bytes {first}-{last}/2560"
    assert response.content == CONTENT[first : last + 1]


async def test_a_range_of_another_file_gets_the_whole(gateway: GatewayUnderTest) -> None:
    tag = (await call(gateway, "HEAD", "/attachments/a1")).headers["etag"]
    same, other = [
        await call(gateway, "GET", "/attachments/a1", headers={"range": "bytes=0-1", "if-range": t})
        for t in (tag, '"other"')
    ]

    assert (same.status_code, other.status_code) == (206, 200)


async def test_a_head_says_what_a_get_would(gateway: GatewayUnderTest) -> None:
    head, get = [await call(gateway, verb, "/attachments/a1") for verb in ("HEAD", "GET")]

    assert head.content == b""
    ours = ("x-request-id", "date")
    assert [(n, v) for n, v in head.headers.items() if n not in ours] == [
        (n, v) for n, v in get.headers.items() if n not in ours
    ]


async def test_a_range_behind_the_end_is_refused(gateway: GatewayUnderTest) -> None:
    response = await call(gateway, "GET", "/attachments/a1", headers={"range": "bytes=9999-"})

    assert response.status_code == 416
    assert response.headers["content-range"] == "bytes */2560"


async def test_who_has_it_already_is_told_so(gateway: GatewayUnderTest) -> None:
    tag = (await call(gateway, "HEAD", "/attachments/a1")).headers["etag"]
    same, other = [
        await call(gateway, "GET", "/attachments/a1", headers={name: tag})
        for name in ("if-none-match", "if-match")
    ]

    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert (other.status_code, other.content) == (200, CONTENT)


async def test_whoever_may_not_have_it_learns_nothing(gateway: GatewayUnderTest) -> None:
    """Signed out, with a bad token, a stranger, or nothing there: the same answer."""
    gateway.does.refusal = refusal("ATTACHMENT_NOT_FOUND")
    answers = [
        await gateway.http.get("/attachments/a1", headers=headers)
        for headers in (
            {},
            {"authorization": "Bearer no"},
            {"authorization": gateway.authorization(lifetime_seconds=-5)},
            {"authorization": gateway.authorization()},
            {"authorization": gateway.authorization(), "range": "bytes=-1"},
        )
    ]

    for answer in answers:
        del answer.headers["x-request-id"], answer.headers["date"]
    assert {http_reason(answer) for answer in answers} == {"ATTACHMENT_NOT_FOUND"}
    assert len({(a.status_code, a.content, str(a.headers)) for a in answers}) == 1


async def test_a_download_that_breaks_off_is_not_taken_for_the_whole() -> None:
    async with a_gateway() as gateway:
        gateway.does.content = bytes(50_000_000)
        headers = {"authorization": gateway.authorization()}
        async with gateway.http.stream("GET", "/attachments/a1", headers=headers) as response:
            pieces = response.aiter_raw()
            await anext(pieces)
            await gateway.backend.stop()

            with pytest.raises(httpx.RemoteProtocolError):
                await _exhaust(pieces)

    assert response.status_code == 200


async def _exhaust(pieces: AsyncIterator[bytes]) -> None:
    async for _ in pieces:
        pass


async def test_a_photo_is_kept_for_ever(gateway: GatewayUnderTest) -> None:
    small, large = [await call(gateway, "GET", f"/photos/p1/{size}") for size in (96, 512)]

    assert small.content == large.content == b"photo"
    assert small.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert small.headers["content-type"] == "image/webp"
    assert [each.request.size for each in gateway.does.received] == [1, 2]


async def test_a_photo_is_set_from_the_body(gateway: GatewayUnderTest) -> None:
    response = await call(
        gateway, "PUT", "/photo", content=bytes(5000), headers={"content-type": "image/jpeg"}
    )

    assert response.json() == {"person": {"photoId": "p1"}}
    said = gateway.does.received[0].request.header
    assert (said.content_type, said.size_bytes, gateway.does.sent) == ("image/jpeg", 5000, 5000)


@pytest.mark.parametrize(
    ("verb", "path", "allowed"),
    [
        ("POST", "/attachments", "PUT"),
        ("PUT", "/attachments/a1", "GET, HEAD"),
        ("GET", "/photo", "PUT, DELETE"),
        ("DELETE", "/photos/p1/96", "GET, HEAD"),
    ],
)
async def test_other_verbs_are_refused(
    gateway: GatewayUnderTest, verb: str, path: str, allowed: str
) -> None:
    response = await call(gateway, verb, path)

    assert (response.status_code, response.headers["allow"]) == (405, allowed)
