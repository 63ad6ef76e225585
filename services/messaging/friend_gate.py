"""Asks the friendship service whether two people may exchange messages."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

import grpc
import structlog

from chassis.coalesce import Coalescer
from paperplane.friendship.v1 import authorization_pb2, authorization_pb2_grpc
from services.messaging.domain import FriendshipUnavailable, Grant, Pair

_log = structlog.get_logger(__name__)

ASK = "/paperplane.friendship.v1.ChannelAuthorizationService/AuthorizeChannels"
"""The question. It changes nothing, so that it may be asked again."""
_ASK_TIMEOUT_SECONDS = 1.0
_MAX_PAIRS_PER_CALL = 1000
_MAX_GRANTS_KEPT = 100_000


class FriendGate(Protocol):
    """Says whether two people are friends, as fresh as the one who runs the service asks for."""

    async def grant(self, pair: Pair) -> Grant:
        """Return what friendship says of a pair.

        Raises:
            FriendshipUnavailable: it can't be asked now.
        """
        ...

    def drop(self, pair: Pair) -> None:
        """Forget what was said of a pair: it is known to be out of date."""
        ...


class GrpcFriendGate:
    """Asks over gRPC, many pairs at a time, and reuses an answer for a short while.

    Arguments:
        channel: leads to the friendship service.
        max_age: for how many seconds an answer may be reused, counted from when it was asked for;
            0 asks every time.
        clock: a monotonic clock in seconds.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        max_age: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stub = authorization_pb2_grpc.ChannelAuthorizationServiceStub(channel)
        self._max_age = max_age
        self._clock = clock
        self._grants: dict[Pair, tuple[float, Grant]] = {}
        self._asking = Coalescer(self._ask, _MAX_PAIRS_PER_CALL)

    async def grant(self, pair: Pair) -> Grant:
        """Return what friendship says of a pair.

        Raises:
            FriendshipUnavailable: it can't be asked now.
        """
        kept = self._grants.get(pair)
        if kept is not None and self._clock() - kept[0] < self._max_age:
            return kept[1]
        return await self._asking.call(pair)

    def drop(self, pair: Pair) -> None:
        """Forget what was said of a pair: it is known to be out of date."""
        self._grants.pop(pair, None)

    async def _ask(self, pairs: Sequence[Pair]) -> list[Grant]:
        # An answer can be true at any time from now on, so its age counts from now.
        asked_at = self._clock()
        distinct = list(dict.fromkeys(pairs))
        request = authorization_pb2.AuthorizeChannelsRequest(
            pairs=[
                authorization_pb2.PersonPair(person_id=pair.low, other_person_id=pair.high)
                for pair in distinct
            ]
        )
        response = await self._answer(request)
        grants = {
            pair: Grant(grant.open, grant.epoch)
            for pair, grant in zip(distinct, response.grants, strict=True)
        }
        self._keep(asked_at, grants)
        return [grants[pair] for pair in pairs]

    async def _answer(
        self, request: authorization_pb2.AuthorizeChannelsRequest, *, again: bool = True
    ) -> authorization_pb2.AuthorizeChannelsResponse:
        try:
            return await self._stub.AuthorizeChannels(
                request,
                timeout=_ASK_TIMEOUT_SECONDS,
                # A service that restarts is back in less time than a person takes to try again.
                wait_for_ready=True,
            )
        except grpc.aio.AioRpcError as error:
            _log.warning("friendship.unavailable", code=error.code().name, pairs=len(request.pairs))
            if again and error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                # A replica that hangs is in the rotation until it is noticed; next comes another's turn.
                return await self._answer(request, again=False)
            raise FriendshipUnavailable from error

    def _keep(self, asked_at: float, grants: dict[Pair, Grant]) -> None:
        if self._max_age <= 0:
            return
        if len(self._grants) + len(grants) > _MAX_GRANTS_KEPT:
            self._grants = {
                pair: kept
                for pair, kept in self._grants.items()
                if asked_at - kept[0] < self._max_age
            }
        self._grants.update((pair, (asked_at, grant)) for pair, grant in grants.items())

    async def close(self) -> None:
        """Cancel the questions in flight."""
        await self._asking.close()
