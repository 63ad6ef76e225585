"""OpenID Connect providers: a real one in a process of its own, and one that misbehaves as told."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import re
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from tests.support.gateway import Issuer

_RUNNING = re.compile(rb"running on (http://127\.0\.0\.1:\d+)")
SESSION_KEY = "the session key of the tests, which is long enough"


@asynccontextmanager
async def a_provider(*people: str) -> AsyncGenerator[str]:
    """Run oidc-provider-mock, which knows some people; yield its address, which is its issuer."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "oidc_provider_mock", "--port", "0"),
        *(f"--user={person}" for person in people),
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert process.stderr is not None
    said = b""
    try:
        async with asyncio.timeout(60):
            while not (found := _RUNNING.search(said)):
                line = await process.stderr.readline()
                assert line, said.decode()
                said += line
        reading = asyncio.create_task(process.stderr.read())
        yield found[1].decode()
        process.terminate()
        await reading
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def sign_in_options(folder: Path, issuer: str, **changed: str) -> dict[str, str]:
    """Return a gateway's options for signing in at a provider.

    Arguments:
        folder: where to put the session key.
        issuer: the provider.
        changed: options that differ, by their names.
    """
    key = folder / "session-key"
    key.write_text(SESSION_KEY)
    return {
        "issuer": issuer,
        "audience": "paperplane-api",
        "public_url": "http://127.0.0.1:8080",
        "oidc_client_id": "paperplane",
        "session_key": str(key),
        **changed,
    }


def query_of(url: str) -> dict[str, str]:
    """Return the parameters of an address."""
    return dict(parse_qsl(urlsplit(url).query, strict_parsing=True))


async def consent(url: str, person_id: str) -> str:
    """Sign in at oidc-provider-mock, as a person would; return where it sends the browser then."""
    async with httpx.AsyncClient(trust_env=False) as browser:
        response = await browser.post(url, data={"sub": person_id})
    assert response.is_redirect, response.text
    return response.headers["location"]


async def decline(url: str) -> str:
    """Decline to sign in at oidc-provider-mock; return where it sends the browser then."""
    async with httpx.AsyncClient(trust_env=False) as browser:
        response = await browser.post(url, data={"action": "deny"})
    assert response.is_redirect, response.text
    return response.headers["location"]


@dataclass
class Misbehaving:
    """A provider that hands out any code for any person, and otherwise does what a test tells it."""

    issuer: Issuer = field(default_factory=Issuer)
    description: dict[str, Any] = field(default_factory=dict[str, Any])
    """What its description says otherwise."""
    claims: dict[str, Any] = field(default_factory=dict[str, Any])
    """What its ID tokens claim otherwise."""
    forge: Callable[[Issuer, dict[str, Any]], str] | None = None
    """Makes the ID token of the good claims instead."""
    answer: tuple[int, bytes] | None = None
    """What the token endpoint answers with instead."""
    hang: bool = False
    """Whether the token endpoint never answers."""
    redeemed: list[tuple[dict[str, str], dict[str, str]]] = field(
        default_factory=list[tuple[dict[str, str], dict[str, str]]]
    )
    """Headers and parameters of each request to the token endpoint."""
    url: str = ""
    _codes: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])

    def forget(self) -> None:
        """Behave again."""
        self.claims, self.forge, self.answer, self.hang = {}, None, None, False
        self.redeemed.clear()

    def consent(self, url: str) -> str:
        """Let alice sign in; return where the browser is sent then."""
        asked = query_of(url)
        code = f"code-{len(self._codes)}"
        self._codes[code] = asked
        return f"{asked['redirect_uri']}?code={code}&state={asked['state']}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        headers = dict(line.split(": ", 1) for line in head.splitlines()[1:] if line)
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        path = head.split(" ")[1]
        if path == "/token" and self.hang:
            await reader.read()
            writer.close()
            return
        status, content = self._answer(path, headers, dict(parse_qsl(body.decode())))
        writer.write(
            f"HTTP/1.1 {status} X\r\ncontent-length: {len(content)}\r\n"
            "connection: close\r\n\r\n".encode()
            + content
        )
        await writer.drain()
        writer.close()

    def _answer(
        self, path: str, headers: dict[str, str], asked: dict[str, str]
    ) -> tuple[int, bytes]:
        if path == "/.well-known/openid-configuration":
            said = {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/jwks",
                **self.description,
            }
            return 200, json.dumps(said).encode()
        if path == "/jwks":
            return 200, self.issuer.key_set()
        self.redeemed.append((headers, asked))
        return self.answer or self._redeem(asked)

    def _redeem(self, asked: dict[str, str]) -> tuple[int, bytes]:
        begun = self._codes.pop(asked["code"], None)
        digest = hashlib.sha256(asked["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            begun is None
            or begun["code_challenge_method"] != "S256"
            or begun["code_challenge"] != challenge
            or begun["redirect_uri"] != asked["redirect_uri"]
        ):
            return 400, b'{"error": "invalid_grant"}'
        claims: dict[str, Any] = {
            "iss": self.url,
            "aud": begun["client_id"],
            "nonce": begun["nonce"],
            **self.claims,
        }
        if self.forge is None:
            id_token = self.issuer.token(**claims)
        else:
            id_token = self.forge(self.issuer, self.issuer.claims(**claims))
        tokens = {"id_token": id_token, "access_token": "a-secret", "token_type": "Bearer"}
        return 200, json.dumps(tokens).encode()


@asynccontextmanager
async def a_misbehaving_provider() -> AsyncGenerator[Misbehaving]:
    """Run a provider that does as it is told."""
    provider = Misbehaving()
    async with await asyncio.start_server(provider.serve, "127.0.0.1", 0) as server:
        provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield provider
