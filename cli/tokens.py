"""Gets a token, keeps it fresh, and reads what it says of itself."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

from cli.errors import CliError, Misused, Refused, Unreachable

if TYPE_CHECKING:
    import httpx

_TIMEOUT_SECONDS = 10.0
_RENEW_BEFORE_SECONDS = 30


async def development_token(http: str, person_id: str) -> str:
    """Ask a development system for a person's token.

    Arguments:
        http: the system's HTTP address, `host:port` or a URL.
        person_id: whose token.

    Raises:
        Unreachable: there is no answer.
        Refused: the system gives out no tokens, or not for this id.
    """
    # Most commands have a token and need no HTTP, which takes its time to load.
    import httpx

    base = http if "://" in http else f"http://{http}"
    # A proxy of the environment can't reach this machine's own ports.
    async with httpx.AsyncClient(trust_env=False, timeout=_TIMEOUT_SECONDS) as client:
        try:
            answer = await client.post(f"{base}/dev/token", json={"personId": person_id})
            token = _token(answer)
        except (httpx.HTTPError, httpx.InvalidURL):
            raise Unreachable(
                f"Can't reach {base}/dev/token. Is the system running? Start it with: make run",
                "SERVER_UNREACHABLE",
                "UNAVAILABLE",
            ) from None
    return token


def _token(answer: httpx.Response) -> str:
    try:
        document: Any = answer.json()
    except ValueError:
        document = None
    match document:
        case {"token": str(token)} if answer.is_success:
            return token
        case {"message": str(message)}:
            raise Refused(f"The server gave no token: {message}", "NO_TOKEN")
        case _:
            raise Refused(
                f"The server gave no token (HTTP {answer.status_code}); only a development system "
                "does. Elsewhere, pass one in: paperplane sign-in ME --token -",
                "NO_DEVELOPMENT_TOKENS",
            )


def claims(token: str) -> dict[str, Any]:
    """Read a token's claims. Whether they are true is for the server to say.

    Raises:
        Misused: this is not a JSON Web Token.
    """
    try:
        payload = token.split(".")[1]
        found: Any = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        found = None
    match found:
        case {"sub": str()}:
            return cast("dict[str, Any]", found)
        case _:
            raise Misused("This is not a token (a JSON Web Token with a `sub`).", "NOT_A_TOKEN")


class Credentials:
    """One person's token, renewed before it runs out where that is possible.

    Arguments:
        token: the token to begin with; empty to get one first.
        renew: gets a new one; None if only the person can.
    """

    def __init__(self, token: str, renew: Callable[[], Awaitable[str]] | None = None) -> None:
        self._token = token
        self._renew = renew

    async def token(self) -> str:
        """Return a token that holds for a while yet, if one can be had.

        Raises:
            CliError: a new one is needed and can't be got.
        """
        if self._renew is not None and self._runs_out():
            self._token = await self._renew()
        return self._token

    async def replace(self) -> bool:
        """Get a new token because the server does not take this one; false if only the person can.

        Raises:
            CliError: the new one can't be got.
        """
        if self._renew is None:
            return False
        self._token = await self._renew()
        return True

    def _runs_out(self) -> bool:
        try:
            ends = claims(self._token).get("exp")
        except CliError:
            return True
        return isinstance(ends, int | float) and ends < time.time() + _RENEW_BEFORE_SECONDS
