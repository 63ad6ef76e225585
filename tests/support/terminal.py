"""A terminal as a test sees it: what is typed goes in, and what is drawn can be waited for."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

_PATIENCE_SECONDS = 20.0
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[=>]")


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, environment: dict[str, str], *arguments: str) -> None:
        self._master, slave = pty.openpty()
        # Rows, columns, and the whole in pixels.
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 800, 480))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cli.app", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm", **environment},
        )
        os.close(slave)
        self.raw = ""
        self._seen = 0

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def shows(self, text: str) -> None:
        """Read until a text has been drawn since the last one that was waited for."""
        ends = time.monotonic() + _PATIENCE_SECONDS
        while (found := self._drawn().find(text, self._seen)) < 0:
            left = ends - time.monotonic()
            assert left > 0, f"no {text!r} in {self._drawn()[self._seen :]!r}"
            if select.select([self._master], [], [], left)[0]:
                self._read()
        self._seen = found + len(text)

    def _read(self) -> None:
        drawn = os.read(self._master, 65_536).decode(errors="replace")
        self.raw += drawn
        # Asked where its cursor is, a terminal answers.
        self.type("\x1b[6;1R" * drawn.count("\x1b[6n"))

    def _drawn(self) -> str:
        return _ESCAPES.sub("", self.raw)

    def leaves(self) -> int:
        try:
            return self.process.wait(_PATIENCE_SECONDS)
        finally:
            self.close()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self._master >= 0:
            os.close(self._master)
            self._master = -1
