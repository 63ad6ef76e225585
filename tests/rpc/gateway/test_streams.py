"""Streams through both ports: how they flow, and how they end."""

from __future__ import annotations

import asyncio
import json

import grpc
import pytest

from tests.support.gateway import (
    WATCH_MESSAGES,
    GatewayUnderTest,
    a_gateway,
    envelope,
    envelopes,
    json_reason,
    reason_of,
    refusal,
    until_let_in,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_events_pass_with_the_caller_and_the_request_id(gateway: GatewayUnderTest) -> None:
    call = gateway.watch()

    events = [event async for event in call]

    assert [event.cursor for event in events] == ["c0"]
    assert gateway.does.received[0].metadata["x-paperplane-person"] == "alice"
    request_id = gateway.does.received[0].metadata["x-request-id"]
    assert (await call.initial_metadata())["x-request-id"] == request_id


async def test_a_client_that_leaves_ends_the_inner_stream(gateway: GatewayUnderTest) -> None:
    gateway.does.hang = True
    call = gateway.watch()
    await call.read()
    await gateway.does.entered.wait()

    call.cancel()

    await asyncio.wait_for(gateway.does.cancelled.wait(), 5)


async def test_a_stream_ends_with_its_token(gateway: GatewayUnderTest) -> None:
    gateway.does.hang = True
    call = gateway.watch(gateway.authorization(lifetime_seconds=2))
    await call.read()

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asyncio.wait_for(call.read(), 10)

    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert reason_of(caught.value) == "TOKEN_EXPIRED"
    await asyncio.wait_for(gateway.does.cancelled.wait(), 5)


async def test_a_service_that_breaks_off_ends_the_stream_unavailable() -> None:
    async with a_gateway() as gateway:
        gateway.does.hang = True
        call = gateway.watch()
        await call.read()
        await gateway.does.entered.wait()

        await gateway.backend.stop()

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert reason_of(caught.value) == "SERVICE_UNAVAILABLE"


async def test_a_services_refusal_ends_a_stream_unchanged(gateway: GatewayUnderTest) -> None:
    gateway.does.refusal = refusal("CURSOR_EXPIRED")
    call = gateway.watch()
    await call.read()

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()

    assert reason_of(caught.value) == "CURSOR_EXPIRED"


async def test_streams_end_when_the_gateway_stops() -> None:
    async with a_gateway(drain_seconds="5") as gateway:
        gateway.does.hang = True
        watching = gateway.watch()
        await watching.read()
        web = asyncio.create_task(_watch_over_http(gateway))
        async with asyncio.timeout(5):
            while len(gateway.does.received) < 2:
                await gateway.does.entered.wait()
                gateway.does.entered.clear()

        # Well before the calls under way would have been broken off.
        await asyncio.wait_for(gateway.stop(), 2)

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await watching.read()
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert reason_of(caught.value) == "SERVER_STOPPING"
        (_, last) = (await web)[-1]
        assert json_reason(json.loads(last)["error"]) == "SERVER_STOPPING"


async def _watch_over_http(gateway: GatewayUnderTest) -> list[tuple[int, bytes]]:
    response = await gateway.post(
        WATCH_MESSAGES, content=envelope(b"{}"), content_type="application/connect+json"
    )
    return envelopes(response.content)


async def test_a_reader_who_does_not_read_holds_the_service_back(
    gateway: GatewayUnderTest,
) -> None:
    gateway.does.endless = True
    call = gateway.watch()
    await call.read()

    sent = -1
    async with asyncio.timeout(20):
        while sent != gateway.does.sent:
            sent = gateway.does.sent
            for _ in range(20):
                await gateway.get_person()

    # Each is 10 kB: what connections and windows hold, and no more.
    assert 0 < sent < 5_000
    gateway.does.endless = False
    call.cancel()


async def test_a_person_holds_only_so_many_streams() -> None:
    async with a_gateway(max_streams="2") as gateway:
        gateway.does.hang = True
        first, second = gateway.watch(), gateway.watch()
        await first.read()
        await second.read()

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await gateway.watch().read()
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert reason_of(caught.value) == "TOO_MANY_STREAMS"
        await gateway.watch(gateway.authorization("bob")).read()

        first.cancel()
        await asyncio.wait_for(gateway.does.cancelled.wait(), 5)
        await until_let_in(lambda: gateway.watch().read(), "TOO_MANY_STREAMS")


async def test_a_stream_over_connect_and_one_over_grpc_web(gateway: GatewayUnderTest) -> None:
    ((_, first), (end_flags, end)) = await _watch_over_http(gateway)
    assert json.loads(first)["cursor"] == "c0"
    assert (end_flags, json.loads(end)) == (2, {})

    web = await gateway.post(
        WATCH_MESSAGES, content=envelope(b""), content_type="application/grpc-web+proto"
    )
    ((_, event), (trailer_flags, trailers)) = envelopes(web.content)
    assert b"c0" in event
    assert trailer_flags == 128
    assert b"grpc-status: 0" in trailers


async def test_a_web_client_that_leaves_ends_the_inner_stream(gateway: GatewayUnderTest) -> None:
    gateway.does.hang = True
    async with gateway.http.stream(
        "POST",
        WATCH_MESSAGES,
        content=envelope(b"{}"),
        headers={
            "content-type": "application/connect+json",
            "authorization": gateway.authorization(),
        },
    ) as response:
        async for _ in response.aiter_raw():
            break
        await gateway.does.entered.wait()

    await asyncio.wait_for(gateway.does.cancelled.wait(), 5)


async def test_a_web_stream_ends_with_its_token(gateway: GatewayUnderTest) -> None:
    gateway.does.hang = True

    response = await gateway.post(
        WATCH_MESSAGES,
        content=envelope(b"{}"),
        content_type="application/connect+json",
        authorization=gateway.authorization(lifetime_seconds=2),
    )

    (_, last) = envelopes(response.content)[-1]
    assert json_reason(json.loads(last)["error"]) == "TOKEN_EXPIRED"
