"""Asks an OpenID Connect provider who somebody is: authorization code flow with PKCE, and no more.

Authlib writes the protocol's messages, httpx carries them (Authlib's own client for httpx is about to
go), and PyJWT reads the answer. No token leaves this module.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

import httpx
from authlib.oauth2.client import OAuth2Client
from authlib.oauth2.rfc6749.parameters import prepare_token_request
from authlib.oidc.discovery import get_well_known_url

from gateway.errors import TokenInvalid
from gateway.identity import PERSON_ID, verified_claims
from gateway.keys import KeysUnreadable, UrlSource
from gateway.settings import is_private

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.keys import Keys

_EXCHANGE_SECONDS = 10.0
_CLOCK_SKEW = 60.0
"""An ID token is read as soon as it is issued, so a clock that is a little fast must not matter."""
_ERROR_CODES = {
    *("invalid_request", "unauthorized_client", "access_denied", "unsupported_response_type"),
    *("invalid_scope", "server_error", "temporarily_unavailable"),
    *("invalid_client", "invalid_grant", "unsupported_grant_type"),
    *("interaction_required", "login_required", "account_selection_required", "consent_required"),
}
"""Those of RFC 6749 §4.1.2.1 and §5.2 and of OpenID Connect Core 1.0 §3.1.2.6."""

Failure = Literal["cancelled", "expired", "unavailable", "failed"]


class ProviderUnreadable(Exception):
    """The provider's description can't be had, or makes no sense; the message is for the operator."""


class SignInFailed(Exception):
    """Somebody could not be signed in.

    Arguments:
        failure: what they are told.
        reason: what the log is told; nothing of theirs is in it.
    """

    def __init__(self, failure: Failure, reason: str) -> None:
        super().__init__(reason)
        self.failure: Failure = failure
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Provider:
    """What a provider says of itself."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str
    """Where its own session ends; empty if it offers none."""
    takes_secret_in_header: bool


@dataclass(frozen=True, slots=True)
class Client:
    """What the provider knows of us."""

    client_id: str
    client_secret: str
    """Empty for a public client."""
    redirect_uri: str
    scope: str


class Attempt(NamedTuple):
    """What makes one sign-in unlike any other; its browser must come back with it."""

    state: str
    nonce: str
    code_verifier: str


async def discover(issuer: str) -> Provider:
    """Fetch a provider's description (OpenID Connect Discovery 1.0 §4).

    Raises:
        ProviderUnreadable: see there.
    """
    url = get_well_known_url(issuer, external=True)
    try:
        document = await UrlSource(url).read()
    except KeysUnreadable as error:
        raise ProviderUnreadable(str(error)) from error
    try:
        return parse_description(document, issuer)
    except ProviderUnreadable as error:
        message = f"{url}: {error}"
        raise ProviderUnreadable(message) from error


def parse_description(document: bytes, issuer: str) -> Provider:
    """Read a provider's description.

    Raises:
        ProviderUnreadable: see there.
    """
    try:
        said: Any = json.loads(document)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        message = "not the description of an OpenID Connect provider"
        raise ProviderUnreadable(message)
    said = cast("dict[str, Any]", said)
    if said.get("issuer") != issuer:
        message = (
            f"describes another issuer than {issuer}; the two must be the same, letter by letter"
        )
        raise ProviderUnreadable(message)
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        if not is_private(str(said.get(name, ""))):
            message = f"has no {name} with https://"
            raise ProviderUnreadable(message)
    end_session = str(said.get("end_session_endpoint", ""))
    # Without a word on it they take the header (RFC 8414 §2).
    methods: Any = said.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    return Provider(
        issuer,
        said["authorization_endpoint"],
        said["token_endpoint"],
        said["jwks_uri"],
        end_session if is_private(end_session) else "",
        "client_secret_basic" in methods,
    )


