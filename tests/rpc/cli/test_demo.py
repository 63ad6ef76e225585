"""The demo ends well only if every answer is as it should be; here it is shown that it can end badly.

That it ends well against the real system is an end-to-end test.
"""

from __future__ import annotations

import os
import subprocess
import sys

from tests.rpc.cli.conftest import Paperplane


def play(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli.demo"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_system_that_answers_otherwise_is_found_out(paperplane: Paperplane) -> None:
    # The fake finds nobody across diacritics.
    played = play(paperplane.environment)
    assert played.returncode == 1
    assert "✓ a search for 'bob dub'" not in played.stdout
    assert "a search for 'LEFEVRE' finds whom it should" in played.stderr
    assert "should be: 1" in played.stderr


def test_without_a_system_it_says_so(paperplane: Paperplane) -> None:
    played = play({**paperplane.environment, "PAPERPLANE_GRPC_PORT": "1"})
    assert played.returncode == 3
    assert "Is it running?" in played.stderr
