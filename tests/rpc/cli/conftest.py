"""A backend with a few people, and the command line run against it in this process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.app import app
from tests.support.fake_backend import FakeBackend, Talk

CONTENT = bytes(range(256)) * 1_500
"""Of a file: takes three pieces on the way up, and six on the way down."""
ASKED_FOR_A_TOKEN = ("dev/token", {"personId": "alice"})
"""The call that Alice's client makes when its token no longer holds."""


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

    def interrupted(self, *arguments: str, at: threading.Event) -> Ran:
        """Run a command in a process of its own, and press Ctrl-C once something has happened."""
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.app", *arguments],
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert at.wait(20)
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=20)
        finally:
            process.kill()
            process.wait()
        return Ran(process.returncode, stdout, stderr)

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


@pytest.fixture
def talk(paperplane: Paperplane) -> Talk:
    """Alice and Bob are friends."""
    return paperplane.backend.befriend("alice", "bob")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that commands run in."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder
