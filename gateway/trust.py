"""Whom the gateway believes: what verifies tokens, the sessions of browsers, and what begins either."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chassis.process import StartError
from chassis.settings import PREFIX
from gateway import development, sign_in
from gateway.development import DevelopmentIssuer, TokenPage
from gateway.identity import TokenVerifier
from gateway.keys import KeysUnreadable, RotatingKeys, key_source
from gateway.oidc import Client, ProviderUnreadable, RelyingParty, discover
from gateway.sealing import Seal, parse_secrets
from gateway.session_page import SessionPage
from gateway.sessions import PURPOSE, Sessions
from gateway.sign_in import SignIn

if TYPE_CHECKING:
    from contextlib import AsyncExitStack
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from gateway.asgi import App
    from gateway.oidc import Provider
    from gateway.settings import GatewaySettings


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to believe."""

    verifier: TokenVerifier
    sessions: Sessions | None
    """None where nobody can sign in with a browser."""
    pages: dict[str, App]
    """What is served for signing in, by its path."""


async def open_trust(settings: GatewaySettings, opened: AsyncExitStack) -> Trust:
    """Read the keys, and keep them fresh for as long as the stack is open.

    Raises:
        StartError: a key can't be had, or the provider where people sign in.
    """
    if settings.development_key is not None:
        key = await asyncio.to_thread(development.load_key, settings.development_key)
        return _development(settings, key)
    if not settings.oidc_client_id:
        keys = await _keys(settings, settings.jwks, opened)
        return Trust(_verifier(settings, keys), None, {"/session": SessionPage("none", None)})
    try:
        provider = await discover(settings.issuer)
    except ProviderUnreadable as error:
        message = f"{PREFIX}ISSUER: {error}"
        raise StartError(message) from error
    keys = await _keys(settings, settings.jwks or provider.jwks_uri, opened)
    return await _with_provider(settings, provider, keys)


async def _keys(settings: GatewaySettings, location: str, opened: AsyncExitStack) -> RotatingKeys:
    keys = RotatingKeys(key_source(location), settings.jwks_refresh)
    try:
        await keys.load()
    except KeysUnreadable as error:
        message = f"{PREFIX}JWKS: {error}"
        raise StartError(message) from error
    opened.push_async_callback(keys.close)
    refreshing = asyncio.create_task(keys.refresh_forever())
    opened.callback(refreshing.cancel)
    return keys


def _verifier(settings: GatewaySettings, keys: RotatingKeys) -> TokenVerifier:
    return TokenVerifier(keys, settings.issuer, settings.audience, settings.token_leeway)


async def _with_provider(
    settings: GatewaySettings, provider: Provider, keys: RotatingKeys
) -> Trust:
    client = Client(
        settings.oidc_client_id,
        await _read_client_secret(settings.oidc_client_secret),
        f"{settings.public_url}/sign-in/callback",
        settings.oidc_scopes,
    )
    relying_party = RelyingParty(provider, client, keys, settings.token_leeway)
    secrets = await _read_session_key(settings.session_key)
    sessions = _sessions(settings, secrets)
    attempts = Seal(secrets, sign_in.PURPOSE, sign_in.ATTEMPT_SECONDS)
    signing_in = SignIn(relying_party, attempts, sessions, https=settings.https)
    return Trust(
        _verifier(settings, keys),
        sessions,
        {
            "/session": SessionPage(
                "oidc", sessions, provider_sign_out=relying_party.end_session_url
            ),
            "/sign-in": signing_in.begin,
            "/sign-in/callback": signing_in.finish,
        },
    )


def _development(settings: GatewaySettings, key: Ed25519PrivateKey) -> Trust:
    audience = settings.audience or development.AUDIENCE
    issuer = DevelopmentIssuer(key, audience)
    # One file less: whoever can read this key can be anyone here as it is.
    sessions = _sessions(settings, [key.private_bytes_raw()])
    return Trust(
        TokenVerifier(issuer.keys, development.ISSUER, audience, settings.token_leeway),
        sessions,
        {
            "/dev/token": TokenPage(issuer),
            "/session": SessionPage("development", sessions, settings.development_people),
        },
    )


def _sessions(settings: GatewaySettings, secrets: list[bytes]) -> Sessions:
    return Sessions(Seal(secrets, PURPOSE, settings.session_lifetime), settings.public_url)


async def _read_session_key(path: Path | None) -> list[bytes]:
    content = await _read("SESSION_KEY", path)
    try:
        return parse_secrets(content)
    except ValueError as error:
        message = f"{PREFIX}SESSION_KEY: the file {error}"
        raise StartError(message) from error


async def _read_client_secret(path: Path | None) -> str:
    """Return the client's secret, or nothing for a public client."""
    if path is None:
        return ""
    secret = (await _read("OIDC_CLIENT_SECRET", path)).strip()
    if not secret or not secret.isascii():
        message = f"{PREFIX}OIDC_CLIENT_SECRET: the file must hold the secret, in ASCII"
        raise StartError(message)
    return secret.decode()


async def _read(option: str, path: Path | None) -> bytes:
    assert path is not None
    try:
        return await asyncio.to_thread(path.read_bytes)
    except OSError as error:
        # Without the path: who takes the option for the secret itself has put that there.
        message = f"{PREFIX}{option}: the file that it names can't be read: {error.strerror}"
        raise StartError(message) from None
