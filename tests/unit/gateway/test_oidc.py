"""What is believed of a provider's description of itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.oidc import ProviderUnreadable, parse_description

ISSUER = "https://id.example.org/realms/main"
GOOD: dict[str, Any] = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/auth",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/certs",
    "end_session_endpoint": f"{ISSUER}/logout",
    "code_challenge_methods_supported": ["plain", "S256"],
}


def parse(**changed: Any) -> Any:
    return parse_description(json.dumps({**GOOD, **changed}).encode(), ISSUER)


def test_a_description_is_read() -> None:
    provider = parse()

    assert provider.token_endpoint == f"{ISSUER}/token"
    assert provider.end_session_endpoint == f"{ISSUER}/logout"
    assert provider.takes_secret_in_header


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
@pytest.mark.parametrize(
    "value", [None, "", 7, "http://id.example.org/x", "ftp://x", "https://", "https://["]
)
def test_what_is_not_private_is_not_used(name: str, value: Any) -> None:
    with pytest.raises(ProviderUnreadable, match=name):
        parse(**{name: value})


@pytest.mark.parametrize("value", [None, 7, "http://id.example.org/x", "javascript:alert(1)"])
def test_nobody_is_sent_to_sign_out_where_others_can_listen(value: Any) -> None:
    assert parse(end_session_endpoint=value).end_session_endpoint == ""


@pytest.mark.parametrize("issuer", [None, ISSUER + "/", ISSUER.upper(), "https://evil.example"])
def test_the_issuer_must_be_the_same_letter_by_letter(issuer: str | None) -> None:
    with pytest.raises(ProviderUnreadable, match="another issuer"):
        parse(issuer=issuer)


@pytest.mark.parametrize("document", [b"", b"<html>", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_what_is_no_description_is_refused(document: bytes) -> None:
    with pytest.raises(ProviderUnreadable, match="not the description"):
        parse_description(document, ISSUER)
