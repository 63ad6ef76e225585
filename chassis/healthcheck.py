"""Asks a process whether it serves, for container engines: `python -m chassis.healthcheck ADDRESS`."""

from __future__ import annotations

import sys
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

_SECONDS = 2.0


def serves(address: str, seconds: float = _SECONDS) -> bool:
    """Return whether the process at an address says that it serves.

    Arguments:
        address: `unix:/path` or `host:port`.
        seconds: how long its answer may take.
    """
    options = [("grpc.default_authority", "localhost"), ("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(address, options=options) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=seconds)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def main() -> None:
    """Exit with 0 if the process of the command line serves, with 1 if not."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m chassis.healthcheck ADDRESS")
    sys.exit(0 if serves(sys.argv[1]) else 1)


if __name__ == "__main__":
    main()
