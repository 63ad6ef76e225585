"""Channels to other services: quick to come back after a break, and every call with a deadline."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    from collections.abc import Sequence

    Upload = grpc.aio.StreamUnaryCall[Any, Any]


def _service_config(address: str, retried: Sequence[str]) -> str:
    methods: list[dict[str, object]] = [
        # Only what has not reached the other side is sent again by the library itself.
        {"name": [{}], "waitForReady": False}
    ]
    if retried:
        names = [path[1:].split("/") for path in retried]
        methods.append(
            {
                "name": [{"service": service, "method": method} for service, method in names],
                "waitForReady": False,
                "retryPolicy": {
                    "maxAttempts": 2,
                    "initialBackoff": "0.05s",
                    "maxBackoff": "0.05s",
                    "backoffMultiplier": 1,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        )
    # A socket has one server behind it. It is connected to when it is called, and not before.
    policy = "pick_first" if address.startswith("unix:") else "round_robin"
    return json.dumps({"loadBalancingConfig": [{policy: {}}], "methodConfig": methods})


def open_channel(address: str, retried: Sequence[str] = ()) -> grpc.aio.Channel:
    """Open a channel to a service of ours. It connects by itself, and again after each break.

    Arguments:
        address: `unix:/path` or `host:port`. Each address of a host is a replica; calls go to all of
            them in turn. `ipv4:address:port,address:port` names them one by one.
        retried: methods without side effects, as `/package.Service/Method`. A call of one that
            fails because the service can't be reached is made once more, within its deadline.
    """
    return grpc.aio.insecure_channel(
        address,
        options=[
            ("grpc.service_config", _service_config(address, retried)),
            # A service that was restarted is found again well within a second.
            ("grpc.initial_reconnect_backoff_ms", 50),
            ("grpc.max_reconnect_backoff_ms", 500),
            # In truth this is how long an attempt to connect may take
            # (https://github.com/grpc/grpc/issues/12830): a busy peer needs a while to answer.
            ("grpc.min_reconnect_backoff_ms", 1000),
            # So is another replica, by the name that all of them share.
            ("grpc.dns_min_time_between_resolutions_ms", 1000),
            ("grpc.max_receive_message_length", 4 * 1024 * 1024),
            # A peer that hangs, or whose machine died, says nothing: ask, also where nothing is
            # under way, and more seldom than its server allows.
            ("grpc.keepalive_time_ms", 10_000),
            ("grpc.http2.max_pings_without_data", 0),
            # The first alone would leave a peer that hangs a minute to answer.
            ("grpc.keepalive_timeout_ms", 3_000),
            ("grpc.http2.ping_timeout_ms", 3_000),
            # Unix sockets would otherwise send their path, which is no valid authority.
            ("grpc.default_authority", "localhost"),
            # Channels with equal arguments would share one connection, and its head-of-line waits.
            ("grpc.use_local_subchannel_pool", 1),
        ],
    )


async def write(call: Upload, request: bytes) -> bool:
    """Write a serialized request of a stream; false if the call has ended, which it tells more of.

    The library's own `write` puts INTERNAL, "Internal error from Core", in the place of the status
    with which a server ends a call before all was written
    (https://github.com/grpc/grpc/issues/36066).
    """
    inner: Any = call
    try:
        await call.wait_for_connection()
        if call.done():
            return False
        await inner._cython_call.send_serialized_message(request)
    except (grpc.aio.AioRpcError, grpc.aio.InternalError):
        return False
    return True
