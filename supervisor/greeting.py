"""Says what a newcomer needs next, with lines that work as pasted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from supervisor.seeds import SEEDS

if TYPE_CHECKING:
    from supervisor.system import System


def greeting(system: System) -> str:
    """Return what is printed once everything is healthy."""
    gateway = system.gateway
    http = f"http://{gateway.host}:{gateway.http_port}"
    lines = [
        "Paperplane is running.",
        "",
        f"  in a browser     {gateway.public_url or http}",
        f"  gRPC             {gateway.host}:{gateway.grpc_port}",
        f"  Connect/JSON     {http}",
        f"  data             {system.data}",
    ]
    if gateway.development:
        lines += [f"  people           {', '.join(seed.person_id for seed in SEEDS)}", ""]
        lines += _first_steps(http, gateway.grpc_port, gateway.http_port)
    return "\n".join([*lines, "", "Ctrl-C stops it.", ""])


def _first_steps(http: str, grpc_port: int, http_port: int) -> list[str]:
    body = '\'{"personId": "alice"}\''
    # The terminal client needs to be told only what differs from its defaults.
    ports = ((grpc_port, 50051, "GRPC_PORT"), (http_port, 8080, "HTTP_PORT"))
    told = "".join(f"PAPERPLANE_{name}={port} " for port, usual, name in ports if port != usual)
    command = ".venv/bin/paperplane"
    if not Path(command).exists():
        command = "paperplane"
    return [
        "From another terminal, as alice, with curl:",
        "",
        f"  TOKEN=$(curl -s {http}/dev/token -H 'Content-Type: application/json' -d {body} \\",
        "    | python3 -c 'import json, sys; print(json.load(sys.stdin)[\"token\"])')",
        f"  curl -s {http}/paperplane.friendship.v1.PeopleService/SearchPeople \\",
        "    -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \\",
        '    -d \'{"query": "bob"}\'',
        "",
        "or with the terminal client:",
        "",
        f"  {told}{command} sign-in alice",
        f"  {told}{command} request bob --note 'Shall we?'",
        "",
        "or let `make demo` play a whole conversation.",
    ]


async def greet(system: System) -> None:
    """Print the greeting."""
    print(greeting(system), flush=True)
