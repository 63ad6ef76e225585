"""What callers see of the gateway's own refusals, and of those that services answered with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import structlog

from chassis.errors import CODES, ErrorSpec, ErrorTable
from chassis.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.rpc import status_pb2

_log = structlog.get_logger(__name__)

DOMAIN = "paperplane"
FAILURES = frozenset(CODES) - {grpc.StatusCode.OK.value[0]}


class TokenInvalid(Refusal):
    """The token is malformed, not from our issuer, not meant for us, or not valid yet; or the session
    is none that this gateway has begun.
    """


class TokenExpired(Refusal):
    """The token or session was good once."""


class CrossSiteRequest(Refusal):
    """The request would act for a signed-in person, and may come from another site's page."""


class RateLimited(Refusal):
    """The person makes more calls than any person does."""


class TooManyStreams(Refusal):
    """The person holds as many streams open as they may."""


class DeadlineExceeded(Refusal):
    """The caller's deadline passed, or ours for callers who set none."""


class MethodUnknown(Refusal):
    """There is no such method for people."""


class ContentTypeUnknown(Refusal):
    """The body is in no form that we read."""


class VerbUnknown(Refusal):
    """Methods are called with POST."""


class BodyUnreadable(Refusal):
    """The envelope around the request is broken, or compressed in a way that we don't read."""


class BodyEncoded(Refusal):
    """The body is compressed or otherwise encoded, where it must come as it is."""


class AttachmentUnknown(Refusal):
    """Whoever asks over HTTP is told of no attachment: signed out, a stranger, or there is none."""


class RequestTooLarge(Refusal):
    """The request is larger, or grows larger when it is decompressed, than any honest one."""


class ForwardedStatus(Exception):
    """A service answered with a status, which is the caller's to see unchanged.

    Arguments:
        status: the status with its details.
    """

    def __init__(self, status: status_pb2.Status) -> None:
        super().__init__()
        self.status = status


class BackendFault(Exception):
    """A service failed in a way of which callers are told nothing but that. It has been logged."""


_Code = grpc.StatusCode

GATEWAY_ERRORS: Mapping[type[Refusal], ErrorSpec] = {
    TokenInvalid: ErrorSpec(
        _Code.UNAUTHENTICATED,
        "TOKEN_INVALID",
        "The token or session is not one that is accepted here. Get a token from the issuer, for "
        "this audience, or sign in again.",
    ),
    TokenExpired: ErrorSpec(
        _Code.UNAUTHENTICATED,
        "TOKEN_EXPIRED",
        "The token or session has expired. Get a fresh token, or sign in again.",
    ),
    CrossSiteRequest: ErrorSpec(
        _Code.PERMISSION_DENIED,
        "CROSS_SITE_REQUEST",
        "Being signed in with a browser counts for requests of our own page alone: those with "
        "Sec-Fetch-Site: same-origin, or else with our own Origin. Elsewhere use a bearer token.",
    ),
    RateLimited: ErrorSpec(
        _Code.RESOURCE_EXHAUSTED,
        "RATE_LIMITED",
        "Too many calls in a short time. Go on after the delay.",
    ),
    TooManyStreams: ErrorSpec(
        _Code.RESOURCE_EXHAUSTED,
        "TOO_MANY_STREAMS",
        "You hold too many streams open. Close one first.",
    ),
    DeadlineExceeded: ErrorSpec(
        _Code.DEADLINE_EXCEEDED,
        "DEADLINE_EXCEEDED",
        "The deadline passed before the answer came; a command may have been carried out.",
    ),
    MethodUnknown: ErrorSpec(
        _Code.UNIMPLEMENTED,
        "METHOD_UNKNOWN",
        "There is no such method. Methods are called by their full name, for example "
        "/package.v1.Service/Method.",
    ),
    ContentTypeUnknown: ErrorSpec(
        _Code.INVALID_ARGUMENT,
        "CONTENT_TYPE_UNKNOWN",
        "The content type is not one of: application/json or application/proto (calls), "
        "application/connect+json or application/connect+proto (streams), application/grpc-web. "
        "gRPC itself is served on a port of its own.",
    ),
    VerbUnknown: ErrorSpec(
        _Code.UNIMPLEMENTED, "POST_REQUIRED", "Methods are called with HTTP POST."
    ),
    BodyUnreadable: ErrorSpec(
        _Code.INVALID_ARGUMENT,
        "INVALID_REQUEST",
        "The request can't be read: its protocol headers, its framing or its compression is wrong. "
        "It may be compressed with gzip.",
    ),
    BodyEncoded: ErrorSpec(
        _Code.INVALID_ARGUMENT,
        "CONTENT_ENCODING_UNKNOWN",
        "Send the file as it is, without a Content-Encoding.",
    ),
    AttachmentUnknown: ErrorSpec(
        _Code.NOT_FOUND,
        "ATTACHMENT_NOT_FOUND",
        "There is no such attachment for you, or you are not signed in.",
    ),
    RequestTooLarge: ErrorSpec(
        _Code.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE", "The request is larger than 256 KiB."
    ),
}
"""How the gateway's refusals look to callers."""

ERRORS = ErrorTable(DOMAIN, GATEWAY_ERRORS)


def status_of(error: Exception, request_id: str) -> status_pb2.Status:
    """Return the status that a caller may see of an error, which is never OK. Log what is masked."""
    if isinstance(error, ForwardedStatus) and error.status.code in FAILURES:
        return error.status
    if not isinstance(error, Refusal | BackendFault):
        _log.error("call.failed", exc_info=error, request_id=request_id)
    return ERRORS.status(error, request_id)
