"""`paperplane-admin`, as an operator runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run(*command: str | Path, **options: str) -> tuple[int, str, str]:
    """Run a program with options of ours and no others; return its status and what it said."""
    others = {name: value for name, value in os.environ.items() if "PAPERPLANE" not in name}
    ours = {f"PAPERPLANE_{name.upper()}": value for name, value in options.items()}
    ran = subprocess.run(
        command,
        env={**others, **ours},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ran.returncode, ran.stdout, ran.stderr


ADMIN = (Path(sys.executable).with_name("paperplane-admin"), "migrate")
MESSAGING = (sys.executable, "-m", "services.messaging")


def test_databases_that_are_named_are_migrated(tmp_path: Path) -> None:
    urls = {f"{name}_database": f"sqlite:///{tmp_path}/{name}.db" for name in ("friendship",)}
    status, said, wrong = run(*ADMIN, **urls)
    assert (status, said, wrong) == (0, "friendship: schema 0001\n", "")


def test_a_misspelt_option_is_no_database_that_was_forgotten(tmp_path: Path) -> None:
    status, said, wrong = run(
        *ADMIN,
        friendship_database=f"sqlite:///{tmp_path}/friendship.db",
        messaging_databse=f"sqlite:///{tmp_path}/messaging.db",
    )
    assert (status, said) == (2, "")
    assert "Did you mean PAPERPLANE_MESSAGING_DATABASE?" in wrong
    assert not list(tmp_path.iterdir())


def test_a_service_that_cannot_migrate_says_so_in_one_line(tmp_path: Path) -> None:
    status, _, wrong = run(
        *MESSAGING,
        "migrate",
        listen="127.0.0.1:0",
        friendship="127.0.0.1:1",
        attachments=f"file://{tmp_path}",
        database="postgresql://nobody:secret@127.0.0.1:1/messaging",
    )
    assert status == 2
    assert "Traceback" not in wrong
    assert "can't be used: " in wrong.splitlines()[-1]
    assert "secret" not in wrong


def test_a_service_starts_for_no_word_that_it_does_not_know(tmp_path: Path) -> None:
    status, _, wrong = run(
        *MESSAGING,
        "migrat",
        listen="127.0.0.1:0",
        friendship="127.0.0.1:1",
        attachments=f"file://{tmp_path}",
        database=f"sqlite:///{tmp_path}/m.db",
    )
    assert status == 1
    assert "migrate" in wrong
