"""What every command has in common: options, the caller's client, output, exit codes."""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import sys
from collections.abc import Callable, Coroutine, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypeVar

import typer
from google.protobuf.message import Message as ProtoMessage
from rich.console import RenderableType
from rich.text import Text

from cli.client import Client
from cli.errors import CliError
from cli.output import console, document, error_text, print_json
from cli.progress import Progress, progress_bar, unseen
from cli.sign_ins import SignIn, SignIns, home
from cli.tokens import Credentials, development_token

MessageT = TypeVar("MessageT", bound=ProtoMessage)
Command = Callable[..., Coroutine[Any, Any, None]]

_INTERRUPTED = 130


def _signature(
    as_person: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="PERSON",
            envvar="PAPERPLANE_AS",
            help="Who calls: the id or handle of someone signed in. Default: who signed in last.",
        ),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            "--server",
            metavar="HOST:PORT",
            envvar="PAPERPLANE_SERVER",
            help="The public gRPC port. Default: 127.0.0.1:50051, or PAPERPLANE_GRPC_PORT. "
            "Elsewhere than on this machine TLS is used, unless it starts with http://",
        ),
    ] = None,
    http: Annotated[
        str | None,
        typer.Option(
            "--http",
            metavar="HOST:PORT",
            envvar="PAPERPLANE_HTTP",
            hidden=True,
            help="The HTTP port, for development tokens. "
            "Default: 127.0.0.1:8080, or PAPERPLANE_HTTP_PORT.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, errors too (on standard error).")
    ] = False,
) -> None:
    """Holds the options that every command takes; see `command`."""


_COMMON = list(inspect.signature(_signature, eval_str=True).parameters.values())


@dataclass(frozen=True, slots=True)
class Invocation:
    """One command as it was called.

    Arguments:
        as_person: who calls, as typed, or None for whoever signed in last.
        server: the gRPC address, as typed, or None.
        http: the HTTP address, as typed, or None.
        as_json: whether to print JSON.
        environment: the environment variables.
    """

    as_person: str | None
    server: str | None
    http: str | None
    as_json: bool
    environment: Mapping[str, str]

    @property
    def sign_ins(self) -> SignIns:
        """Who is signed in on this machine."""
        return SignIns(home(self.environment))

    def client(self, sign_in: SignIn | None = None) -> Client:
        """Make the client of the person who calls.

        Arguments:
            sign_in: who; None for the one the options say.

        Raises:
            Misused: they are not signed in.
        """
        who = sign_in or self.sign_ins.find(self.as_person)

        async def renew() -> str:
            token = await development_token(self.http_address(who.http), who.person_id)
            self.sign_ins.save(replace(who, token=token))
            return token

        credentials = Credentials(who.token, renew if who.development else None)
        return Client(self.server_address(who.server), credentials)

    def server_address(self, remembered: str = "") -> str:
        """Return where to call: what was typed, else remembered, else of the environment."""
        port = self.environment.get("PAPERPLANE_GRPC_PORT") or "50051"
        return self.server or remembered or f"127.0.0.1:{port}"

    def http_address(self, remembered: str = "") -> str:
        """Return where tokens are given out: typed, else remembered, else of the environment."""
        port = self.environment.get("PAPERPLANE_HTTP_PORT") or "8080"
        return self.http or remembered or f"127.0.0.1:{port}"

    def show(self, message: MessageT, view: Callable[[MessageT], RenderableType]) -> None:
        """Print a response, as JSON or as `view` renders it."""
        if self.as_json:
            print_json(document(message))
        else:
            console().print(view(message))

    def note(self, text: str) -> None:
        """Say something by the way, on standard error; nothing with `--json`."""
        if not self.as_json:
            console(stderr=True).print(Text(text, "dim"))

    @contextmanager
    def if_interrupted(self, text: str) -> Generator[None]:
        """Say how things stand if the context is interrupted, as by Ctrl-C."""
        try:
            yield
        except asyncio.CancelledError:
            self.note(text)
            raise

    def progress(self) -> AbstractContextManager[Progress]:
        """Show on standard error how far files have come, where that is a terminal."""
        if self.as_json or not sys.stderr.isatty():
            return nullcontext(unseen)
        return progress_bar(console(stderr=True))

    def fail(self, error: CliError) -> None:
        """Say on standard error why the command failed."""
        if self.as_json:
            print_json(error.document(), stderr=True)
        else:
            console(stderr=True).print(error_text(error))


def command(
    app: typer.Typer, name: str | None = None, hidden: bool = False
) -> Callable[[Command], Command]:
    """Make a coroutine function a command, with the options that all have.

    Its first parameter is the `Invocation`; the others are its own arguments and options.

    Arguments:
        app: where to add it.
        name: what to type, if that is not the function's name.
        hidden: whether `--help` leaves it out.
    """

    def register(function: Command) -> Command:
        @functools.wraps(function)
        def run(
            *,
            as_person: str | None,
            server: str | None,
            http: str | None,
            as_json: bool,
            **own: Any,
        ) -> None:
            invocation = Invocation(as_person, server, http, as_json, os.environ)
            try:
                asyncio.run(function(invocation, **own))
            except CliError as error:
                invocation.fail(error)
                raise typer.Exit(error.exit_code) from None
            except KeyboardInterrupt:
                raise typer.Exit(_INTERRUPTED) from None

        signature = inspect.signature(function, eval_str=True)
        own_parameters = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in list(signature.parameters.values())[1:]
        ]
        common = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in _COMMON]
        run.__signature__ = signature.replace(parameters=[*own_parameters, *common])  # type: ignore[attr-defined]
        app.command(name, hidden=hidden)(run)
        return function

    return register
