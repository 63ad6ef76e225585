"""Who is signed in with a browser: a sealed cookie says so, and nothing is kept here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chassis.refusals import CallerUnknown
from gateway.cookies import cookie_name, read_cookies, set_cookie
from gateway.errors import CrossSiteRequest, TokenExpired, TokenInvalid
from gateway.identity import Identity
from gateway.sealing import SealBroken, SealExpired

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.sealing import Seal

    Headers = Sequence[tuple[str, str]]

PURPOSE = "session"


class Sessions:
    """Starts, reads and ends sessions.

    Arguments:
        seal: seals the cookies; made for `PURPOSE`.
        origin: the origin that people see, for example `https://chat.example.org`; if it is empty,
            plain HTTP at whatever host a request names.
    """

    def __init__(self, seal: Seal, origin: str = "") -> None:
        self._seal = seal
        self._origin = origin
        self._cookie = cookie_name("paperplane", secure=origin.startswith("https://"))

    def start(self, person_id: str) -> tuple[Identity, tuple[bytes, bytes]]:
        """Return a person's new session, and the header that gives it to the browser."""
        sealed = self._seal.close({"sub": person_id})
        header = self._set(sealed.text, self._seal.lifetime)
        return Identity(person_id, sealed.expires_at), header

    def end(self) -> tuple[bytes, bytes]:
        """Return the header that signs out whoever is signed in."""
        return self._set("", 0)

    def _set(self, value: str, max_age: float) -> tuple[bytes, bytes]:
        return set_cookie(self._cookie, value, max_age, "Strict")

    def identify(self, headers: Headers) -> Identity:
        """Return who is signed in.

        Raises:
            CallerUnknown: nobody.
            TokenInvalid: the cookie is none of ours, or there are two of them.
            TokenExpired: the session has ended.
        """
        found = [value for name, value in read_cookies(headers) if name == self._cookie]
        if not found:
            raise CallerUnknown
        # Of two, one was slipped in by another host or port of this name, and which can't be told.
        if len(found) > 1:
            raise TokenInvalid
        try:
            opened = self._seal.open(found[0])
        except SealBroken:
            raise TokenInvalid from None
        except SealExpired:
            raise TokenExpired from None
        return Identity(opened.value["sub"], opened.expires_at)

    def check_origin(self, headers: Headers) -> None:
        """Let pass what our own page has sent; a cookie alone doesn't say so.

        Browsers set both headers themselves, and no script can. Those from before 2023 don't all
        send `Sec-Fetch-Site`; they have sent `Origin` with whatever may change something for longer.

        Raises:
            CrossSiteRequest: another site's page may have sent it.
        """
        said = dict(headers)
        fetch_site = said.get("sec-fetch-site")
        if fetch_site is not None:
            own = fetch_site == "same-origin"
        else:
            own = said.get("origin") == (self._origin or f"http://{said.get('host')}")
        if not own:
            raise CrossSiteRequest
