"""What an operator can tell the gateway."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from chassis.settings import PREFIX, ProcessSettings

Port = Annotated[int, Field(ge=0, le=65535)]


class GatewaySettings(ProcessSettings):
    """The options of the gateway."""

    host: str = "127.0.0.1"
    """The address that both ports are opened on."""
    grpc_port: Port = 50051
    """Where gRPC is served; 0 takes any free port."""
    http_port: Port = 8080
    """Where Connect, gRPC-Web and plain HTTP are served; 0 takes any free port."""
    friendship: str
    """Where the friendship service serves: `unix:/path` or `host:port`."""
    messaging: str
    """Where the messaging service serves: `unix:/path` or `host:port`."""

    issuer: str = ""
    """Tokens must be issued by this (`iss`)."""
    audience: str = ""
    """Tokens must be meant for this (`aud`)."""
    jwks: str = ""
    """The issuer's public keys: the path or http(s) URL of a JSON Web Key Set (RFC 7517)."""
    jwks_refresh: Annotated[float, Field(gt=0, le=86_400)] = 300.0
    """How often the keys are read anew, in seconds."""
    token_leeway: Annotated[float, Field(ge=0, le=300)] = 0.0
    """By how many seconds the issuer's clock may differ from ours."""
    development: bool = False
    """Makes the gateway its own issuer: whoever can reach it can be anyone. Loopback only."""
    development_key: Path | None = None
    """The private key (PEM) of development tokens; made if there is no such file."""

    rate_limit: Annotated[int, Field(ge=1)] | Literal["off"] = 100
    """How many calls a person may make in a second, or `off`."""
    max_streams: Annotated[int, Field(ge=1)] | Literal["off"] = 50
    """How many streams a person may hold open at a time, or `off`."""
    default_timeout: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """How long a unary call may take whose caller sets no deadline, in seconds."""
    drain_seconds: Annotated[float, Field(ge=0, le=60)] = 3.0
    """How long calls under way may take when the process stops."""

    @model_validator(mode="after")
    def _know_whom_to_trust(self) -> Self:
        if self.development:
            self._check_development()
            return self
        for name in ("issuer", "audience", "jwks"):
            if not getattr(self, name):
                message = f"{PREFIX}{name.upper()} is needed outside development"
                raise ValueError(message)
        if self.development_key is not None:
            message = f"{PREFIX}DEVELOPMENT_KEY means nothing without {PREFIX}DEVELOPMENT=true"
            raise ValueError(message)
        return self

    def _check_development(self) -> None:
        if self.development_key is None:
            message = f"{PREFIX}DEVELOPMENT needs {PREFIX}DEVELOPMENT_KEY, the path of a key file"
            raise ValueError(message)
        if self.jwks or self.issuer:
            message = (
                f"with {PREFIX}DEVELOPMENT the gateway is the issuer: no {PREFIX}JWKS or _ISSUER"
            )
            raise ValueError(message)
        if not is_loopback(self.host):
            message = (
                f"{PREFIX}DEVELOPMENT lets anyone be anyone, so {PREFIX}HOST must be loopback "
                f"and not {self.host}"
            )
            raise ValueError(message)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
