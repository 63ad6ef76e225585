"""Values that a browser keeps for us: it can neither read nor change them, and nobody can make any."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, NamedTuple

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MIN_SECRET = 32
_MAX_SEALED = 4096
"""What browsers hold a cookie to (RFC 6265 §6.1)."""


class SealBroken(Exception):
    """It is no value of ours, or not for this purpose."""


class SealExpired(Exception):
    """It was a value of ours, until it expired."""


class Sealed(NamedTuple):
    """A sealed value."""

    text: str
    """Printable ASCII, fit for a cookie."""
    expires_at: float
    """In seconds since 1970-01-01 UTC."""


class Opened(NamedTuple):
    """What was sealed."""

    value: dict[str, str]
    expires_at: float
    """In seconds since 1970-01-01 UTC."""


class Seal:
    """Seals values for one purpose and a time: authenticated encryption, by Fernet.

    Arguments:
        secrets: what the keys are derived from. The first one seals, each of them opens.
        purpose: what was sealed for another one does not open here.
        lifetime: for how many seconds a value opens.
        now: tells the time in seconds since 1970-01-01 UTC.
    """

    def __init__(
        self,
        secrets: Sequence[bytes],
        purpose: str,
        lifetime: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.lifetime = lifetime
        self._now = now
        self._fernet = MultiFernet([Fernet(_key(secret, purpose)) for secret in secrets])

    def close(self, value: dict[str, str]) -> Sealed:
        """Seal a value."""
        now = self._now()
        expires_at = now + self.lifetime
        content = json.dumps([value, expires_at], separators=(",", ":")).encode()
        return Sealed(self._fernet.encrypt_at_time(content, int(now)).decode(), expires_at)

    def open(self, sealed: str) -> Opened:
        """Return what was sealed.

        Raises:
            SealBroken, SealExpired: see there.
        """
        if len(sealed) > _MAX_SEALED or not sealed.isascii():
            raise SealBroken
        try:
            value, expires_at = json.loads(self._fernet.decrypt(sealed))
        except InvalidToken:
            raise SealBroken from None
        if expires_at <= self._now():
            raise SealExpired
        return Opened(value, expires_at)


def _key(secret: bytes, purpose: str) -> bytes:
    derivation = HKDF(hashes.SHA256(), 32, salt=None, info=f"paperplane {purpose}".encode())
    return base64.urlsafe_b64encode(derivation.derive(secret))


def parse_secrets(content: bytes) -> list[bytes]:
    """Read secrets for `Seal`, one a line.

    Raises:
        ValueError: there is none, or one that could be guessed; the message is for the operator.
    """
    lines = [line.strip() for line in content.splitlines() if line.strip()]
    if not lines or min(map(len, lines)) < _MIN_SECRET:
        message = (
            f"must hold random keys of {_MIN_SECRET} characters or more, one a line, "
            "for example from `openssl rand -base64 32`"
        )
        raise ValueError(message)
    return lines
