"""Puts the gateway together, runs it, and takes it apart in reverse."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import uvicorn

from chassis.client import open_channel
from chassis.server import AddressInUse, GrpcServer
from gateway.admission import MAX_REQUEST_BYTES, Admission, HttpAdmission
from gateway.files import FileEdge
from gateway.forwarding import (
    ClientStreamForwarder,
    Forwarders,
    ServerStreamForwarder,
    Streams,
    UnaryCalls,
    UnaryForwarder,
)
from gateway.grpc_edge import PassThrough
from gateway.http_edge import HttpEdge, connect_app, healthz, list_of_methods
from gateway.intake import IntakeForwarder
from gateway.page import page_files
from gateway.routes import BACKENDS, Route, find_routes, services_of
from gateway.throttle import Throttle
from gateway.trust import open_trust

if TYPE_CHECKING:
    from collections.abc import Mapping

    import grpc

    from gateway.asgi import App
    from gateway.settings import GatewaySettings

_GRPC_OPTIONS: list[tuple[str, Any]] = [
    # What is a little too large is refused by us, with a reason; what is far too large by grpc core,
    # which holds decompressed messages to this as well, before they are whole.
    ("grpc.max_receive_message_length", 4 * MAX_REQUEST_BYTES),
    # A watcher whose machine is gone would hold its stream for hours.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.ping_timeout_ms", 20_000),
]


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that runs."""

    grpc_port: int
    http_port: int
    ended: asyncio.Task[None]
    """Ends with the HTTP server, which is not meant to end by itself."""


async def serve(settings: GatewaySettings, stop: asyncio.Event) -> None:
    """Run the gateway until it is told to stop.

    Raises:
        StartError: it can't run as it was told to.
    """
    async with running(settings) as gateway:
        waiting = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((waiting, gateway.ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if gateway.ended.done():
            gateway.ended.result()


@asynccontextmanager
async def running(settings: GatewaySettings) -> AsyncGenerator[Gateway]:
    """Run the gateway for as long as the context lasts.

    Raises:
        StartError: it can't run as it was told to.
    """
    routes = find_routes()
    async with AsyncExitStack() as opened:
        trust = await open_trust(settings, opened)
        admission = Admission(trust.verifier, Throttle(settings.rate_limit))
        http_admission = HttpAdmission(admission, trust.sessions)
        streams = Streams(settings.max_streams)
        channels = {
            backend: await opened.enter_async_context(
                open_channel(
                    getattr(settings, backend),
                    retried=[route.path for route in routes if route.safe],
                )
            )
            for backend in BACKENDS.values()
        }
        forwarders = _forwarders(routes, channels, streams, opened)
        stopping = asyncio.Event()

        def end_streams() -> None:
            stopping.set()
            streams.end_all()

        connect = connect_app(http_admission, settings.default_timeout, forwarders)
        app = HttpEdge(
            routes,
            connect,
            {
                "/healthz": healthz(stopping.is_set),
                "/methods": list_of_methods(routes),
                **page_files(https=settings.https),
                **trust.pages,
                **FileEdge(http_admission, forwarders, settings.default_timeout).pages(),
            },
        )
        grpc_server = GrpcServer(
            f"{_bracketed(settings.host)}:{settings.grpc_port}",
            services_of(routes),
            end_streams,
            options=_GRPC_OPTIONS,
        )
        grpc_server.server.add_generic_rpc_handlers(
            (PassThrough(admission, settings.default_timeout, forwarders),)
        )
        listener = _bind(settings.host, settings.http_port)
        opened.callback(listener.close)
        listener.listen(1024)
        # grpc core would tell of a port in use too, but in lines of its own.
        _bind(settings.host, settings.grpc_port).close()
        http_server = _http_server(app, settings.drain_seconds)
        await grpc_server.start()
        serving = asyncio.create_task(http_server.serve(sockets=[listener]))

        async def drain() -> None:
            http_server.should_exit = True
            await asyncio.gather(grpc_server.stop(settings.drain_seconds), serving)

        opened.push_async_callback(drain)
        yield Gateway(grpc_server.port, listener.getsockname()[1], serving)


def _forwarders(
    routes: list[Route],
    channels: Mapping[str, grpc.aio.Channel],
    streams: Streams,
    opened: AsyncExitStack,
) -> Forwarders:
    """Lead each method to its service."""
    return Forwarders(
        {
            route: unary_forwarder(channels[route.backend], route, opened)
            for route in routes
            if not (route.server_streaming or route.client_streaming)
        },
        {
            route: ServerStreamForwarder(channels[route.backend], route, streams)
            for route in routes
            if route.server_streaming
        },
        {
            route: ClientStreamForwarder(channels[route.backend], route, streams)
            for route in routes
            if route.client_streaming
        },
    )


def unary_forwarder(
    channel: grpc.aio.Channel, route: Route, opened: AsyncExitStack
) -> UnaryForwarder:
    """Choose how calls of a unary method travel to its service: in frames if it has an intake."""
    if route.intake is None:
        return UnaryCalls(channel, route)
    intake = IntakeForwarder(channel, route)
    opened.push_async_callback(intake.close)
    return intake


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _bind(host: str, port: int) -> socket.socket:
    """Take a TCP port.

    Raises:
        AddressInUse: it can't be bound.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        message = f"can't listen on {_bracketed(host)}:{port}: it is in use, or not ours to use"
        raise AddressInUse(message) from error
    listener.setblocking(False)
    return listener


class _Embedded(uvicorn.Server):
    """A server that leaves signals to the process it is part of."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def _http_server(app: App, drain_seconds: float) -> uvicorn.Server:
    return _Embedded(
        uvicorn.Config(
            app,  # pyright: ignore[reportArgumentType]
            http="h11",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=math.ceil(drain_seconds),
        )
    )
