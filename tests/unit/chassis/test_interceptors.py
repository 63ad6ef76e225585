"""What happens around every call, seen from outside, on a real server."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from chassis.calls import PERSON_KEY, REQUEST_ID_KEY, current_call
from chassis.client import open_channel
from chassis.errors import ErrorTable
from chassis.interceptors import ServiceInterceptor
from chassis.refusals import PeerUnavailable
from chassis.server import AddressInUse, GrpcServer
from paperplane.messaging.v1 import lifecycle_pb2, lifecycle_pb2_grpc, messaging_pb2_grpc
from paperplane.messaging.v1 import messaging_pb2 as pb
from tests.support.refusals import refused

SERVICES = [
    pb.DESCRIPTOR.services_by_name["MessagingService"],
    lifecycle_pb2.DESCRIPTOR.services_by_name["ChannelLifecycleService"],
]
MARKER = "marker-a71e"
SEND = "/paperplane.messaging.v1.MessagingService/SendMessage"
WATCH = "/paperplane.messaging.v1.MessagingService/WatchMessages"
ANN = [(PERSON_KEY, "ann"), (REQUEST_ID_KEY, "r-77")]


class Servicer:
    """Does what the text says. Only two methods of the service are there."""

    def __init__(self) -> None:
        self.called = 0

    async def SendMessage(self, request: pb.SendMessageRequest, context: Any) -> Any:
        self.called += 1
        if request.text == "refuse":
            raise PeerUnavailable
        if request.text == "abort":
            await context.abort(StatusCode.ABORTED, "by hand")
        if request.text.startswith("explode"):
            raise ValueError(request.text)
        call = current_call.get()
        return pb.SendMessageResponse(
            message=pb.Message(sender_id=call.person_id, text=call.request_id)
        )

    async def WatchMessages(
        self, request: pb.WatchMessagesRequest, context: Any
    ) -> AsyncIterator[pb.WatchMessagesResponse]:
        self.called += 1
        yield pb.WatchMessagesResponse(cursor=current_call.get().person_id)
        if request.after_cursor == "refuse":
            raise PeerUnavailable
        if request.after_cursor.startswith("explode"):
            raise ValueError(request.after_cursor)


class Lifecycle(lifecycle_pb2_grpc.ChannelLifecycleServiceServicer):
    async def ApplyFriendshipChanges(self, request: Any, context: Any) -> Any:
        return lifecycle_pb2.ApplyFriendshipChangesResponse()


@pytest.fixture
def servicer() -> Servicer:
    return Servicer()


@pytest.fixture
async def channel(servicer: Servicer) -> AsyncGenerator[grpc.aio.Channel]:
    folder = Path(tempfile.mkdtemp(prefix="pp-"))
    server = GrpcServer(
        f"unix:{folder}/s",
        SERVICES,
        lambda: None,
        [ServiceInterceptor(SERVICES, ErrorTable("paperplane", {}))],
    )
    untyped: Any = grpc
    handlers = {
        "SendMessage": untyped.unary_unary_rpc_method_handler(
            servicer.SendMessage, None, pb.SendMessageResponse.SerializeToString
        ),
        "WatchMessages": untyped.unary_stream_rpc_method_handler(
            servicer.WatchMessages, None, pb.WatchMessagesResponse.SerializeToString
        ),
    }
    served = grpc.method_handlers_generic_handler(SERVICES[0].full_name, handlers)
    server.server.add_generic_rpc_handlers((served,))
    lifecycle_pb2_grpc.add_ChannelLifecycleServiceServicer_to_server(Lifecycle(), server.server)
    await server.start()
    async with open_channel(f"unix:{folder}/s") as channel:
        yield channel
    await server.stop(0)
    shutil.rmtree(folder)


def send(channel: grpc.aio.Channel, text: str, metadata: Any = ANN) -> Any:
    stub = messaging_pb2_grpc.MessagingServiceStub(channel)
    request = pb.SendMessageRequest(channel_id="c", text=text)
    return stub.SendMessage(request, metadata=metadata, timeout=5)


async def drain(call: Any) -> list[Any]:
    return [response async for response in call]


def raw(method: Any, data: bytes, metadata: Any = ANN) -> Any:
    """Call a method with bytes as they are."""
    return method(data, metadata=metadata, timeout=5)


async def test_handler_knows_the_call(channel: grpc.aio.Channel) -> None:
    message = (await send(channel, "x")).message
    assert (message.sender_id, message.text) == ("ann", "r-77")
    # Without an id, one is made.
    assert (await send(channel, "x", [(PERSON_KEY, "bob")])).message.text
    # Calls know nothing of each other.
    both = await asyncio.gather(*(send(channel, "x", [(PERSON_KEY, f"p{n}")]) for n in range(20)))
    assert [answer.message.sender_id for answer in both] == [f"p{n}" for n in range(20)]


@pytest.mark.parametrize(
    "data",
    [b"\xff", b"\x0a\x05abc", b"\x1a\x03a\xffb", b"\x0a\x02\xc3\x28", b"\x1b" * 2000],
    ids=["garbage", "cut off", "text no UTF-8", "id no UTF-8", "nested groups"],
)
@pytest.mark.parametrize("path", [SEND, WATCH])
async def test_bytes_that_are_no_request_are_refused(
    channel: grpc.aio.Channel, servicer: Servicer, path: str, data: bytes
) -> None:
    if path == SEND:
        call: Any = raw(channel.unary_unary(path), data)
    else:
        data = data.replace(b"\x1a", b"\x0a")
        call = drain(raw(channel.unary_stream(path), data))
    error = await refused(call)
    assert (error.code, error.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert error.fields == ("",)
    assert servicer.called == 0


async def test_request_that_breaks_rules_is_refused_with_all_of_them(
    channel: grpc.aio.Channel, servicer: Servicer
) -> None:
    stub = messaging_pb2_grpc.MessagingServiceStub(channel)
    request = pb.SendMessageRequest(text="x" * 16_385, client_message_id="a b")
    with capture_logs() as logs:
        error = await refused(stub.SendMessage(request, metadata=ANN, timeout=5))
    assert error.code is StatusCode.INVALID_ARGUMENT
    assert sorted(error.fields) == ["channel_id", "client_message_id", "text"]
    assert b"xxx" not in error.raw
    assert servicer.called == 0
    assert logs == []


async def test_unexpected_exception_shows_no_word_of_its_own(channel: grpc.aio.Channel) -> None:
    stub = messaging_pb2_grpc.MessagingServiceStub(channel)
    watch = pb.WatchMessagesRequest(after_cursor=f"explode {MARKER}")
    with capture_logs() as logs:
        errors = [
            await refused(send(channel, f"explode {MARKER}")),
            await refused(drain(stub.WatchMessages(watch, metadata=ANN, timeout=5))),
        ]
    for error in errors:
        assert (error.code, error.reason) == (StatusCode.INTERNAL, "INTERNAL")
        assert MARKER.encode() not in error.raw
        assert b"ValueError" not in error.raw
        assert "r-77" in error.sentence
    assert [line["event"] for line in logs] == ["call.failed"] * 2
    assert MARKER not in str([{**line, "exc_info": None} for line in logs])


async def test_refusal_becomes_its_status(channel: grpc.aio.Channel) -> None:
    stub = messaging_pb2_grpc.MessagingServiceStub(channel)
    watch: Any = stub.WatchMessages(
        pb.WatchMessagesRequest(after_cursor="refuse"), metadata=ANN, timeout=5
    )
    assert (await watch.read()).cursor == "ann"
    for error in (await refused(send(channel, "refuse")), await refused(watch.read())):
        assert (error.code, error.reason) == (StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE")


async def test_abort_of_a_handler_stays_what_it_is(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as aborted:
        await send(channel, "abort")
    assert (aborted.value.code(), aborted.value.details()) == (StatusCode.ABORTED, "by hand")


@pytest.mark.parametrize("metadata", [[], [(PERSON_KEY, "")], [(REQUEST_ID_KEY, "r")]], ids=str)
async def test_caller_is_needed_before_anything_is_parsed(
    channel: grpc.aio.Channel, servicer: Servicer, metadata: list[tuple[str, str]]
) -> None:
    stub = messaging_pb2_grpc.MessagingServiceStub(channel)
    calls: list[Any] = [
        send(channel, "x", metadata),
        raw(channel.unary_unary(SEND), b"\xff", metadata),
        drain(stub.WatchMessages(pb.WatchMessagesRequest(), metadata=metadata, timeout=5)),
    ]
    for call in calls:
        error = await refused(call)
        assert (error.code, error.reason) == (StatusCode.UNAUTHENTICATED, "TOKEN_MISSING")
    assert servicer.called == 0


async def test_services_among_themselves_name_no_caller(channel: grpc.aio.Channel) -> None:
    change = lifecycle_pb2.FriendshipChange(
        person_id="ann", other_person_id="bob", open=True, epoch=1
    )
    request = lifecycle_pb2.ApplyFriendshipChangesRequest(changes=[change])
    stub = lifecycle_pb2_grpc.ChannelLifecycleServiceStub(channel)
    assert await stub.ApplyFriendshipChanges(request, timeout=5) is not None


async def test_unknown_methods_are_unimplemented_and_health_is_open_to_all(
    channel: grpc.aio.Channel,
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await raw(channel.unary_unary("/paperplane.messaging.v1.MessagingService/Nope"), b"")
    assert unknown.value.code() is StatusCode.UNIMPLEMENTED
    health: Any = health_pb2_grpc.HealthStub(channel)
    for name in ("", *(service.full_name for service in SERVICES)):
        status = await health.Check(health_pb2.HealthCheckRequest(service=name), timeout=5)
        assert status.status == health_pb2.HealthCheckResponse.SERVING


async def test_address_in_use_is_one_sentence(tmp_path: Path) -> None:
    first = GrpcServer("127.0.0.1:0", SERVICES, lambda: None)
    await first.start()
    second = GrpcServer(f"127.0.0.1:{first.port}", SERVICES, lambda: None)
    with pytest.raises(AddressInUse, match=f"can't listen on 127.0.0.1:{first.port}") as refused_:
        await second.start()
    assert "\n" not in str(refused_.value)
    await first.stop(0)
