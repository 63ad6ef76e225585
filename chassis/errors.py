"""One table from refusals to statuses, so that what callers see is decided in one place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

from chassis import refusals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message

    from chassis.refusals import Refusal

_SOON = timedelta(milliseconds=500)
"""When to try again what is unavailable: about as long as a process takes to be back."""
STATUS_DETAILS_KEY = "grpc-status-details-bin"
"""The trailing metadata key under which gRPC carries a google.rpc.Status."""


@dataclass(frozen=True, slots=True)
class ErrorSpec:
    """What callers see of one kind of refusal: a code, a stable reason and a sentence that says what to do."""

    code: grpc.StatusCode
    reason: str
    message: str


CHASSIS_ERRORS: Mapping[type[Refusal], ErrorSpec] = {
    refusals.InvalidRequest: ErrorSpec(
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
        "The request breaks a rule of the contract; see the field violations.",
    ),
    refusals.PageTokenInvalid: ErrorSpec(
        grpc.StatusCode.INVALID_ARGUMENT,
        "PAGE_TOKEN_INVALID",
        "The page token does not belong to this list. Start again without one, and change nothing "
        "but the page size between pages.",
    ),
    refusals.CursorInvalid: ErrorSpec(
        grpc.StatusCode.INVALID_ARGUMENT,
        "CURSOR_INVALID",
        "The cursor is not one that you were given here. Use the cursor of an event or a list.",
    ),
    refusals.CursorExpired: ErrorSpec(
        grpc.StatusCode.FAILED_PRECONDITION,
        "CURSOR_EXPIRED",
        "The log no longer reaches back to this cursor. List anew and watch from the list's cursor.",
    ),
    refusals.StreamTooSlow: ErrorSpec(
        grpc.StatusCode.ABORTED,
        "STREAM_TOO_SLOW",
        "Events were not taken off the stream in time. Watch again from the last cursor.",
    ),
    refusals.ServerStopping: ErrorSpec(
        grpc.StatusCode.UNAVAILABLE,
        "SERVER_STOPPING",
        "The server is stopping. Watch again from the last cursor.",
    ),
    refusals.CallerUnknown: ErrorSpec(
        grpc.StatusCode.UNAUTHENTICATED,
        "TOKEN_MISSING",
        "The call needs a token: authorization: Bearer <token>.",
    ),
    refusals.Expired: ErrorSpec(
        grpc.StatusCode.DEADLINE_EXCEEDED,
        "DEADLINE_EXCEEDED",
        "The deadline passed before the work began; nothing was done.",
    ),
    refusals.PeerUnavailable: ErrorSpec(
        grpc.StatusCode.UNAVAILABLE,
        "SERVICE_UNAVAILABLE",
        "A part of the system can't be reached. Try again shortly.",
    ),
    refusals.StorageUnavailable: ErrorSpec(
        grpc.StatusCode.UNAVAILABLE,
        "SERVICE_UNAVAILABLE",
        "The data can't be stored now; nothing was. Try again shortly.",
    ),
    refusals.OutcomeUnknown: ErrorSpec(
        grpc.StatusCode.UNAVAILABLE,
        "OUTCOME_UNKNOWN",
        "The connection broke while this was carried out: it may have happened or not.",
    ),
}
"""How the chassis's own refusals look to callers."""


def reason_of(status: status_pb2.Status) -> str:
    """Return the reason that a status gives, or an empty text if it gives none."""
    info = error_details_pb2.ErrorInfo()
    found = (detail for detail in status.details if detail.Unpack(info))
    return info.reason if next(found, None) is not None else ""


class ErrorTable:
    """Maps refusals to google.rpc.Status messages (AIP-193) and masks everything else.

    Arguments:
        domain: the ErrorInfo domain of every error.
        specs: how each class of refusal looks; a class that is missing is looked up by its bases.
    """

    def __init__(self, domain: str, specs: Mapping[type[Refusal], ErrorSpec]) -> None:
        self._domain = domain
        self._specs = {**CHASSIS_ERRORS, **specs}

    @property
    def specs(self) -> Mapping[type[Refusal], ErrorSpec]:
        """Every refusal that has a status of its own."""
        return self._specs

    def status(self, error: BaseException, request_id: str = "") -> status_pb2.Status:
        """Return the status that a caller may see of an error.

        Anything but a mapped refusal becomes INTERNAL, without a word of the error's own text:
        that text may hold what people wrote.
        """
        spec = next(
            (self._specs[kind] for kind in type(error).__mro__ if kind in self._specs), None
        )
        if spec is None or not isinstance(error, refusals.Refusal):
            return self.make(
                grpc.StatusCode.INTERNAL,
                "INTERNAL",
                f"A fault of ours. Report it with this request id: {request_id}",
            )
        details: list[Message] = []
        if error.violations:
            details.append(
                error_details_pb2.BadRequest(
                    field_violations=[
                        error_details_pb2.BadRequest.FieldViolation(
                            field=violation.field, description=violation.description
                        )
                        for violation in error.violations
                    ]
                )
            )
        retry_after = error.retry_after
        if retry_after is None and spec.code is grpc.StatusCode.UNAVAILABLE:
            retry_after = _SOON
        if retry_after is not None:
            delay = duration_pb2.Duration()
            delay.FromTimedelta(retry_after)
            details.append(error_details_pb2.RetryInfo(retry_delay=delay))
        return self.make(spec.code, spec.reason, spec.message, *details)

    def make(
        self, code: grpc.StatusCode, reason: str, message: str, *details: Message
    ) -> status_pb2.Status:
        """Build a status with an ErrorInfo of this table's domain and further details."""
        info = error_details_pb2.ErrorInfo(reason=reason, domain=self._domain)
        return status_pb2.Status(
            code=code.value[0], message=message, details=[_pack(info), *map(_pack, details)]
        )


def _pack(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


CODES = {code.value[0]: code for code in grpc.StatusCode}
"""Status codes by their number on the wire."""


async def abort(
    context: grpc.aio.ServicerContext[object, object], status: status_pb2.Status
) -> None:
    """End the call with a status and its details. Never returns normally.

    Raises:
        grpc.aio.AbortError: always; it must travel up to the server unchanged.
    """
    await context.abort(
        CODES[status.code],
        status.message,
        trailing_metadata=((STATUS_DETAILS_KEY, status.SerializeToString()),),
    )
