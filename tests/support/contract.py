"""What the contract itself says, read from the descriptors: services, their audiences, their methods."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

import paperplane
from paperplane.options.v1 import options_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor


def services(audience: options_pb2.Audience.ValueType) -> list[ServiceDescriptor]:
    """Return the services for an audience, of all files of the contract."""
    return [
        service
        for file in _files()
        for service in file.services_by_name.values()
        if service.GetOptions().Extensions[options_pb2.audience] == audience
    ]


def _files() -> Iterator[FileDescriptor]:
    for folder in map(Path, paperplane.__path__):
        for stub in sorted(folder.rglob("*_pb2.py")):
            name = ".".join(stub.relative_to(folder.parent).with_suffix("").parts)
            yield importlib.import_module(name).DESCRIPTOR
