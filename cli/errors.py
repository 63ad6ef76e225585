"""What a command can end with, and the exit code that says so to scripts.

CliError             1  a file could not be written
├── Misused        2  the command line makes no sense, nobody is signed in
├── Refused        1  the server understood and said no
└── Unreachable    3  the server can't be reached, or can't answer now
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import grpc
from google.protobuf.json_format import MessageToDict
from google.rpc import error_details_pb2, status_pb2

_DETAILS_KEY = "grpc-status-details-bin"


class CliError(Exception):
    """A command failed; the message is one sentence for the person who typed it.

    Arguments:
        sentence: what is wrong, and what to do.
        reason: the stable reason, in capitals.
        code: the name of the status code, in capitals.
        notes: further lines, one a field that is wrong.
    """

    exit_code = 1

    def __init__(
        self, sentence: str, reason: str = "", code: str = "", notes: tuple[str, ...] = ()
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.reason = reason
        self.code = code
        self.notes = notes

    def document(self) -> Mapping[str, Any]:
        """Return the error as `--json` prints it."""
        return {
            "error": {
                "code": self.code,
                "reason": self.reason,
                "message": self.sentence,
                "notes": list(self.notes),
                "exitCode": self.exit_code,
            }
        }


class Misused(CliError):
    """The command can't be carried out as it was typed."""

    exit_code = 2


class Refused(CliError):
    """The server understood the call and refuses it."""


class Unreachable(CliError):
    """The server can't be reached, or can't answer now; trying again makes sense."""

    exit_code = 3


def first_cause(group: ExceptionGroup[Exception]) -> Exception:
    """Return the first of several errors that ended things together; one is enough to say."""
    first = group.exceptions[0]
    if isinstance(first, ExceptionGroup):
        return first_cause(cast("ExceptionGroup[Exception]", first))
    return first


def from_rpc(error: grpc.aio.AioRpcError, server: str) -> CliError:
    """Say what a failed call means.

    Arguments:
        error: what grpc raised.
        server: the address that was called, as the person knows it.
    """
    code = error.code()
    status = _status(error)
    if status is None:
        return _without_details(code, error.details() or "", server)
    reason = ""
    notes: list[str] = []
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        request = error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            reason = info.reason
        elif detail.Unpack(request):
            notes += [f"{each.field}: {each.description}" for each in request.field_violations]
        elif detail.Unpack(retry):
            notes.append(f"try again in {MessageToDict(retry)['retryDelay']}")
    transient = code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    kind = Unreachable if transient else Refused
    return kind(status.message, reason, code.name, tuple(notes))


def _status(error: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            return status_pb2.Status.FromString(value)
    return None


def _without_details(code: grpc.StatusCode, details: str, server: str) -> CliError:
    """Speak for a server that did not: there is none, or it is not Paperplane's."""
    if code is grpc.StatusCode.UNAVAILABLE:
        return Unreachable(
            f"Can't reach the server at {server}. Is it running? Start it with: make run",
            "SERVER_UNREACHABLE",
            code.name,
        )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Unreachable(
            f"The server at {server} did not answer in time. Try again.", code.name, code.name
        )
    return Refused(details or "The server refused the call.", code.name, code.name)
