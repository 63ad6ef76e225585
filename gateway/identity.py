"""Who calls: reads bearer tokens (RFC 6750, RFC 7519) and remembers them while they are good."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt

from chassis.refusals import CallerUnknown
from gateway.errors import TokenExpired, TokenInvalid
from gateway.keys import ALGORITHMS

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.keys import Keys

PERSON_ID = re.compile(r"[!-~]{1,255}")
"""What a `sub` may be: OpenID Connect Core 1.0 §2 says at most 255 ASCII characters."""
_SCHEME = "bearer "
_MAX_TOKEN = 8192
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Identity:
    """A person whose token was verified, and when it expires, in seconds since 1970-01-01 UTC."""

    person_id: str
    expires_at: float


class TokenVerifier:
    """Verifies tokens; each once, until it expires or a key is withdrawn.

    Arguments:
        keys: what tokens may be signed with.
        issuer: the `iss` they must have.
        audience: what their `aud` must contain.
        leeway: by how many seconds the issuer's clock may differ.
        now: tells the time in seconds since 1970-01-01 UTC.
        remembered: how many verified tokens are kept in mind.
    """

    def __init__(
        self,
        keys: Keys,
        issuer: str,
        audience: str,
        leeway: float = 0.0,
        now: Callable[[], float] = time.time,
        remembered: int = _REMEMBERED,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._leeway = leeway
        self._now = now
        self._remembered = remembered
        self._known: OrderedDict[str, Identity] = OrderedDict()
        self._generation = keys.generation

    async def identify(self, authorization: str) -> Identity:
        """Return whose token it is.

        Arguments:
            authorization: the value of the header or metadata of that name; empty if there is none.

        Raises:
            CallerUnknown: there is no bearer token.
            TokenInvalid: it is not one that is accepted here.
            TokenExpired: it was, until it expired.
        """
        if self._generation != self._keys.generation:
            self._generation = self._keys.generation
            self._known.clear()
        identity = self._known.get(authorization)
        if identity is None:
            identity = await self._verify(authorization)
            self._known[authorization] = identity
            if len(self._known) > self._remembered:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(authorization)
        if identity.expires_at <= self._now():
            self._known.pop(authorization, None)
            raise TokenExpired
        return identity

    async def _verify(self, authorization: str) -> Identity:
        if authorization[: len(_SCHEME)].lower() != _SCHEME:
            raise CallerUnknown
        token = authorization[len(_SCHEME) :].strip()
        if len(token) > _MAX_TOKEN:
            raise TokenInvalid
        claims = await verified_claims(
            token, self._keys, self._issuer, self._audience, self._leeway
        )
        if not PERSON_ID.fullmatch(claims["sub"]):
            raise TokenInvalid
        return Identity(claims["sub"], int(claims["exp"]) + self._leeway)


async def verified_claims(
    token: str, keys: Keys, issuer: str, audience: str, leeway: float
) -> dict[str, Any]:
    """Return the claims of a token, among them `sub`, a text, and `exp`, a number.

    Expiry is not judged here, since our callers must tell expired tokens from bad ones. When it was
    issued (`iat`) is no reason to refuse it; `nbf` is there for that.

    Arguments:
        token: a signed JWT in its compact form.
        keys: what it may be signed with.
        issuer: the `iss` that it must have.
        audience: what its `aud` must contain.
        leeway: by how many seconds the issuer's clock may differ.

    Raises:
        TokenInvalid: it is malformed, not signed with one of the keys, or not theirs, or not for us.
    """
    try:
        header = jwt.get_unverified_header(token)
        kid: str | None = header.get("kid")
        key = await keys.find(kid, str(header.get("alg")))
        if key is None:
            raise TokenInvalid
        claims: dict[str, Any] = jwt.decode(
            token,
            key.jwk,
            algorithms=list(ALGORITHMS),
            audience=audience,
            issuer=issuer,
            leeway=leeway,
            options={
                "require": ["exp", "iss", "aud", "sub"],
                "verify_exp": False,
                "verify_iat": False,
            },
        )
        # Whatever else `exp` may be, it can't be reckoned with.
        claims["exp"] = int(claims["exp"])
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
        raise TokenInvalid from None
    return claims
