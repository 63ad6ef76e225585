"""Who calls and why: what travels beside every request from the edge to the last service."""

from __future__ import annotations

import secrets
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chassis.refusals import CallerUnknown

if TYPE_CHECKING:
    from collections.abc import Iterable

PERSON_KEY = "x-paperplane-person"
"""Metadata: the caller, as the gateway found them in the token. Only the gateway may set it."""
REQUEST_ID_KEY = "x-request-id"
"""Metadata: an id that ties the log lines of one call together."""
TRACEPARENT_KEY = "traceparent"
"""Metadata: the caller's trace (W3C Trace Context)."""
TRACESTATE_KEY = "tracestate"
"""Metadata: what the caller's tracing system says of its trace (W3C Trace Context)."""


@dataclass(frozen=True, slots=True)
class Call:
    """What is known of a call beside its request."""

    person_id: str = ""
    request_id: str = ""
    traceparent: str = ""
    tracestate: str = ""

    def metadata(self) -> list[tuple[str, str]]:
        """Return what the next service must be told."""
        pairs = (
            (PERSON_KEY, self.person_id),
            (REQUEST_ID_KEY, self.request_id),
            (TRACEPARENT_KEY, self.traceparent),
            (TRACESTATE_KEY, self.tracestate),
        )
        return [(key, value) for key, value in pairs if value]


def call_from_metadata(metadata: Iterable[tuple[str, str | bytes]] | None) -> Call:
    """Read what the previous service said of the call."""
    found = {key: value for key, value in metadata or () if isinstance(value, str)}
    return Call(
        person_id=found.get(PERSON_KEY, ""),
        request_id=found.get(REQUEST_ID_KEY) or new_request_id(),
        traceparent=found.get(TRACEPARENT_KEY, ""),
        tracestate=found.get(TRACESTATE_KEY, ""),
    )


def new_request_id() -> str:
    """Make a request id for a caller that sent none."""
    return secrets.token_hex(8)


current_call: ContextVar[Call] = ContextVar("current_call", default=Call())  # noqa: B039 - frozen


def caller_id() -> str:
    """Return the id of the person who makes the current call.

    Raises:
        CallerUnknown: nobody is named; the call did not come through the gateway.
    """
    person_id = current_call.get().person_id
    if not person_id:
        raise CallerUnknown
    return person_id
