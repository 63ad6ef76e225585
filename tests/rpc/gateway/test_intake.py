"""Sends travel in frames on one stream, and every replica of the service gets its share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc

from chassis.calls import Call
from chassis.client import open_channel
from gateway.intake import IntakeForwarder
from gateway.routes import find_routes
from paperplane.messaging.v1 import intake_pb2, intake_pb2_grpc, messaging_pb2

(ROUTE,) = [route for route in find_routes() if route.intake is not None]
CALLS = 200


class Echo(intake_pb2_grpc.MessageIntakeServiceServicer):
    """Answers each call with its own text, and keeps what it was asked."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.streams = 0

    async def SendMessages(
        self, request_iterator: AsyncIterator[intake_pb2.SendMessagesRequest], context: Any
    ) -> AsyncIterator[intake_pb2.SendMessagesResponse]:
        del context
        self.streams += 1
        async for request in request_iterator:
            response = intake_pb2.SendMessagesResponse()
            for call in request.frame.calls:
                text = messaging_pb2.SendMessageRequest.FromString(call.request).text
                self.texts.append(text)
                answer = messaging_pb2.SendMessageResponse(message=messaging_pb2.Message(text=text))
                response.frame.answers.add(tag=call.tag, response=answer.SerializeToString())
            yield response


@asynccontextmanager
async def serving(echo: Echo) -> AsyncGenerator[int]:
    server = grpc.aio.server()
    intake_pb2_grpc.add_MessageIntakeServiceServicer_to_server(echo, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield port
    await server.stop(None)


@asynccontextmanager
async def forwarding(stream_seconds: float) -> AsyncGenerator[tuple[IntakeForwarder, list[Echo]]]:
    """Forward to two replicas."""
    replicas = [Echo(), Echo()]
    async with AsyncExitStack() as opened:
        ports = [await opened.enter_async_context(serving(each)) for each in replicas]
        address = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
        channel = await opened.enter_async_context(open_channel(address))
        forwarder = IntakeForwarder(channel, ROUTE, stream_seconds)
        opened.push_async_callback(forwarder.close)
        yield forwarder, replicas


async def echoed(forwarder: IntakeForwarder, text: str) -> str:
    """Send a text without a client id, which is never sent twice; return what comes back."""
    request = messaging_pb2.SendMessageRequest(text=text)
    call = Call(person_id="ann")
    answer = await forwarder.call(request.SerializeToString(), call, timeout=30)
    return messaging_pb2.SendMessageResponse.FromString(answer).message.text


async def test_every_replica_gets_its_share_and_every_call_its_answer() -> None:
    async with forwarding(stream_seconds=0) as (forwarder, replicas):
        one_by_one = [f"alone {number}" for number in range(10)]
        for text in one_by_one:
            assert await echoed(forwarder, text) == text
        at_once = [f"together {number}" for number in range(CALLS)]
        assert await asyncio.gather(*(echoed(forwarder, text) for text in at_once)) == at_once

        assert sorted(replicas[0].texts + replicas[1].texts) == sorted(one_by_one + at_once)
        assert all(replica.streams > 1 for replica in replicas)


async def test_a_stream_is_used_for_a_while() -> None:
    async with forwarding(stream_seconds=60) as (forwarder, replicas):
        for number in range(10):
            await echoed(forwarder, str(number))
        assert [replica.streams for replica in replicas] in ([0, 1], [1, 0])
