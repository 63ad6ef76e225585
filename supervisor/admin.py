"""What an operator does by hand: `paperplane-admin`."""

from __future__ import annotations

import sys

import typer

from chassis.database.migrate import Revisions, migrate
from chassis.process import StartError
from chassis.settings import PREFIX, SettingsError
from services.friendship.migrations import MIGRATIONS as FRIENDSHIP_MIGRATIONS
from services.messaging.migrations import MIGRATIONS as MESSAGING_MIGRATIONS
from supervisor.settings import load_admin_settings

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False
)


@app.callback()
def admin() -> None:
    """Look after the databases of Paperplane."""


@app.command("migrate")
def migrate_all() -> None:
    """Bring the databases that the environment names to the schema of this version.

    PAPERPLANE_FRIENDSHIP_DATABASE and PAPERPLANE_MESSAGING_DATABASE name them. Whoever runs this at
    the same time on the same database waits, and finds it done.
    """
    try:
        settings = load_admin_settings()
        given: list[tuple[str, str | None, Revisions]] = [
            ("FRIENDSHIP", settings.friendship_database, FRIENDSHIP_MIGRATIONS),
            ("MESSAGING", settings.messaging_database, MESSAGING_MIGRATIONS),
        ]
        if not any(url for _, url, _ in given):
            names = " or ".join(f"{PREFIX}{name}_DATABASE" for name, _, _ in given)
            message = f"name a database: {names}"
            raise SettingsError(message)
        for name, url, revisions in given:
            if url is not None:
                migrate(url, revisions)
                sys.stdout.write(f"{name.lower()}: schema {revisions.head}\n")
    except (SettingsError, StartError) as error:
        sys.stderr.write(f"{error}\n")
        raise typer.Exit(2) from None


def main() -> None:
    """Run the command."""
    app()