class RelyingParty:
    """Lets a provider tell who somebody is.

    Arguments:
        provider: the provider.
        client: what it knows of us.
        keys: what it signs with.
        leeway: by how many seconds its clock may differ; a minute is always allowed.
        now: tells the time in seconds since 1970-01-01 UTC.
        timeout: how many seconds it may take to exchange a code.
    """

    def __init__(
        self,
        provider: Provider,
        client: Client,
        keys: Keys,
        leeway: float,
        now: Callable[[], float] = time.time,
        timeout: float = _EXCHANGE_SECONDS,
    ) -> None:
        self._provider = provider
        self._client = client
        self._keys = keys
        self._now = now
        self._timeout = timeout
        self._leeway = max(leeway, _CLOCK_SKEW)
        # Made once: it reads a file of certificates.
        self._tls = httpx.create_ssl_context()
        method = "client_secret_basic" if provider.takes_secret_in_header else "client_secret_post"
        # Authlib tells type checkers little. Without a session, since it only writes messages here.
        self._oauth: Any = OAuth2Client(
            None,
            client.client_id,
            client.client_secret,
            token_endpoint_auth_method=method if client.client_secret else "none",
            scope=client.scope,
            redirect_uri=client.redirect_uri,
            code_challenge_method="S256",
        )

    @property
    def end_session_url(self) -> str:
        """Where a browser can end its session at the provider too; empty if nowhere.

        See OpenID Connect RP-Initiated Logout 1.0. No ID token is sent along as a hint, since none
        is kept; the provider asks the person instead.
        """
        end_session = self._provider.end_session_endpoint
        if not end_session:
            return ""
        return str(httpx.URL(end_session).copy_merge_params({"client_id": self._client.client_id}))

    def begin(self) -> tuple[str, Attempt]:
        """Return the provider's address to send a browser to, and what to remember until it is back."""
        attempt = Attempt(*(secrets.token_urlsafe(32) for _ in Attempt._fields))
        url, _ = self._oauth.create_authorization_url(
            self._provider.authorization_endpoint,
            state=attempt.state,
            nonce=attempt.nonce,
            code_verifier=attempt.code_verifier,
        )
        return url, attempt

    async def finish(self, attempt: Attempt, code: str) -> str:
        """Return the id of the person who is back from the provider.

        Arguments:
            attempt: what was remembered; its state is the one that they are back with.
            code: what the provider has given them for us.

        Raises:
            SignInFailed: see there.
        """
        id_token = await self._redeem(code, attempt.code_verifier)
        client_id = self._client.client_id
        try:
            claims = await verified_claims(
                id_token, self._keys, self._provider.issuer, client_id, self._leeway
            )
        except TokenInvalid:
            raise SignInFailed("failed", "id token: not the provider's, or not for us") from None
        # The rest of OpenID Connect Core 1.0 §3.1.3.7.
        if claims["exp"] + self._leeway <= self._now():
            raise SignInFailed("failed", "id token: expired")
        if claims.get("nonce") != attempt.nonce:
            raise SignInFailed("failed", "id token: of another attempt")
        ours_alone = claims["aud"] in (client_id, [client_id])
        if claims.get("azp", client_id if ours_alone else None) != client_id:
            raise SignInFailed("failed", "id token: for another client")
        person_id: str = claims["sub"]
        if not PERSON_ID.fullmatch(person_id):
            raise SignInFailed("failed", "id token: sub is not 1 to 255 printable ASCII characters")
        return person_id

    async def _redeem(self, code: str, code_verifier: str) -> str:
        """Exchange a code for the ID token (OpenID Connect Core 1.0 §3.1.3)."""
        body = prepare_token_request(
            "authorization_code",
            code=code,
            redirect_uri=self._client.redirect_uri,
            code_verifier=code_verifier,
        )
        headers = {
            "accept": "application/json",
            "content-type": "application/x-www-form-urlencoded",
        }
        authenticated = self._oauth.client_auth(self._oauth.token_endpoint_auth_method)
        url, headers, body = authenticated.prepare(
            "POST", self._provider.token_endpoint, headers, body
        )
        try:
            async with (
                asyncio.timeout(self._timeout),
                httpx.AsyncClient(verify=self._tls, timeout=self._timeout) as client,
            ):
                response = await client.post(url, content=body, headers=headers)
        except (httpx.HTTPError, TimeoutError) as error:
            raise SignInFailed("unavailable", f"token endpoint: {type(error).__name__}") from None
        if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise SignInFailed("unavailable", f"token endpoint: status {response.status_code}")
        return _id_token(response)


def _id_token(response: httpx.Response) -> str:
    try:
        answer: Any = response.json()
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise SignInFailed(
            "failed", f"token endpoint: status {response.status_code}, no JSON object"
        )
    answer = cast("dict[str, Any]", answer)
    id_token = answer.get("id_token")
    if not isinstance(id_token, str) or response.status_code != HTTPStatus.OK:
        raise SignInFailed("failed", f"token endpoint: {_code(answer.get('error'))}")
    return id_token


def refused(error: str) -> SignInFailed:
    """Say why a provider has sent somebody back without a code (RFC 6749 §4.1.2.1).

    Arguments:
        error: the parameter of that name.
    """
    if error == "access_denied":
        return SignInFailed("cancelled", error)
    away = error in ("server_error", "temporarily_unavailable")
    return SignInFailed("unavailable" if away else "failed", f"provider: {_code(error)}")


def _code(error: object) -> str:
    """Return an error code, if it is a known one: it may come from whoever made up an address."""
    return error if isinstance(error, str) and error in _ERROR_CODES else "unknown error"
