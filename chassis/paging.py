"""Page tokens and cursors: opaque to callers, and worthless to anyone but the one they were made for."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

from chassis.refusals import PageTokenInvalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_BYTES = 1024 * 1024
"""How large a page gets, at most by its last item. gRPC clients take in 4 MiB unless told otherwise."""
_MAC_BYTES = 16


def fitting(items: Sequence[Message]) -> int:
    """Return how many of a page's items to send: the first ones, up to `MAX_PAGE_BYTES`."""
    size = 0
    for count, item in enumerate(items, 1):
        size += item.ByteSize()
        if size >= MAX_PAGE_BYTES:
            return count
    return len(items)


class TokenSigner:
    """Makes and opens strings that carry a few values and a MAC (HMAC-SHA256, cut to 128 bits).

    Arguments:
        key: the secret that lives in the service's database.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, values: list[Any], *bound: str) -> str:
        """Return a token of the values that opens only with the same bindings.

        Arguments:
            values: whatever JSON can hold.
            bound: what the token belongs to: its purpose, the caller, the arguments.
        """
        payload = json.dumps(values, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._mac(payload, bound) + payload).decode().rstrip("=")

    def open(self, token: str, *bound: str) -> list[Any]:
        """Return the values of a token.

        Raises:
            ValueError: it was not sealed with this key and these bindings.
        """
        try:
            raw = base64.b64decode(
                token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True
            )
        except (UnicodeEncodeError, binascii.Error) as error:
            message = "not a token"
            raise ValueError(message) from error
        mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(payload, bound)):
            message = "the token was not made here, or for something else"
            raise ValueError(message)
        values: list[Any] = json.loads(payload)
        return values

    def _mac(self, payload: bytes, bound: tuple[str, ...]) -> bytes:
        # JSON keeps the bindings apart, so that ("ab", "c") is not ("a", "bc").
        message = json.dumps(bound).encode() + b"\0" + payload
        return hmac.digest(self._key, message, hashlib.sha256)[:_MAC_BYTES]


class Pager:
    """The page tokens of one call of a list method (AIP-158).

    Arguments:
        signer: seals the tokens.
        person_id: the caller.
        request: the list request; its token and page size may differ between pages, all else may
            not.
    """

    def __init__(self, signer: TokenSigner, person_id: str, request: Message) -> None:
        self._signer = signer
        self._token: str = getattr(request, "page_token", "")
        self.size: int = getattr(request, "page_size", 0) or DEFAULT_PAGE_SIZE
        """How many items the page holds at most."""
        arguments = type(request)()
        arguments.CopyFrom(request)
        arguments.ClearField("page_token")
        arguments.ClearField("page_size")
        digest = hashlib.sha256(arguments.SerializeToString(deterministic=True)).hexdigest()
        self._bound = ("page", request.DESCRIPTOR.full_name, person_id, digest)

    def start(self) -> list[Any] | None:
        """Return where the page before ended, or None for the first page.

        Raises:
            PageTokenInvalid: the token was not given to this caller for this list.
        """
        if not self._token:
            return None
        try:
            return self._signer.open(self._token, *self._bound)
        except ValueError as error:
            raise PageTokenInvalid from error

    def next_token(self, position: list[Any] | None) -> str:
        """Return the token of the page that begins after a position; empty if there is none."""
        return "" if position is None else self._signer.seal(position, *self._bound)
