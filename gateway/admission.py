"""What happens to a call before it is forwarded: its metadata is read, and it is let in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from chassis.calls import REQUEST_ID_KEY, TRACEPARENT_KEY, TRACESTATE_KEY, Call, new_request_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gateway.identity import Identity, TokenVerifier
    from gateway.sessions import Sessions
    from gateway.throttle import Throttle

AUTHORIZATION_KEY = "authorization"
MAX_REQUEST_BYTES = 256 * 1024
"""The largest request, as it comes and when it is decompressed."""
_SAFE_METHODS = {"GET", "HEAD"}
_REQUEST_ID = re.compile(r"[!-~]{1,128}")
# https://www.w3.org/TR/trace-context/: version 00, and neither id may be all zeros.
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_TRACESTATE = re.compile(r"[ -~]{1,512}")


class Presented(NamedTuple):
    """What a caller says in metadata or headers, as far as it is well-formed."""

    authorization: str
    request_id: str
    """Theirs, or one of ours."""
    own_request_id: bool
    """Whether it is theirs."""
    traceparent: str
    tracestate: str


class Admitted(NamedTuple):
    """A call that may be forwarded."""

    call: Call
    expires_at: float
    """When the caller's token expires, in seconds since 1970-01-01 UTC."""


def read_presented(metadata: Iterable[tuple[str, str | bytes]]) -> Presented:
    """Read what a caller says. Who they say they are beside their token is not among it."""
    authorization = request_id = traceparent = tracestate = ""
    for key, value in metadata:
        if isinstance(value, bytes):
            continue
        if key == AUTHORIZATION_KEY:
            authorization = value
        elif key == REQUEST_ID_KEY:
            request_id = value
        elif key == TRACEPARENT_KEY:
            traceparent = value
        elif key == TRACESTATE_KEY:
            tracestate = value
    own_request_id = bool(request_id and _REQUEST_ID.fullmatch(request_id))
    if not own_request_id:
        request_id = new_request_id()
    if traceparent and not _TRACEPARENT.fullmatch(traceparent):
        traceparent = ""
    if tracestate and not (traceparent and _TRACESTATE.fullmatch(tracestate)):
        tracestate = ""
    return Presented(authorization, request_id, own_request_id, traceparent, tracestate)


class Admission:
    """Lets calls in: those with a good token, as long as their person does not overdo it.

    Arguments:
        verifier: finds out who calls.
        throttle: counts their calls.
    """

    def __init__(self, verifier: TokenVerifier, throttle: Throttle) -> None:
        self._verifier = verifier
        self._throttle = throttle

    async def admit(self, presented: Presented) -> Admitted:
        """Let a call in.

        Raises:
            CallerUnknown, TokenInvalid, TokenExpired: the token is missing or no good.
            RateLimited: the person calls too often.
        """
        return self.admit_as(await self._verifier.identify(presented.authorization), presented)

    def admit_as(self, identity: Identity, presented: Presented) -> Admitted:
        """Let in a call of a person who is known.

        Raises:
            RateLimited: the person calls too often.
        """
        self._throttle.count(identity.person_id)
        call = Call(
            identity.person_id, presented.request_id, presented.traceparent, presented.tracestate
        )
        return Admitted(call, identity.expires_at)


class HttpAdmission:
    """Lets in calls of the HTTP port: with a token as everywhere, or else with a session's cookie.

    Arguments:
        admission: lets in calls with a token.
        sessions: know who is signed in with a browser; None where nobody can be.
    """

    def __init__(self, admission: Admission, sessions: Sessions | None) -> None:
        self._admission = admission
        self._sessions = sessions

    async def admit(
        self, presented: Presented, method: str, headers: Sequence[tuple[str, str]]
    ) -> Admitted:
        """Let a call in.

        Arguments:
            presented: what was read of the headers.
            method: the HTTP method, in capitals.
            headers: all headers of the request, their names in small letters.

        Raises:
            CallerUnknown, TokenInvalid, TokenExpired: the token or session is missing or no good.
            CrossSiteRequest: another site's page may make use of the session.
            RateLimited: the person calls too often.
        """
        if presented.authorization or self._sessions is None:
            return await self._admission.admit(presented)
        identity = self._sessions.identify(headers)
        if method not in _SAFE_METHODS:
            self._sessions.check_origin(headers)
        return self._admission.admit_as(identity, presented)
