"""The gateway as a process of its own: how it starts, and how it stops."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(tmp_path: Path, **options: str) -> dict[str, str]:
    ours = {
        "friendship": "unix:/nowhere/f",
        "messaging": "unix:/nowhere/m",
        "development": "true",
        "development_key": str(tmp_path / "key.pem"),
        "grpc_port": str(free_port()),
        "http_port": str(free_port()),
        **options,
    }
    others = {name: value for name, value in os.environ.items() if "PAPERPLANE" not in name}
    return {**others, **{f"PAPERPLANE_{name.upper()}": value for name, value in ours.items()}}


def start(env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "gateway"], cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True
    )


def wait_until_healthy(process: subprocess.Popen[str], env: dict[str, str]) -> None:
    url = f"http://127.0.0.1:{env['PAPERPLANE_HTTP_PORT']}/healthz"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.05)  # another process: nothing tells us but asking
    raise AssertionError(process.communicate()[1])


@pytest.mark.slow
@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.prove)]
)
def test_a_signal_stops_it_cleanly_and_soon(tmp_path: Path, number: signal.Signals) -> None:
    env = environment(tmp_path)
    process = start(env)
    wait_until_healthy(process, env)
    asked_at = time.monotonic()

    process.send_signal(number)
    _, log = process.communicate(timeout=10)

    assert process.returncode == 0
    assert time.monotonic() - asked_at < 4
    assert "Traceback" not in log
    assert '"level": "error"' not in log


@pytest.mark.slow
@pytest.mark.parametrize("port", ["grpc_port", "http_port"])
def test_a_port_in_use_gives_one_clear_line(tmp_path: Path, port: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]

        process = start(environment(tmp_path, log_level="WARNING", **{port: str(taken)}))
        _, log = process.communicate(timeout=30)

    assert process.returncode == 2
    (line,) = log.splitlines()
    assert line.startswith(f"can't listen on 127.0.0.1:{taken}")


@pytest.mark.slow
def test_a_wrong_option_gives_one_clear_line(tmp_path: Path) -> None:
    process = start(environment(tmp_path, host="0.0.0.0"))  # noqa: S104 - it must be refused
    _, log = process.communicate(timeout=30)

    assert process.returncode == 2
    (line,) = log.splitlines()
    assert "PAPERPLANE_HOST must be loopback" in line
