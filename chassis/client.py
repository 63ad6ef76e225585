"""Channels to other services: quick to come back after a break, and every call with a deadline."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import grpc

if TYPE_CHECKING:
    from collections.abc import Sequence


def _service_config(retried: Sequence[str]) -> str:
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
    return json.dumps({"methodConfig": methods})


def open_channel(address: str, retried: Sequence[str] = ()) -> grpc.aio.Channel:
    """Open a channel to a service of ours. It connects by itself, and again after each break.

    Arguments:
        address: `unix:/path` or `host:port`.
        retried: methods without side effects, as `/package.Service/Method`. A call of one that
            fails because the service can't be reached is made once more, within its deadline.
    """
    return grpc.aio.insecure_channel(
        address,
        options=[
            ("grpc.service_config", _service_config(retried)),
            # A service that was restarted is found again well within a second.
            ("grpc.initial_reconnect_backoff_ms", 50),
            ("grpc.min_reconnect_backoff_ms", 50),
            ("grpc.max_reconnect_backoff_ms", 500),
            ("grpc.max_receive_message_length", 4 * 1024 * 1024),
            # A peer whose machine died says nothing: ask, as often as its server allows.
            ("grpc.keepalive_time_ms", 30_000),
            ("grpc.keepalive_timeout_ms", 5_000),
            # Unix sockets would otherwise send their path, which is no valid authority.
            ("grpc.default_authority", "localhost"),
            # Channels with equal arguments would share one connection, and its head-of-line waits.
            ("grpc.use_local_subchannel_pool", 1),
        ],
    )
