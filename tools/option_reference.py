"""Writes docs/configuration.md, every option of every process, from the settings classes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chassis.settings import PREFIX, ProcessSettings, ServiceSettings
from gateway.settings import GatewaySettings
from services.friendship.settings import FriendshipSettings
from services.messaging.settings import MessagingSettings
from supervisor.settings import SET_BY_SUPERVISOR, RunSettings
from tools.error_reference import aligned

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"

_SET_BY_SUPERVISOR = ", ".join(f"`{name}`" for name in sorted(SET_BY_SUPERVISOR))
_HEAD = f"""\
# Configuration

Generated from the settings classes of the code by `.venv/bin/python -m tools.option_reference`; a test fails when it
is stale.

Every option is an environment variable. A process checks all of them when it starts: a wrong value, a missing one and a
misspelt name each end it with one line on standard error and status 2.

Under `make run` the supervisor passes each option on to the processes that know it. It sets
{_SET_BY_SUPERVISOR}
itself and refuses to start when one of them is given. It runs a development system, whose gateway issues its own
tokens on loopback, unless `PAPERPLANE_DEVELOPMENT=false` says otherwise; then `PAPERPLANE_ISSUER` and `_AUDIENCE` are
needed, and `_JWKS` or an OIDC client.
"""

_CLIENT = """\
## The terminal client

`paperplane` is a client like any other; these are its own and no process's.
"""
_CLIENT_OPTIONS: list[tuple[str, ...]] = [
    ("Option", "Default", "Meaning"),
    (
        "`PAPERPLANE_AS`",
        "who signed in last",
        "Who calls: the id or handle of someone signed in here.",
    ),
    (
        "`PAPERPLANE_SERVER`",
        "`127.0.0.1`, port `PAPERPLANE_GRPC_PORT`",
        "The public gRPC port. Elsewhere than on this machine TLS is used.",
    ),
    (
        "`PAPERPLANE_HTTP`",
        "`127.0.0.1`, port `PAPERPLANE_HTTP_PORT`",
        "The HTTP port, which development tokens come from.",
    ),
    ("`PAPERPLANE_GRPC_PORT`", "`50051`", "The port of the default server."),
    ("`PAPERPLANE_HTTP_PORT`", "`8080`", "The port of the default server's tokens."),
    (
        "`PAPERPLANE_HOME`",
        "the platform's folder for programs' state",
        "Where it remembers who is signed in; only its owner can read it.",
    ),
]

_SECTIONS: tuple[tuple[str, str, type[ProcessSettings]], ...] = (
    ("Every process", "", ProcessSettings),
    ("Both services", "", ServiceSettings),
    ("The friendship service", "`python -m services.friendship`", FriendshipSettings),
    ("The messaging service", "`python -m services.messaging`", MessagingSettings),
    ("The gateway", "`python -m gateway`", GatewaySettings),
    ("The supervisor", "`make run`, or `python -m supervisor`", RunSettings),
)


def page() -> str:
    """Return the whole page."""
    return "\n".join([_HEAD, *_sections(), _CLIENT, *aligned(_CLIENT_OPTIONS), ""])


def _sections() -> Iterator[str]:
    for title, command, kind in _SECTIONS:
        properties: dict[str, dict[str, Any]] = kind.model_json_schema()["properties"]
        own = [name for name in kind.model_fields if name in kind.__annotations__]
        rows = [("Option", "Default", "Values", "Meaning")]
        rows += [
            (
                f"`{PREFIX}{name.upper()}`",
                _default(properties[name]),
                _values(properties[name]),
                " ".join(str(kind.model_fields[name].description).split()),
            )
            for name in own
        ]
        yield f"## {title}\n"
        if command:
            yield f"{command}\n"
        yield from aligned(rows)
        yield ""


def _default(schema: dict[str, Any]) -> str:
    if "default" not in schema:
        return "needed"
    default: object = schema["default"]
    if default in (None, "", []):
        return "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default:.12g}`" if isinstance(default, float) else f"`{default}`"


def _values(schema: dict[str, Any]) -> str:
    """Say which values a field takes, from its JSON schema."""
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    return " or ".join(_kind(kind) for kind in kinds)


def _kind(schema: dict[str, Any]) -> str:
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    names = {"integer": "whole number", "number": "number", "boolean": "`true` or `false`"}
    name = names.get(schema["type"], "path" if schema.get("format") == "path" else "text")
    lowest = f"from {schema['minimum']:.12g}" if "minimum" in schema else ""
    above = f"above {schema['exclusiveMinimum']:.12g}" if "exclusiveMinimum" in schema else ""
    highest = f"to {schema['maximum']:.12g}" if "maximum" in schema else ""
    return " ".join(part for part in (name, lowest, above, highest) if part)


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
