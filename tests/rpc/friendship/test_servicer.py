"""A method through grpcio-testing. It knows no asyncio, so that a coroutine is run where it is called."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import grpc
import grpc_testing  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]

from paperplane.friendship.v1 import authorization_pb2
from services.friendship.domain import Grant
from services.friendship.friendships import Friendships
from services.friendship.servicers import ChannelAuthorizationServicer

SERVICE = authorization_pb2.DESCRIPTOR.services_by_name["ChannelAuthorizationService"]


class Known:
    """Knows one friendship, of ann and bob."""

    async def authorize(self, wanted: Sequence[tuple[str, str]]) -> list[Grant]:
        return [Grant(open=set(pair) == {"ann", "bob"}, epoch=3) for pair in wanted]


class Bridged:
    """The servicer as grpcio-testing calls it: not async."""

    def __init__(self, servicer: ChannelAuthorizationServicer) -> None:
        self._servicer = servicer

    def AuthorizeChannels(self, request: Any, context: Any) -> Any:
        return asyncio.run(self._servicer.AuthorizeChannels(request, context))


def test_authorization_answers_each_pair_in_order() -> None:
    servicer = ChannelAuthorizationServicer(cast("Friendships", Known()))
    library: Any = grpc_testing
    server = library.server_from_dictionary(
        {SERVICE: Bridged(servicer)}, library.strict_real_time()
    )
    request = authorization_pb2.AuthorizeChannelsRequest(
        pairs=[
            authorization_pb2.PersonPair(person_id="bob", other_person_id="ann"),
            authorization_pb2.PersonPair(person_id="ann", other_person_id="eve"),
        ]
    )
    call = server.invoke_unary_unary(SERVICE.methods_by_name["AuthorizeChannels"], (), request, 5)
    response, _, code, _ = call.termination()

    assert code is grpc.StatusCode.OK
    assert [(grant.open, grant.epoch) for grant in response.grants] == [(True, 3), (False, 3)]
