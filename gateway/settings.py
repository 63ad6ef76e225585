"""What an operator can tell the gateway."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_settings import NoDecode

from chassis.settings import PREFIX, Address, ProcessSettings

_DEFAULT_PORTS = {"http": 80, "https": 443}
Port = Annotated[int, Field(ge=0, le=65535)]


def _split(value: object) -> object:
    return [each.strip() for each in value.split(",") if each] if isinstance(value, str) else value


def _path(value: object) -> object:
    # Else nothing would be the present folder.
    return value or None


def _origin(url: str) -> str:
    """Return the origin of a URL as browsers write it (RFC 6454 §6.1), or nothing for nothing."""
    if not url:
        return ""
    parts = urlsplit(url)
    if not parts.hostname or parts.scheme not in _DEFAULT_PORTS or not url.isascii():
        message = (
            "give scheme and host, and a port if need be, for example https://chat.example.org"
        )
        raise ValueError(message)
    if parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc:
        message = "Paperplane is served at the root of a host: give no more than scheme, host, port"
        raise ValueError(message)
    if not is_private(url):
        message = "only this machine itself may be reached without TLS: begin with https://"
        raise ValueError(message)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


class GatewaySettings(ProcessSettings):
    """The options of the gateway."""

    host: str = "127.0.0.1"
    """The address that both ports are opened on."""
    grpc_port: Port = 50051
    """Where gRPC is served; 0 takes any free port."""
    http_port: Port = 8080
    """Where Connect, gRPC-Web and plain HTTP are served; 0 takes any free port."""
    friendship: Address
    """Where the friendship service serves: `unix:/path` or `host:port`. Each address of a host is a replica."""
    messaging: Address
    """Where the messaging service serves: `unix:/path` or `host:port`. Each address of a host is a replica."""

    issuer: str = ""
    """Tokens must be issued by this (`iss`)."""
    audience: str = ""
    """Tokens must be meant for this (`aud`)."""
    jwks: str = ""
    """The issuer's public keys: the path or http(s) URL of a JSON Web Key Set (RFC 7517). With an OIDC
    client they are found by themselves."""
    jwks_refresh: Annotated[float, Field(gt=0, le=86_400)] = 300.0
    """How often the keys are read anew, in seconds."""
    token_leeway: Annotated[float, Field(ge=0, le=300)] = 0.0
    """By how many seconds the issuer's clock may differ from ours."""
    development: bool = False
    """Makes the gateway its own issuer: whoever can reach it can be anyone. Loopback only."""
    development_key: Path | None = None
    """The private key (PEM) of development tokens; made if there is no such file."""
    development_people: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = ()
    """Ids of people, with commas between, that the page offers to be."""

    public_url: Annotated[str, AfterValidator(_origin)] = ""
    """Where people reach the HTTP port, for example `https://chat.example.org`."""
    oidc_client_id: str = ""
    """Lets people sign in to the page at the issuer, an OpenID Connect provider that knows Paperplane by
    this id. Its redirect URI there is the public URL and `/sign-in/callback`."""
    oidc_client_secret: Annotated[Path | None, BeforeValidator(_path)] = None
    """A file with the client's secret; none for a public client."""
    oidc_scopes: str = "openid"
    """What is asked for, with blanks between; `openid` is enough."""
    session_key: Annotated[Path | None, BeforeValidator(_path)] = None
    """A file with the key of the session cookie, 32 random characters or more; all replicas need the same.
    More lines are older keys, which are still good for reading."""
    session_lifetime: Annotated[float, Field(gt=0, le=30 * 86_400)] = 43_200.0
    """For how long someone who signs in with a browser stays signed in, in seconds."""

    rate_limit: Annotated[int, Field(ge=1)] | Literal["off"] = 100
    """How many calls a person may make in a second, or `off`."""
    max_streams: Annotated[int, Field(ge=1)] | Literal["off"] = 50
    """How many streams a person may hold open at a time, or `off`."""
    default_timeout: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """How long a unary call may take whose caller sets no deadline, in seconds."""
    drain_seconds: Annotated[float, Field(ge=0, le=60)] = 3.0
    """How long calls under way may take when the process stops."""

    @property
    def https(self) -> bool:
        """Whether people reach the HTTP port over TLS."""
        return self.public_url.startswith("https://")

    @model_validator(mode="after")
    def _know_whom_to_trust(self) -> Self:
        if self.development:
            self._check_development()
            return self
        self._need("outside development", "issuer", "audience")
        self._refuse(f"without {PREFIX}DEVELOPMENT=true", "development_key", "development_people")
        if self.oidc_client_id:
            self._check_sign_in()
        else:
            self._need("outside development", "jwks")
            self._refuse(f"without {PREFIX}OIDC_CLIENT_ID", "oidc_client_secret", "session_key")
        return self

    def _check_development(self) -> None:
        self._need(f"with {PREFIX}DEVELOPMENT=true", "development_key")
        self._refuse(
            f"with {PREFIX}DEVELOPMENT=true, where the gateway is the issuer itself",
            *("issuer", "jwks", "oidc_client_id", "oidc_client_secret", "session_key"),
        )
        if not is_loopback(self.host):
            message = (
                f"{PREFIX}DEVELOPMENT lets anyone be anyone, so {PREFIX}HOST must be loopback "
                f"and not {self.host}"
            )
            raise ValueError(message)

    def _check_sign_in(self) -> None:
        self._need(f"with {PREFIX}OIDC_CLIENT_ID", "public_url", "session_key")
        if not is_private(self.issuer):
            message = (
                f"with {PREFIX}OIDC_CLIENT_ID, {PREFIX}ISSUER is the address of a provider, which "
                f"begins with https://, and not {self.issuer}"
            )
            raise ValueError(message)
        if "openid" not in self.oidc_scopes.split():
            message = f"{PREFIX}OIDC_SCOPES must have openid among them"
            raise ValueError(message)

    def _need(self, when: str, *names: str) -> None:
        for name in names:
            if not getattr(self, name):
                message = f"{PREFIX}{name.upper()} is needed {when}"
                raise ValueError(message)

    def _refuse(self, when: str, *names: str) -> None:
        for name in names:
            if getattr(self, name):
                message = f"{PREFIX}{name.upper()} means nothing {when}"
                raise ValueError(message)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def is_private(url: str) -> bool:
    """Tell whether nobody on the way can read what passes: it is encrypted, or leaves no machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    on_loopback = parts.scheme == "http" and is_loopback(parts.hostname or "")
    return on_loopback or (parts.scheme == "https" and bool(parts.hostname))
