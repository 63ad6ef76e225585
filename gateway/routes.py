"""Which methods people may call, and where they lead: found in the contract alone."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf import descriptor_pb2
from google.protobuf.message_factory import GetMessageClass

from chassis.interceptors import audience
from paperplane.options.v1 import options_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
    from google.protobuf.message import Message

BACKENDS: Mapping[str, str] = {
    "paperplane.friendship.v1": "friendship",
    "paperplane.messaging.v1": "messaging",
}
"""The packages of the contract, and the service that answers for each."""


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One method that people may call."""

    path: str
    """`/package.Service/Method`: its name on the wire, in gRPC and in Connect."""
    service: ServiceDescriptor
    name: str
    """The method's own name."""
    backend: str
    """The service that answers: a value of `BACKENDS`."""
    request: type[Message]
    response: type[Message]
    client_streaming: bool
    server_streaming: bool
    safe: bool
    """Whether calling it changes nothing, so that it may be called again at will."""
    intake: options_pb2.Intake | None
    """How many calls of it can travel on one stream, if they can."""


def find_routes(backends: Mapping[str, str] = BACKENDS) -> list[Route]:
    """Find every method of every service whose audience is people, in the order of the contract.

    Raises:
        NotImplementedError: such a method streams both ways; nothing here forwards those.
    """
    return [
        _route(service, method, backend)
        for package, backend in backends.items()
        for service in _services(package)
        if audience(service) == options_pb2.AUDIENCE_USERS
        for method in service.methods
    ]


def services_of(routes: list[Route]) -> list[ServiceDescriptor]:
    """Return the services of the routes, each once."""
    return list({route.service.full_name: route.service for route in routes}.values())


def _services(package: str) -> Iterator[ServiceDescriptor]:
    for module in sorted(pkgutil.iter_modules(_folder(package)), key=lambda found: found.name):
        if module.name.endswith("_pb2"):
            stub = importlib.import_module(f"{package}.{module.name}")
            yield from stub.DESCRIPTOR.services_by_name.values()


def _folder(package: str) -> list[str]:
    return list(importlib.import_module(package).__path__)


def _route(service: ServiceDescriptor, method: MethodDescriptor, backend: str) -> Route:
    if method.client_streaming and method.server_streaming:
        message = f"{method.full_name} streams both ways"
        raise NotImplementedError(message)
    options: descriptor_pb2.MethodOptions = method.GetOptions()
    has_intake = options.HasExtension(options_pb2.intake)
    return Route(
        path=f"/{service.full_name}/{method.name}",
        service=service,
        name=method.name,
        backend=backend,
        request=GetMessageClass(method.input_type),
        response=GetMessageClass(method.output_type),
        client_streaming=method.client_streaming,
        server_streaming=method.server_streaming,
        safe=options.idempotency_level == descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS,
        intake=options.Extensions[options_pb2.intake] if has_intake else None,
    )
