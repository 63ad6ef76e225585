"""The development identity provider: a key of its own, and tokens for whoever asks here."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from chassis.process import StartError
from gateway.asgi import BodyTooLarge, Disconnected, header, read_body, respond_json
from gateway.identity import PERSON_ID
from gateway.keys import FixedKeys, PublicKey
from gateway.settings import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.asgi import Receive, Scope, Send

ISSUER = "paperplane-development"
AUDIENCE = "paperplane"
LIFETIME_SECONDS = 12 * 3600
_MAX_BODY = 4096


class DevelopmentIssuer:
    """Makes tokens that this gateway accepts.

    Arguments:
        key: signs them.
        audience: their `aud`.
        now: tells the time in seconds since 1970-01-01 UTC.
    """

    def __init__(
        self,
        key: Ed25519PrivateKey,
        audience: str = AUDIENCE,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._key = key
        self._audience = audience
        self._now = now
        entry = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
        self._kid = hashlib.sha256(str(entry["x"]).encode()).hexdigest()[:16]
        self.keys = FixedKeys({self._kid: PublicKey("EdDSA", json.dumps(entry), jwt.PyJWK(entry))})
        """What the tokens can be verified with."""

    def token(self, person_id: str, lifetime_seconds: int = LIFETIME_SECONDS) -> str:
        """Make a token for a person."""
        now = int(self._now())
        claims = {
            "iss": ISSUER,
            "aud": self._audience,
            "sub": person_id,
            "iat": now,
            "exp": now + lifetime_seconds,
        }
        return jwt.encode(claims, self._key, algorithm="EdDSA", headers={"kid": self._kid})


def load_key(path: Path) -> Ed25519PrivateKey:
    """Read the private key, which only its owner can, and make it first if there is none.

    Raises:
        StartError: it can't be read or made.
    """
    try:
        if not path.exists():
            _make_key(path)
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise StartError(message) from error
    except (ValueError, TypeError) as error:
        message = f"{path}: not a private key in PEM form"
        raise StartError(message) from error
    if not isinstance(key, Ed25519PrivateKey):
        message = f"{path}: not an Ed25519 key"
        raise StartError(message)
    return key


def _make_key(path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        # Of two processes that make a key at once, the second keeps the first one's.
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()


class WishRefused(Exception):
    """A request for being someone is refused.

    Arguments:
        status: what to answer with.
        sentence: says why, to whoever develops against this.
    """

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


class TokenPage:
    """`POST /dev/token {"personId": "alice"}` makes a token. See `read_wish` for who may ask.

    Arguments:
        issuer: makes the tokens.
    """

    def __init__(self, issuer: DevelopmentIssuer) -> None:
        self._issuer = issuer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["method"] != "POST":
            await respond_json(send, HTTPStatus.METHOD_NOT_ALLOWED, {"message": "use POST"})
            return
        try:
            person_id, lifetime = await read_wish(scope, receive, with_lifetime=True)
        except WishRefused as refusal:
            await respond_json(send, refusal.status, {"message": refusal.sentence})
        except Disconnected:
            return
        else:
            token = self._issuer.token(person_id, lifetime)
            await respond_json(send, HTTPStatus.OK, {"token": token})


async def read_wish(scope: Scope, receive: Receive, *, with_lifetime: bool) -> tuple[str, int]:
    """Read who somebody on this machine wishes to be. A page of some other site can't ask.

    A browser sends such a page's origin along, and asks beforehand whether it may send JSON, which
    nobody answers here. The host must be this machine's own, or a name that was pointed at it
    (DNS rebinding) would make any site look like us.

    Arguments:
        scope: the request, a POST.
        receive: gives its body.
        with_lifetime: whether they may also say for how long.

    Returns:
        the person's id, and for how many seconds.

    Raises:
        WishRefused: they may not be anyone, or it makes no sense.
        Disconnected: they left.
    """
    host, origin = header(scope, b"host"), header(scope, b"origin")
    if not is_loopback(_name(host)) or origin not in ("", f"{scope['scheme']}://{host}"):
        raise WishRefused(HTTPStatus.FORBIDDEN, "only from this machine, and not for other sites")
    content_type = header(scope, b"content-type").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise WishRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "use content-type: application/json")
    try:
        return _wanted(json.loads(await read_body(receive, _MAX_BODY)), with_lifetime=with_lifetime)
    except BodyTooLarge:
        raise WishRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is too large") from None
    except (ValueError, RecursionError):
        sentence = 'send {"personId": "<1 to 255 printable ASCII characters>"}'
        if with_lifetime:
            sentence += f' and, if you like, "lifetimeSeconds" from 1 to {LIFETIME_SECONDS}'
        raise WishRefused(HTTPStatus.BAD_REQUEST, sentence) from None


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _wanted(wish: Any, *, with_lifetime: bool) -> tuple[str, int]:
    if not isinstance(wish, dict):
        raise ValueError
    body = cast("dict[str, Any]", wish)
    if body.keys() - ({"personId", "lifetimeSeconds"} if with_lifetime else {"personId"}):
        raise ValueError
    person_id, lifetime = body.get("personId"), body.get("lifetimeSeconds", LIFETIME_SECONDS)
    if not isinstance(person_id, str) or not PERSON_ID.fullmatch(person_id):
        raise ValueError
    if type(lifetime) is not int or not 0 < lifetime <= LIFETIME_SECONDS:
        raise ValueError
    return person_id, lifetime
