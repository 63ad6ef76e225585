"""The gRPC port: what goes through it, what stays out, and what comes back."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from tests.support.gateway import (
    CREATE_PERSON,
    GET_PERSON,
    MARKER,
    GatewayUnderTest,
    a_gateway,
    details_of,
    peak_memory_mib,
    reason_of,
    refusal,
    status_of,
    until_let_in,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_a_call_reaches_the_service_with_its_caller(gateway: GatewayUnderTest) -> None:
    response = await gateway.get_person()

    assert response.person.person_id == "bob"
    assert gateway.does.received[0].metadata["x-paperplane-person"] == "alice"


async def test_a_claimed_identity_is_dropped(gateway: GatewayUnderTest) -> None:
    await gateway.get_person(("x-paperplane-person", "eve"), ("x-paperplane-role", "admin"))

    metadata = gateway.does.received[0].metadata
    assert metadata["x-paperplane-person"] == "alice"
    assert not {"x-paperplane-role", "authorization"} & metadata.keys()


async def test_trace_and_request_id_travel_on(gateway: GatewayUnderTest) -> None:
    await gateway.get_person(
        ("x-request-id", "my-id"), ("traceparent", TRACE), ("tracestate", "a=b")
    )

    metadata = gateway.does.received[0].metadata
    assert metadata["x-request-id"] == "my-id"
    assert metadata["traceparent"] == TRACE
    assert metadata["tracestate"] == "a=b"


async def test_malformed_trace_and_request_id_do_not_travel(gateway: GatewayUnderTest) -> None:
    await gateway.get_person(
        ("x-request-id", "two words"), ("traceparent", "00-zz"), ("tracestate", "a=b")
    )

    metadata = gateway.does.received[0].metadata
    assert metadata["x-request-id"] not in ("two words", "")
    assert not {"traceparent", "tracestate"} & metadata.keys()


async def test_a_callers_request_id_comes_back(gateway: GatewayUnderTest) -> None:
    channel: Any = gateway.channel
    call = channel.unary_unary(CREATE_PERSON)(
        b"", metadata=(("authorization", gateway.authorization()), ("x-request-id", "my-id"))
    )
    await call

    assert (await call.trailing_metadata())["x-request-id"] == "my-id"


async def test_a_request_id_of_ours_comes_with_a_refusal(gateway: GatewayUnderTest) -> None:
    channel: Any = gateway.channel
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await channel.unary_unary(CREATE_PERSON)(b"")

    assert dict(refused.value.trailing_metadata() or ())["x-request-id"]


async def test_remaining_time_travels_on(gateway: GatewayUnderTest) -> None:
    await gateway.get_person(timeout=7)
    await gateway.get_person(timeout=None)

    with_deadline, without = (received.remaining for received in gateway.does.received)
    assert with_deadline is not None
    assert without is not None
    assert 5 < with_deadline < 8  # gRPC rounds up on the wire
    assert 28 < without < 31


async def test_a_callers_cancellation_cancels_the_inner_call(gateway: GatewayUnderTest) -> None:
    gateway.does.hang = True
    call = asyncio.create_task(gateway.get_person())
    await gateway.does.entered.wait()

    call.cancel()

    await asyncio.wait_for(gateway.does.cancelled.wait(), 5)


async def test_the_default_timeout_ends_a_call_in_our_words() -> None:
    async with a_gateway(default_timeout="0.2") as gateway:
        gateway.does.hang = True

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await gateway.get_person(timeout=None)

        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert reason_of(caught.value) == "DEADLINE_EXCEEDED"


async def test_a_services_refusal_passes_unchanged(gateway: GatewayUnderTest) -> None:
    gateway.does.refusal = refusal()

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await gateway.get_person()

    assert details_of(caught.value) == refusal().SerializeToString()
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert caught.value.details() == refusal().message


@pytest.mark.parametrize(
    ("code", "seen", "reason"),
    [
        (grpc.StatusCode.INTERNAL, grpc.StatusCode.INTERNAL, "INTERNAL"),
        (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, "INTERNAL"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INTERNAL, "INTERNAL"),
        (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNIMPLEMENTED, "METHOD_UNKNOWN"),
        (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE"),
    ],
)
async def test_a_status_without_details_never_shows_its_text(
    gateway: GatewayUnderTest, code: grpc.StatusCode, seen: grpc.StatusCode, reason: str
) -> None:
    gateway.does.plain_refusal = (code, MARKER)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await gateway.get_person()

    assert caught.value.code() is seen
    assert reason_of(caught.value) == reason
    assert MARKER not in repr(caught.value)


async def test_a_service_that_is_down_is_named_unavailable_and_found_again() -> None:
    async with a_gateway() as gateway:
        await gateway.backend.stop()

        for path in (CREATE_PERSON, GET_PERSON):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await gateway.get_person(path=path)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            assert reason_of(caught.value) == "SERVICE_UNAVAILABLE"
            assert "unix:" not in repr(caught.value)

        await gateway.backend.start()
        await until_let_in(gateway.get_person, "SERVICE_UNAVAILABLE")


async def test_a_command_that_broke_off_may_have_been_carried_out() -> None:
    async with a_gateway() as gateway:
        gateway.does.hang = True
        call = asyncio.create_task(gateway.get_person(path=CREATE_PERSON))
        await gateway.does.entered.wait()

        await gateway.backend.stop()

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert reason_of(caught.value) == "OUTCOME_UNKNOWN"


async def test_a_query_that_broke_off_is_asked_once_more() -> None:
    async with a_gateway() as gateway:
        gateway.does.hang = True
        call = asyncio.create_task(gateway.get_person())
        await gateway.does.entered.wait()
        gateway.does.hang = False

        await gateway.backend.stop()
        await gateway.backend.start()

        assert (await call).person.person_id == "bob"
        assert len(gateway.does.received) == 2


@pytest.mark.parametrize(
    "method",
    [
        "/paperplane.friendship.v1.ChannelAuthorizationService/AuthorizeChannels",
        "/paperplane.messaging.v1.MessageIntakeService/SendMessages",
        "/paperplane.friendship.v1.PeopleService/NoSuchMethod",
        "/no.such.Service/Method",
    ],
)
@pytest.mark.parametrize("streaming", [False, True])
async def test_what_is_not_for_people_does_not_exist(
    gateway: GatewayUnderTest, method: str, streaming: bool
) -> None:
    channel: Any = gateway.channel
    metadata = (("authorization", gateway.authorization()),)
    if streaming:
        attempt = channel.stream_stream(method)(iter([b""]), metadata=metadata).read()
    else:
        attempt = channel.unary_unary(method)(b"", metadata=metadata)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await attempt

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert reason_of(caught.value) == "METHOD_UNKNOWN"
    assert gateway.does.received == []


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_lists_what_people_may_call(
    gateway: GatewayUnderTest, version: str
) -> None:
    reflect: Any = gateway.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        reflection_pb2.ServerReflectionRequest.SerializeToString,
        reflection_pb2.ServerReflectionResponse.FromString,
    )
    call = reflect(iter([reflection_pb2.ServerReflectionRequest(list_services="*")]))
    answer = await call.read()

    assert {service.name for service in answer.list_services_response.service} == {
        "grpc.health.v1.Health",
        "paperplane.friendship.v1.FriendshipService",
        "paperplane.friendship.v1.PeopleService",
        "paperplane.messaging.v1.AttachmentService",
        "paperplane.messaging.v1.MessagingService",
    }


async def test_health_knows_the_services(gateway: GatewayUnderTest) -> None:
    health: Any = health_pb2_grpc.HealthStub(gateway.channel)

    for service in ("", "paperplane.messaging.v1.MessagingService"):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize(
    "compression",
    [grpc.Compression.NoCompression, grpc.Compression.Gzip, grpc.Compression.Deflate],
)
async def test_a_request_above_256_kib_is_refused_before_it_is_whole(
    gateway: GatewayUnderTest, compression: grpc.Compression
) -> None:
    channel: Any = gateway.channel
    call = channel.unary_unary(CREATE_PERSON)
    metadata = (("authorization", gateway.authorization()),)
    await call(b"\x0a\x00" * 100_000, metadata=metadata, compression=compression)
    before = peak_memory_mib()

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(bytes(64 << 20), metadata=metadata, compression=compression)

    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert len(gateway.does.received) == 1
    if compression is not grpc.Compression.NoCompression:
        # The client's own 64 MiB live in this process too: once as they are. Inflated by the
        # server, they would be there a second time.
        assert peak_memory_mib() - before < 64 + 32


async def test_a_request_a_little_above_256_kib_is_refused_with_a_reason(
    gateway: GatewayUnderTest,
) -> None:
    channel: Any = gateway.channel
    metadata = (("authorization", gateway.authorization()),)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary(CREATE_PERSON)(bytes(257 << 10), metadata=metadata)

    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert reason_of(caught.value) == "REQUEST_TOO_LARGE"
    assert not gateway.does.received


async def test_too_many_calls_in_a_second_are_refused_with_a_delay() -> None:
    async with a_gateway(rate_limit="3") as gateway:
        refused: list[grpc.aio.AioRpcError] = []
        for _ in range(8):
            try:
                await gateway.get_person()
            except grpc.aio.AioRpcError as error:
                refused.append(error)

        assert refused
        assert {reason_of(error) for error in refused} == {"RATE_LIMITED"}
        assert status_of(refused[0]).details[1].type_url.endswith("google.rpc.RetryInfo")
        await gateway.get_person(authorization=gateway.authorization("bob"))


async def test_many_calls_at_once_all_get_their_own_answer(gateway: GatewayUnderTest) -> None:
    async def one(number: int) -> None:
        await gateway.get_person(
            ("x-request-id", f"id{number}"),
            authorization=gateway.authorization(f"person{number % 10}"),
        )

    await asyncio.gather(*[one(number) for number in range(200)])

    for received in gateway.does.received:
        number = int(received.metadata["x-request-id"][2:])
        assert received.metadata["x-paperplane-person"] == f"person{number % 10}"
