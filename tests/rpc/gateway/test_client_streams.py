"""Streams of requests through both ports: how they flow, and how they break off."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import grpc
import pytest

from paperplane.messaging.v1 import attachments_pb2 as pb
from tests.support.gateway import (
    UPLOAD,
    GatewayUnderTest,
    a_gateway,
    envelope,
    envelopes,
    json_reason,
    reason_of,
    refusal,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

HEADER = pb.UploadAttachmentRequest(header=pb.UploadHeader(file_name="plan.txt"))


async def pieces(count: int, size: int = 1000) -> AsyncIterator[pb.UploadAttachmentRequest]:
    yield HEADER
    for _ in range(count):
        yield pb.UploadAttachmentRequest(chunk=bytes(size))


async def endless(went_on: asyncio.Event) -> AsyncIterator[pb.UploadAttachmentRequest]:
    yield HEADER
    await went_on.wait()
    while True:
        yield pb.UploadAttachmentRequest(chunk=bytes(100_000))


async def test_requests_pass_with_the_caller_and_one_answer_comes(
    gateway: GatewayUnderTest,
) -> None:
    answer = await gateway.upload(pieces(50))

    assert (answer.attachment.file_name, answer.attachment.size_bytes) == ("plan.txt", 50_000)
    assert gateway.does.received[0].metadata["x-paperplane-person"] == "alice"


async def test_connect_clients_can_stream_requests(gateway: GatewayUnderTest) -> None:
    body = b"".join(
        envelope(json.dumps(request).encode())
        for request in ({"header": {"fileName": "a.txt"}}, {"chunk": "AAAA"}, {"chunk": "AAAA"})
    )

    response = await gateway.post(UPLOAD, content=body, content_type="application/connect+json")

    (_, answer), (flags, _) = envelopes(response.content)
    assert flags == 2
    assert json.loads(answer)["attachment"]["sizeBytes"] == "6"


async def test_what_is_no_request_is_refused_in_our_words(gateway: GatewayUnderTest) -> None:
    body = envelope(b'{"header": {"fileName": "a.txt"}}') + envelope(b"{nonsense")

    response = await gateway.post(UPLOAD, content=body, content_type="application/connect+json")

    ((flags, end),) = envelopes(response.content)
    assert flags == 2
    assert json_reason(json.loads(end)["error"]) == "INVALID_REQUEST"
    assert gateway.does.completed == 0


async def test_a_client_that_leaves_breaks_the_inner_stream_off(gateway: GatewayUnderTest) -> None:
    gateway.does.hang = True
    call = asyncio.create_task(gateway.upload(endless(asyncio.Event())))
    await gateway.does.entered.wait()

    call.cancel()

    await asyncio.wait_for(gateway.does.cancelled.wait(), 5)
    assert gateway.does.completed == 0


async def test_a_refusal_comes_before_all_was_said(gateway: GatewayUnderTest) -> None:
    gateway.does.refusal = refusal("ATTACHMENT_TOO_LARGE")

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await gateway.upload(endless(asyncio.Event()))

    assert reason_of(caught.value) == "ATTACHMENT_TOO_LARGE"


async def test_a_request_beyond_the_limit_breaks_the_stream_off(gateway: GatewayUnderTest) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await gateway.upload(pieces(1, 300_000))

    assert reason_of(caught.value) == "REQUEST_TOO_LARGE"
    assert gateway.does.completed == 0


async def test_a_token_is_asked_for_before_anything_is_read(gateway: GatewayUnderTest) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await gateway.upload(pieces(1), "Bearer nonsense")

    assert reason_of(caught.value) == "TOKEN_INVALID"
    assert not gateway.does.received


async def test_a_service_that_is_gone_says_so() -> None:
    async with a_gateway() as gateway:
        await gateway.backend.stop()

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await gateway.upload(pieces(1))

        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert reason_of(caught.value) == "SERVICE_UNAVAILABLE"


async def test_a_stream_of_requests_ends_when_the_gateway_stops() -> None:
    async with a_gateway() as gateway:
        gateway.does.hang = True
        call = asyncio.create_task(gateway.upload(endless(asyncio.Event())))
        await gateway.does.entered.wait()
        stopping = asyncio.ensure_future(gateway.stop())

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await asyncio.wait_for(call, 5)

        assert reason_of(caught.value) == "SERVER_STOPPING"
        await stopping
