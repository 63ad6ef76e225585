"""How the fake backend says no: as the real services do, with a code, a reason and a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from chassis.errors import ErrorTable

_ERRORS = ErrorTable("paperplane", {})
Context = grpc.ServicerContext


def refuse(context: Context, code: grpc.StatusCode, reason: str, sentence: str) -> NoReturn:
    """End the call as the real services do."""
    details: list[Message] = []
    if reason == "INVALID_REQUEST":
        violation = error_details_pb2.BadRequest.FieldViolation(field="text", description=sentence)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    status = _ERRORS.make(code, reason, sentence, *details)
    to_status: Callable[[status_pb2.Status], grpc.Status] = rpc_status.to_status  # pyright: ignore
    context.abort_with_status(to_status(status))
    raise AssertionError
