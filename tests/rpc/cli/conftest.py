"""A backend with a few people, and the command line run against it in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.app import app
from tests.support.fake_backend import FakeBackend


@dataclass(frozen=True)
class Ran:
    """What became of a command."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.stdout)


@dataclass(frozen=True)
class Paperplane:
    """Runs `paperplane` with an environment of its own."""

    backend: FakeBackend
    environment: dict[str, str]

    def run(self, *arguments: str, stdin: str | None = None) -> Ran:
        result = CliRunner().invoke(app, list(arguments), input=stdin, env=self.environment)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    def ok(self, *arguments: str, stdin: str | None = None) -> Ran:
        """Run a command that must succeed."""
        ran = self.run(*arguments, stdin=stdin)
        assert ran.exit_code == 0, ran.stderr
        return ran


@pytest.fixture
def backend() -> Iterator[FakeBackend]:
    with FakeBackend() as backend:
        backend.add_person("alice", "Alice Martin")
        backend.add_person("bob", "Bob Dubois")
        backend.add_person("chloe", "Chloé Lefèvre")
        yield backend


@pytest.fixture
def environment(backend: FakeBackend, tmp_path: Path) -> dict[str, str]:
    return {
        "PAPERPLANE_HOME": str(tmp_path / "state"),
        "PAPERPLANE_GRPC_PORT": backend.grpc_address.rpartition(":")[2],
        "PAPERPLANE_HTTP_PORT": backend.http_address.rpartition(":")[2],
        "NO_COLOR": "1",
    }


@pytest.fixture
def paperplane(backend: FakeBackend, environment: dict[str, str]) -> Paperplane:
    """Alice and Bob are signed in, Alice last."""
    paperplane = Paperplane(backend, environment)
    paperplane.ok("sign-in", "bob")
    paperplane.ok("sign-in", "alice")
    return paperplane
