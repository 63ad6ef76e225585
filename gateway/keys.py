"""The issuer's public keys: read from a file or a URL, now and then and when one is unknown."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import httpx
import jwt
import structlog

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = structlog.get_logger(__name__)

ALGORITHMS = ("RS256", "ES256", "EdDSA")
"""The signatures accepted. All are asymmetric: whoever can check a token can't make one."""
_FETCH_SECONDS = 5.0
_UNKNOWN_KEY_PAUSE = 5.0


class KeysUnreadable(Exception):
    """The keys can't be had, or make no sense; the message says why, for the operator."""


class KeySource(Protocol):
    """Where a JSON Web Key Set comes from."""

    async def read(self) -> bytes:
        """Return the set as it is now.

        Raises:
            KeysUnreadable: it can't be had.
        """
        ...


class FileSource:
    """A key set in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def read(self) -> bytes:
        """Return the file's content."""
        try:
            return await asyncio.to_thread(self._path.read_bytes)
        except OSError as error:
            message = f"{self._path}: {error.strerror}"
            raise KeysUnreadable(message) from error


class UrlSource:
    """A key set behind an http(s) URL."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def read(self) -> bytes:
        """Fetch the set."""
        try:
            async with asyncio.timeout(_FETCH_SECONDS), httpx.AsyncClient() as client:
                response = await client.get(self._url, timeout=_FETCH_SECONDS)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            message = f"{self._url}: {type(error).__name__}"
            raise KeysUnreadable(message) from error
        if response.status_code != HTTPStatus.OK:
            message = f"{self._url}: HTTP status {response.status_code}"
            raise KeysUnreadable(message)
        return response.content


def key_source(location: str) -> KeySource:
    """Return the source that a path or an http(s) URL stands for."""
    if location.startswith(("http://", "https://")):
        return UrlSource(location)
    return FileSource(Path(location))


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that tokens may be signed with."""

    algorithm: str
    entry: str
    """The key as the issuer gave it."""
    jwk: jwt.PyJWK = field(compare=False)


def parse_key_set(document: bytes) -> dict[str, PublicKey]:
    """Return the usable keys of a JSON Web Key Set by their ids.

    Keys for other purposes and of other kinds are passed over, as RFC 7517 asks, and so are weak
    ones. A key without an id goes by the empty one.

    Raises:
        KeysUnreadable: it is no key set, or holds no key that can be used.
    """
    try:
        entries: list[dict[str, Any]] = json.loads(document)["keys"]
        keys = {str(entry.get("kid", "")): _usable(entry) for entry in entries}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        message = "not a JSON Web Key Set"
        raise KeysUnreadable(message) from None
    usable = {kid: key for kid, key in keys.items() if key is not None}
    if not usable:
        message = f"no key for any of {', '.join(ALGORITHMS)}"
        raise KeysUnreadable(message)
    return usable


def _usable(entry: dict[str, Any]) -> PublicKey | None:
    if entry.get("use", "sig") != "sig" or "verify" not in entry.get("key_ops", ["verify"]):
        return None
    try:
        jwk = jwt.PyJWK(entry)
    except jwt.PyJWTError:
        # Its text would show the key.
        return None
    if jwk.algorithm_name not in ALGORITHMS or jwk.Algorithm.check_key_length(jwk.key):
        return None
    return PublicKey(jwk.algorithm_name, json.dumps(entry, sort_keys=True), jwk)


class Keys(Protocol):
    """The keys that tokens may be signed with."""

    @property
    def generation(self) -> int:
        """A number that rises when a key goes: what it has signed is then to be checked anew."""
        ...

    async def find(self, kid: str | None, algorithm: str) -> PublicKey | None:
        """Return the key of an id, or, without an id, the only one for an algorithm."""
        ...


class FixedKeys:
    """Keys that stay as they are."""

    generation = 0

    def __init__(self, keys: Mapping[str, PublicKey]) -> None:
        self._keys = keys

    async def find(self, kid: str | None, algorithm: str) -> PublicKey | None:
        """Return the key of an id, or, without an id, the only one for an algorithm."""
        return _find(self._keys, kid, algorithm)


class RotatingKeys:
    """Keys that the issuer changes over time. A reading that fails leaves them as they are.

    Arguments:
        source: where they come from.
        refresh_seconds: how often they are read anew.
        pause_seconds: how soon after a reading an unknown key id may cause another one, so that
            made-up ids can't be used to storm the issuer.
    """

    def __init__(
        self,
        source: KeySource,
        refresh_seconds: float,
        pause_seconds: float = _UNKNOWN_KEY_PAUSE,
    ) -> None:
        self.generation = 0
        self._source = source
        self._refresh_seconds = refresh_seconds
        self._pause_seconds = pause_seconds
        self._keys: dict[str, PublicKey] = {}
        self._read_at = 0.0
        self._reading: asyncio.Task[None] | None = None

    async def load(self) -> None:
        """Read the keys.

        Raises:
            KeysUnreadable: the keys stay as they were.
        """
        self._read_at = time.monotonic()
        document = await self._source.read()
        keys = parse_key_set(document)
        if not self._keys.items() <= keys.items():
            self.generation += 1
            _log.info("keys.removed", kept=len(keys))
        self._keys = keys

    async def refresh_forever(self) -> None:
        """Read the keys anew, again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._refresh_seconds)
            await self._refresh()

    async def _refresh(self) -> None:
        try:
            await self.load()
        except KeysUnreadable as error:
            _log.warning("keys.refresh_failed", reason=str(error))

    async def find(self, kid: str | None, algorithm: str) -> PublicKey | None:
        """Return the key of an id, or, without an id, the only one for an algorithm.

        An id that is not known may be one that the issuer has just begun to use.
        """
        key = _find(self._keys, kid, algorithm)
        if key is None and kid is not None and await self._refresh_for_unknown():
            key = _find(self._keys, kid, algorithm)
        return key

    async def _refresh_for_unknown(self) -> bool:
        if self._reading is None:
            if time.monotonic() - self._read_at < self._pause_seconds:
                return False
            self._reading = asyncio.create_task(self._refresh())
            self._reading.add_done_callback(self._forget_reading)
        # Many callers share one reading, which goes on when one of them leaves.
        await asyncio.shield(self._reading)
        return True

    def _forget_reading(self, _: asyncio.Task[None]) -> None:
        self._reading = None

    async def close(self) -> None:
        """Stop reading."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)


def _find(keys: Mapping[str, PublicKey], kid: str | None, algorithm: str) -> PublicKey | None:
    if kid is not None:
        return keys.get(kid)
    fitting = [key for key in keys.values() if key.algorithm == algorithm]
    return fitting[0] if len(fitting) == 1 else None
