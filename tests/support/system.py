"""The whole system as `make run` starts it: real processes on free ports, watched from outside."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from bench.system import free_port
from gateway.development import DevelopmentIssuer, load_key
from tests.support.databases import chosen, new_database

MODULES = {
    "friendship": "services.friendship",
    "messaging": "services.messaging",
    "gateway": "gateway",
}
"""The processes that the supervisor runs, and what `python -m` runs for each."""

_WITH_A_DATABASE = ("friendship", "messaging")
PATIENCE_SECONDS = 60.0
"""How long a busy machine may take to start everything."""
_LOOK_SECONDS = 0.03
_MARK = "SYSTEM_UNDER_TEST"


@dataclass
class SystemUnderTest:
    """One supervisor and its processes.

    Attributes:
        process: the supervisor.
        data: its data folder.
        databases: the URLs of the two services' databases, by the names of `MODULES`.
        temporary: its folder for temporary files, in which the sockets lie.
        grpc_port: the gateway's gRPC port.
        http_port: its HTTP port.
        mark: in the environment of the supervisor and of all that it starts.
        log: where the standard errors of all processes go.
    """

    process: subprocess.Popen[bytes]
    data: Path
    databases: Mapping[str, str]
    temporary: Path
    grpc_port: int
    http_port: int
    mark: str
    log: Path
    lines: list[str] = field(default_factory=list[str])
    """What the supervisor and its processes have written to standard output."""
    reader: threading.Thread = field(init=False)
    """Reads standard output; ends with the last process that holds it."""
    _up: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        """Begin to read what is written."""
        self.reader = threading.Thread(target=self._read_output, daemon=True)
        self.reader.start()

    @property
    def target(self) -> str:
        """Where gRPC is served."""
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def http(self) -> str:
        """Where HTTP is served."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def stdout(self) -> str:
        """All of standard output so far."""
        return "".join(self.lines)

    @property
    def stderr(self) -> str:
        """All of standard error so far, of all processes."""
        return self.log.read_text()

    def issuer(
        self, audience: str = "paperplane", now: Callable[[], float] = time.time
    ) -> DevelopmentIssuer:
        """Return an issuer with the system's own key."""
        return DevelopmentIssuer(load_key(self.data / "development-key.pem"), audience, now)

    def token(self, person_id: str) -> str:
        """Return a person's good token."""
        return self.issuer().token(person_id)

    def _read_output(self) -> None:
        """Collect standard output until it ends, and note when the greeting is complete."""
        assert self.process.stdout is not None
        with self.process.stdout as stdout:
            for line in stdout:
                self.lines.append(line.decode())
                if line.startswith(b"Ctrl-C"):
                    self._up.set()
        self._up.set()

    def wait_until_up(self) -> None:
        """Wait for the end of the greeting."""
        in_time = self._up.wait(PATIENCE_SECONDS)
        assert in_time, f"not up in time:\n{self.stdout}{self.stderr}"
        assert "is running" in self.stdout, f"did not start:\n{self.stdout}{self.stderr}"

    def pids(self) -> dict[str, int]:
        """Return the ids of the processes that run now, by the names of `MODULES`."""
        names = {module: name for name, module in MODULES.items()}
        found: dict[str, int] = {}
        for pid in processes_marked(self.mark):
            words = _read(pid, "cmdline").split(b"\0")
            module = words[2].decode() if len(words) > 2 else ""
            if module in names:
                found[names[module]] = pid
        return found

    def left_over(self) -> list[str]:
        """Return what is still there of the system: processes and temporary files."""
        running = [_read(pid, "cmdline").decode() for pid in processes_marked(self.mark)]
        return running + [str(path) for path in self.temporary.iterdir()]

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal to the supervisor; return its exit status and how many seconds it took."""
        began = time.monotonic()
        self.process.send_signal(number)
        status = self.process.wait(PATIENCE_SECONDS)
        return status, time.monotonic() - began

    def clean_up(self) -> None:
        """End whatever still runs."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
        for pid in processes_marked(self.mark):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.reader.join()
        shutil.rmtree(self.temporary, ignore_errors=True)


def environment(data: Path, **options: str) -> dict[str, str]:
    """Return the environment of a supervisor of a test: nothing of ours but what is given."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PAPERPLANE_") and name != "XDG_RUNTIME_DIR"
    }
    given = {f"PAPERPLANE_{name.upper()}": value for name, value in options.items()}
    return {**inherited, "PAPERPLANE_DATA_DIR": str(data), **given}


@cache
def databases_of(data: Path) -> dict[str, str]:
    """Return the URLs of the databases of a system with a data folder, however often it is started."""
    if chosen() == "postgresql":
        return {name: new_database() for name in _WITH_A_DATABASE}
    return {name: f"sqlite:///{data / name}.db" for name in _WITH_A_DATABASE}


def launch(data: Path, **options: str) -> SystemUnderTest:
    """Start a supervisor without waiting for it.

    Arguments:
        data: its data folder. Its log is written beside it.
        options: further PAPERPLANE_ options, in lower case.
    """
    grpc_port = int(options.get("grpc_port") or free_port())
    http_port = int(options.get("http_port") or free_port())
    ports = {"grpc_port": str(grpc_port), "http_port": str(http_port)}
    databases = databases_of(data)
    elsewhere = {f"{name}_database": url for name, url in databases.items()}
    temporary = Path(tempfile.mkdtemp(prefix="pp"))
    mark = uuid.uuid4().hex
    log = data.parent / f"{data.name}-{mark}.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "supervisor"],
            env={
                **environment(data, **{**elsewhere, **options, **ports}),
                "TMPDIR": str(temporary),
                _MARK: mark,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
    return SystemUnderTest(process, data, databases, temporary, grpc_port, http_port, mark, log)


@contextmanager
def a_system(data: Path, **options: str) -> Generator[SystemUnderTest]:
    """Run a system for as long as the context lasts; see `launch`."""
    system = launch(data, **options)
    try:
        system.wait_until_up()
        yield system
    finally:
        system.clean_up()


def wait_for(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> float:
    """Wait until something that another process does has happened; return how long it took.

    Raises:
        AssertionError: it has not, in so many seconds.
    """
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not within {seconds} seconds"
        time.sleep(_LOOK_SECONDS)
    return time.monotonic() - began


def processes_marked(mark: str) -> list[int]:
    """Return the ids of the processes that run with a mark in their environment."""
    wanted = f"{_MARK}={mark}".encode()
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and wanted in _read(int(entry.name), "environ").split(b"\0")
    ]


def _read(pid: int, file: str) -> bytes:
    """Return what /proc says of a process; nothing of one that is gone, or is not ours."""
    try:
        return Path(f"/proc/{pid}/{file}").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""
