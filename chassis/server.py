"""A gRPC server with health and reflection that drains before it stops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import _async as aio_reflection
from grpc_reflection.v1alpha import reflection, reflection_pb2

from chassis.process import StartError

_log = structlog.get_logger(__name__)

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""The largest message between services: a frame of calls is at most 1 MiB and a little."""


class AddressInUse(StartError):
    """The server's address can't be bound."""


class GrpcServer:
    """One process's gRPC server.

    Arguments:
        address: `unix:/path` or `host:port`.
        services: the descriptors of what it serves, for health and reflection.
        interceptors: wrapped around every call, the outermost first.
        options: further channel arguments.
        end_streams: called when the server begins to stop, after its health says so: streams do not
            end by themselves, and nobody else can give them their last word.
    """

    def __init__(
        self,
        address: str,
        services: Sequence[ServiceDescriptor],
        end_streams: Callable[[], None],
        interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
        options: Sequence[tuple[str, Any]] = (
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ),
    ) -> None:
        self.server = grpc.aio.server(
            interceptors=list(interceptors),
            options=[
                # Two processes on one port would share it silently.
                ("grpc.so_reuseport", 0),
                # Clients that keep a stream open may ping as often as every five seconds.
                ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
                # Now and then they connect anew, and so come to know of replicas that were added.
                ("grpc.max_connection_age_ms", 60_000),
                ("grpc.keepalive_permit_without_calls", 1),
                *options,
            ],
        )
        self._address = address
        self._services = services
        self._end_streams = end_streams
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self.server)
        self._add_reflection()
        self.port = 0
        """The TCP port that was bound; 0 on a unix socket."""

    def _add_reflection(self) -> None:
        names = [service.full_name for service in self._services]
        servicer: Any = aio_reflection.ReflectionServicer([*names, health.SERVICE_NAME])
        handler = grpc.stream_stream_rpc_method_handler(
            servicer.ServerReflectionInfo,
            reflection_pb2.ServerReflectionRequest.FromString,
            reflection_pb2.ServerReflectionResponse.SerializeToString,
        )
        # The two versions differ in nothing but the package's name.
        for service in (reflection.SERVICE_NAME, "grpc.reflection.v1.ServerReflection"):
            self.server.add_generic_rpc_handlers(
                (grpc.method_handlers_generic_handler(service, {"ServerReflectionInfo": handler}),)
            )

    async def start(self) -> None:
        """Bind, start to serve, and say so to the health checks.

        Raises:
            AddressInUse: the address can't be bound.
        """
        try:
            self.port = self.server.add_insecure_port(self._address)
        except RuntimeError as error:
            message = f"can't listen on {self._address}: it is in use, or not ours to use"
            raise AddressInUse(message) from error
        await self.server.start()
        await self._set_health(health_pb2.HealthCheckResponse.SERVING)
        _log.info("server.started", address=self._address, port=self.port)

    async def stop(self, grace: float) -> None:
        """Stop: health first, then the streams, then no new calls, then those under way.

        Arguments:
            grace: how many seconds the calls under way have.
        """
        await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        self._end_streams()
        await self.server.stop(grace)
        _log.info("server.stopped", address=self._address)

    async def _set_health(self, status: Any) -> None:
        for name in ("", *(service.full_name for service in self._services)):
            await self._health.set(name, status)
