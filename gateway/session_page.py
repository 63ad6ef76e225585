"""`/session`: tells the page who is signed in and how one can be, signs in for development, signs out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

from chassis.refusals import CallerUnknown
from gateway.asgi import Disconnected, respond, respond_json, text_headers
from gateway.development import WishRefused, read_wish
from gateway.errors import CrossSiteRequest, TokenExpired, TokenInvalid
from gateway.http_edge import refuse

if TYPE_CHECKING:
    from gateway.asgi import Receive, Scope, Send
    from gateway.identity import Identity
    from gateway.sessions import Sessions

SignInKind = Literal["development", "oidc", "none"]


@dataclass(frozen=True, slots=True)
class SessionPage:
    """Serves `/session`."""

    sign_in: SignInKind
    """How people sign in with a browser, if they can."""
    sessions: Sessions | None
    """None where nobody can sign in."""
    people: tuple[str, ...] = ()
    """Whom a development system offers to be."""
    provider_sign_out: str = ""
    """Where the provider's own session, which outlives ours, can be ended; empty if nowhere."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        method = scope["method"]
        if method in ("GET", "HEAD"):
            await respond_json(send, HTTPStatus.OK, self._state(self._signed_in(scope)))
        elif method == "POST" and self.sessions is not None and self.sign_in == "development":
            await self._sign_in(self.sessions, scope, receive, send)
        elif method == "DELETE" and self.sessions is not None:
            await self._sign_out(self.sessions, scope, send)
        else:
            allow = {"development": "GET, POST, DELETE", "oidc": "GET, DELETE", "none": "GET"}
            headers = ((b"allow", allow[self.sign_in].encode()),)
            sentence = {"message": f"use {allow[self.sign_in]}"}
            await respond_json(send, HTTPStatus.METHOD_NOT_ALLOWED, sentence, headers)

    async def _sign_in(
        self, sessions: Sessions, scope: Scope, receive: Receive, send: Send
    ) -> None:
        try:
            person_id, _ = await read_wish(scope, receive, with_lifetime=False)
        except WishRefused as refusal:
            await respond_json(send, refusal.status, {"message": refusal.sentence})
        except Disconnected:
            return
        else:
            identity, cookie = sessions.start(person_id)
            await respond_json(send, HTTPStatus.OK, self._state(identity), (cookie,))

    async def _sign_out(self, sessions: Sessions, scope: Scope, send: Send) -> None:
        try:
            sessions.check_origin(text_headers(scope))
        except CrossSiteRequest as refusal:
            await refuse(send, HTTPStatus.FORBIDDEN, refusal)
            return
        end = (sessions.end(),)
        if self.provider_sign_out:
            await respond_json(
                send, HTTPStatus.OK, {"providerSignOutUrl": self.provider_sign_out}, end
            )
        else:
            await respond(send, HTTPStatus.NO_CONTENT, "", headers=end)

    def _signed_in(self, scope: Scope) -> Identity | None:
        if self.sessions is None:
            return None
        try:
            return self.sessions.identify(text_headers(scope))
        except (CallerUnknown, TokenInvalid, TokenExpired):
            return None

    def _state(self, identity: Identity | None) -> dict[str, Any]:
        person = None
        if identity is not None:
            expire_time = datetime.fromtimestamp(identity.expires_at, UTC)
            person = {
                "personId": identity.person_id,
                "expireTime": expire_time.isoformat(timespec="seconds").replace("+00:00", "Z"),
            }
        return {"signIn": self.sign_in, "person": person, "people": self.people}
