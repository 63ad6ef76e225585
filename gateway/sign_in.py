"""`/sign-in` and `/sign-in/callback`: sends a browser to the OpenID Connect provider, and takes it back."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import structlog

from gateway.asgi import respond, text_headers
from gateway.cookies import cookie_name, read_cookies, set_cookie
from gateway.oidc import Attempt, SignInFailed, refused
from gateway.sealing import SealBroken, SealExpired

if TYPE_CHECKING:
    from gateway.asgi import Receive, Scope, Send
    from gateway.oidc import RelyingParty
    from gateway.sealing import Seal
    from gateway.sessions import Sessions

_log = structlog.get_logger(__name__)

PURPOSE = "sign-in"
ATTEMPT_SECONDS = 600
"""How long somebody may take at the provider."""
_MAX_ATTEMPTS = 5
_MAX_FIELDS = 20
# One slash, since two begin a host; and no backslash, which browsers take for a slash.
_OWN_PATH = re.compile(r"/(?!/)[!-\[\]-~]{0,500}")
_STATE = re.compile(r"[\w-]{43}", re.ASCII)


class SignIn:
    """Serves the two paths.

    What is to be remembered until a browser is back, it keeps itself: sealed, in a cookie for each
    attempt, so that attempts in several tabs don't mix. It is not `SameSite=Strict`, since browsers
    come back from another site.

    Arguments:
        relying_party: asks the provider.
        seal: seals the attempts; made for `PURPOSE`.
        sessions: signs people in.
        https: whether people reach us over TLS.
    """

    def __init__(
        self, relying_party: RelyingParty, seal: Seal, sessions: Sessions, *, https: bool
    ) -> None:
        self._relying_party = relying_party
        self._seal = seal
        self._sessions = sessions
        self._prefix = cookie_name("paperplane-sign-in-", secure=https)
        self._attempt = re.compile(rf"{self._prefix}[\w-]{{8}}", re.ASCII)

    async def begin(self, scope: Scope, _: Receive, send: Send) -> None:
        """Serve `/sign-in?return_to=/…`."""
        if scope["method"] != "GET":
            await _refuse_verb(send)
            return
        url, attempt = self._relying_party.begin()
        return_to = own_path(_query(scope).get("return_to", ""))
        sealed = self._seal.close({**attempt._asdict(), "return_to": return_to})
        cookie = set_cookie(self._cookie_of(attempt.state), sealed.text, ATTEMPT_SECONDS, "Lax")
        await _redirect(send, url, *self._forget_many(scope), cookie)

    async def finish(self, scope: Scope, _: Receive, send: Send) -> None:
        """Serve `/sign-in/callback`."""
        if scope["method"] != "GET":
            await _refuse_verb(send)
            return
        answer = _query(scope)
        state = answer.get("state", "")
        forget = [self._forget(self._cookie_of(state))] if _STATE.fullmatch(state) else []
        try:
            if "code" not in answer:
                # Of no matter whose attempt; some providers then leave out the state.
                raise refused(answer.get("error", ""))
            attempt, return_to = self._remembered(scope, state)
            person_id = await self._relying_party.finish(attempt, answer["code"])
        except SignInFailed as error:
            # Whether something is wrong, or somebody has changed their mind.
            ordinary = error.failure in ("cancelled", "expired")
            log = _log.info if ordinary else _log.warning
            log("sign_in.failed", failure=error.failure, reason=error.reason)
            await _redirect(send, f"/#/sign-in?error={error.failure}", *forget)
        else:
            _identity, session = self._sessions.start(person_id)
            await _redirect(send, return_to, *forget, session)

    def _cookie_of(self, state: str) -> str:
        return f"{self._prefix}{state[:8]}"

    def _remembered(self, scope: Scope, state: str) -> tuple[Attempt, str]:
        """Return the attempt that a browser is back from, and where it then wants to go.

        Raises:
            SignInFailed: it was not begun in this browser, is over, or has taken too long.
        """
        name = self._cookie_of(state)
        for each, sealed in read_cookies(text_headers(scope)):
            if each != name:
                continue
            try:
                value = self._seal.open(sealed).value
            except (SealBroken, SealExpired):
                continue
            if value["state"] == state:
                attempt = Attempt(*(value[field] for field in Attempt._fields))
                return attempt, value["return_to"]
        raise SignInFailed("expired", "no attempt of this state is known to the browser")

    def _forget_many(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        """Drop attempts that nobody came back from, before they fill the space for cookies."""
        names = [name for name, _ in read_cookies(text_headers(scope))]
        begun = [name for name in names if self._attempt.fullmatch(name)]
        return [self._forget(name) for name in begun[: 1 - _MAX_ATTEMPTS]]

    @staticmethod
    def _forget(name: str) -> tuple[bytes, bytes]:
        return set_cookie(name, "", 0, "Lax")


def own_path(path: str) -> str:
    """Return a path of ours, with query and fragment, as it is, and for anything else our first page.

    Whoever makes up a link to `/sign-in` must not choose what comes after it.
    """
    return path if _OWN_PATH.fullmatch(path) else "/"


def _query(scope: Scope) -> dict[str, str]:
    """Return the parameters of a request; of one that comes twice, the last."""
    try:
        return dict(parse_qsl(scope["query_string"].decode("latin-1"), max_num_fields=_MAX_FIELDS))
    except ValueError:
        return {}


async def _redirect(send: Send, location: str, *cookies: tuple[bytes, bytes]) -> None:
    # The address that is left may hold a code.
    headers = ((b"location", location.encode()), (b"referrer-policy", b"no-referrer"), *cookies)
    await respond(send, HTTPStatus.SEE_OTHER, "", headers=headers)


async def _refuse_verb(send: Send) -> None:
    headers = ((b"allow", b"GET"),)
    await respond(send, HTTPStatus.METHOD_NOT_ALLOWED, "use GET\n", headers=headers)
