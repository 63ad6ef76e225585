"""Compares the contract with the last release, so that no client in the field is broken."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Runs `buf breaking` against the newest `v*` tag, and says so when there is none yet.

    Returns:
        The exit status of buf, or 0 before the first release.
    """
    tag = subprocess.run(
        ["git", "describe", "--tags", "--abbrev=0", "--match", "v*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    if not tag:
        print("buf breaking: no v* tag yet, so the contract may still change")
        return 0
    with tempfile.TemporaryDirectory(prefix="paperplane-breaking-") as scratch:
        # An archive and not buf's own reading of .git, which can't follow a linked worktree.
        released = Path(scratch) / "released.tar"
        subprocess.run(
            ["git", "archive", f"--output={released}", tag, "buf.yaml", "protos", "third_party"],
            cwd=ROOT,
            check=True,
        )
        buf = Path(sys.executable).parent / "buf"
        compared = subprocess.run([buf, "breaking", "--against", released], cwd=ROOT, check=False)
        return compared.returncode


if __name__ == "__main__":
    sys.exit(main())
