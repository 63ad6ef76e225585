"""The command `paperplane`, which gathers the commands of `cli.commands`."""

from __future__ import annotations

import typer

from cli.commands import account, messages, people, requests

app = typer.Typer(
    name="paperplane",
    help="Direct messages between friends.\n\nA PERSON is a handle (alice or @alice) or an id "
    "(id:...).\n\nExit codes: 0 done; 1 refused, or a file can't be written; 2 the command line makes no sense, or "
    "nobody is signed in; 3 the server can't be reached or can't answer now; 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    # A traceback with the values of variables could show a token.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (account, people, requests, messages):
    app.add_typer(group.commands)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
