"""Which settings the gateway refuses to start with."""

from __future__ import annotations

import pytest

from chassis.settings import SettingsError, load_settings
from gateway.settings import GatewaySettings, is_loopback

BACKENDS = {"friendship": "unix:/f", "messaging": "unix:/m"}
PRODUCTION = {**BACKENDS, "issuer": "i", "audience": "a", "jwks": "/keys.json"}
DEVELOPMENT = {**BACKENDS, "development": "true", "development_key": "/key.pem"}
SIGN_IN = {
    **BACKENDS,
    "issuer": "https://id.example.org",
    "audience": "a",
    "public_url": "https://chat.example.org",
    "oidc_client_id": "paperplane",
    "session_key": "/session-key",
}


def load(options: dict[str, str]) -> GatewaySettings:
    return load_settings(
        GatewaySettings, {f"PAPERPLANE_{name.upper()}": value for name, value in options.items()}
    )


def test_the_defaults_are_the_documented_ones() -> None:
    settings = load(PRODUCTION)

    assert (settings.host, settings.grpc_port, settings.http_port) == ("127.0.0.1", 50051, 8080)
    assert settings.rate_limit == 100


@pytest.mark.parametrize("missing", ["issuer", "audience", "jwks", "friendship", "messaging"])
def test_outside_development_nothing_of_it_may_be_missing(missing: str) -> None:
    for options in (
        {name: value for name, value in PRODUCTION.items() if name != missing},
        {**PRODUCTION, missing: ""} if missing in ("issuer", "audience", "jwks") else {},
    ):
        with pytest.raises(SettingsError, match=f"PAPERPLANE_{missing.upper()}"):
            load(options)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
def test_development_serves_on_loopback(host: str) -> None:
    assert load({**DEVELOPMENT, "host": host}).host == host


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "192.0.2.1", "example.org", "", "localhost.example.org"],  # noqa: S104
)
def test_development_serves_nowhere_else(host: str) -> None:
    with pytest.raises(SettingsError, match="PAPERPLANE_HOST must be loopback"):
        load({**DEVELOPMENT, "host": host})


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({**BACKENDS, "development": "true"}, "PAPERPLANE_DEVELOPMENT_KEY"),
        ({**DEVELOPMENT, "jwks": "/keys.json"}, "PAPERPLANE_JWKS"),
        ({**DEVELOPMENT, "issuer": "i"}, "_ISSUER"),
        ({**PRODUCTION, "development_key": "/key.pem"}, "PAPERPLANE_DEVELOPMENT_KEY"),
        ({**PRODUCTION, "rate_limit": "0"}, "PAPERPLANE_RATE_LIMIT"),
        ({**PRODUCTION, "rate_limit": "no"}, "PAPERPLANE_RATE_LIMIT"),
        ({**PRODUCTION, "grpc_port": "65536"}, "PAPERPLANE_GRPC_PORT"),
        ({**PRODUCTION, "token_leeway": "-1"}, "PAPERPLANE_TOKEN_LEEWAY"),
        ({**PRODUCTION, "development_people": "alice"}, "PAPERPLANE_DEVELOPMENT_PEOPLE"),
        ({**PRODUCTION, "session_key": "/key"}, "PAPERPLANE_SESSION_KEY"),
        ({**PRODUCTION, "oidc_client_secret": "/secret"}, "PAPERPLANE_OIDC_CLIENT_SECRET"),
        ({**DEVELOPMENT, "oidc_client_id": "x"}, "PAPERPLANE_OIDC_CLIENT_ID"),
        ({**DEVELOPMENT, "session_key": "/key"}, "PAPERPLANE_SESSION_KEY"),
        ({**SIGN_IN, "public_url": ""}, "PAPERPLANE_PUBLIC_URL is needed"),
        ({**SIGN_IN, "session_key": ""}, "PAPERPLANE_SESSION_KEY is needed"),
        ({**SIGN_IN, "audience": ""}, "PAPERPLANE_AUDIENCE is needed"),
        ({**SIGN_IN, "issuer": "http://id.example.org"}, "PAPERPLANE_ISSUER"),
        ({**SIGN_IN, "issuer": "id.example.org"}, "PAPERPLANE_ISSUER"),
        ({**SIGN_IN, "oidc_scopes": "profile email"}, "PAPERPLANE_OIDC_SCOPES"),
        ({**SIGN_IN, "session_lifetime": "0"}, "PAPERPLANE_SESSION_LIFETIME"),
    ],
)
def test_what_contradicts_itself_is_named(options: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        load(options)


def test_the_rate_limit_can_be_off() -> None:
    assert load({**PRODUCTION, "rate_limit": "off"}).rate_limit == "off"


@pytest.mark.parametrize("host", ["127.0.0.1.example.org", "1", "", "::ffff:192.0.2.1"])
def test_what_only_looks_like_loopback_is_none(host: str) -> None:
    assert not is_loopback(host)


def test_with_a_provider_its_keys_need_not_be_named() -> None:
    assert load(SIGN_IN).jwks == ""
    assert load({**SIGN_IN, "jwks": "/keys.json"}).jwks == "/keys.json"


def test_an_empty_option_is_none() -> None:
    options = {"oidc_client_id": "", "oidc_client_secret": "", "session_key": "", "public_url": ""}

    assert load({**PRODUCTION, **options}).session_key is None
    assert load({**DEVELOPMENT, "development_people": ""}).development_people == ()


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ("https://chat.example.org", "https://chat.example.org"),
        ("https://Chat.Example.ORG:443/", "https://chat.example.org"),
        ("https://chat.example.org:8443", "https://chat.example.org:8443"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_the_public_url_is_kept_as_browsers_write_it(given: str, origin: str) -> None:
    assert load({**PRODUCTION, "public_url": given}).public_url == origin


@pytest.mark.parametrize(
    "url",
    [
        "chat.example.org",
        "//chat.example.org",
        "ftp://chat.example.org",
        "https://",
        "https://chat.example.org/paperplane",
        "https://chat.example.org/?a=b",
        "https://chat.example.org/#a",
        "https://user@chat.example.org",
        "https://chat.example.org:99999",
        "https://[",
        "https://bücher.example",
        "http://chat.example.org",
        "http://127.0.0.1.example.org",
    ],
)
def test_a_public_url_that_cannot_be_is_named(url: str) -> None:
    with pytest.raises(SettingsError, match="PAPERPLANE_PUBLIC_URL"):
        load({**PRODUCTION, "public_url": url})
