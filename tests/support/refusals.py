"""Reads errors as callers do: code, reason, sentence and details."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass

import grpc
from google.rpc import error_details_pb2, status_pb2

from chassis.errors import CODES, STATUS_DETAILS_KEY


@dataclass(frozen=True)
class Refused:
    """What a caller sees of an error.

    Attributes:
        fields: the fields that a BadRequest names.
        raw: the bytes of the whole status.
    """

    code: grpc.StatusCode
    reason: str
    sentence: str
    fields: tuple[str, ...]
    raw: bytes


async def refused(call: Awaitable[object]) -> Refused:
    """Return the error that a call ends with; it must end with one."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return read_error(error)
    message = f"was not refused: {answer}"
    raise AssertionError(message)


def read_error(error: grpc.aio.AioRpcError) -> Refused:
    """Read an error; its code and text must be those of its details."""
    raw = dict(error.trailing_metadata())[STATUS_DETAILS_KEY]
    assert isinstance(raw, bytes)
    found = read_status(status_pb2.Status.FromString(raw))
    assert (found.code, found.sentence) == (error.code(), error.details())
    return found


def read_status(status: status_pb2.Status) -> Refused:
    """Read a status; it must have one ErrorInfo of Paperplane's and a sentence."""
    infos: list[error_details_pb2.ErrorInfo] = []
    fields: tuple[str, ...] = ()
    for detail in status.details:
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            infos.append(info)
        elif detail.Unpack(bad):
            fields = tuple(violation.field for violation in bad.field_violations)
    assert [info.domain for info in infos] == ["paperplane"]
    assert status.message.strip()
    return Refused(
        CODES[status.code],
        infos[0].reason,
        status.message,
        fields,
        status.SerializeToString(),
    )
