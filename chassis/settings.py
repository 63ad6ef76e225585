"""Settings from the environment, checked at start, so that a wrong option is never found out later."""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Annotated, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "PAPERPLANE_"
_FOR_PARENTS = {PREFIX + "PARENT_PIPE"}
"""Options that only a process which starts another sets: nobody is told of them."""
FilesUrl = Annotated[str, Field(pattern=r"^(file:///|s3://)[^?#]+$")]
"""Where files are kept; see `chassis.files.store.FileStore.open`."""
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")


def _check_address(value: str, least_port: int) -> str:
    if value.startswith("unix:/"):
        return value
    for each in value.removeprefix("ipv4:").split(","):
        host, _, port = each.rpartition(":")
        is_port = re.fullmatch("[0-9]{1,5}", port) and least_port <= int(port) <= 65535
        if not _HOST.fullmatch(host) or not is_port:
            message = f"{value!r} is no address: give host:port or unix:/path"
            raise ValueError(message)
    return value


def _check_database(value: str) -> str:
    url = urlsplit(value)
    if url.scheme == "sqlite":
        if url.netloc or url.path in ("", "/") or url.query or url.fragment:
            message = "give the path of a file: sqlite:////var/lib/paperplane/messaging.db"
            raise ValueError(message)
        return value
    try:
        well_formed = url.port != 0 and url.netloc.count("@") <= 1
    except ValueError:
        well_formed = False
    # The database's name and nothing else: what was not encoded in a password ends up here.
    if not well_formed or not re.fullmatch(r"/[^/@]+", url.path) or url.fragment:
        message = (
            "is no URL of a database: postgresql://user:password@host/name. In a password, "
            "@ : / # ? % are written %40 %3A %2F %23 %3F %25"
        )
        raise ValueError(message)
    return value


def _check_nats(value: str) -> str:
    for each in value.split(",") if value else []:
        try:
            server = urlsplit(each)
            known = server.scheme in ("nats", "tls", "ws", "wss") and server.port != 0
        except ValueError:
            known = False
        if not known or not urlsplit(each).hostname or re.search(r"\s", each):
            message = "give nats://host:port, and several with commas between"
            raise ValueError(message)
    return value


Address = Annotated[str, AfterValidator(partial(_check_address, least_port=1))]
"""Where another process serves."""
ListenAddress = Annotated[str, AfterValidator(partial(_check_address, least_port=0))]
"""Where to serve; port 0 takes any free one."""
DatabaseUrl = Annotated[
    str,
    Field(pattern=r"^(sqlite:///|postgresql(\+psycopg)?://)"),
    AfterValidator(_check_database),
]
"""A database that a service can work with, as an SQLAlchemy URL."""
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

SettingsT = TypeVar("SettingsT", bound="ProcessSettings")


class ProcessSettings(BaseSettings):
    """What every process can be told. Each field is an environment variable, PAPERPLANE_ and its name."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, use_attribute_docstrings=True
    )

    log_level: LogLevel = "INFO"
    """The lowest level of log lines that are shown."""
    parent_pipe: int | None = None
    """A file descriptor whose end of file means that the process which started this one is gone."""


class ServiceSettings(ProcessSettings):
    """What every inner service can be told."""

    listen: ListenAddress
    """Where to serve: `unix:/path` or `host:port`."""
    database: DatabaseUrl
    """The service's own database, `sqlite:////var/lib/paperplane/messaging.db` or
    `postgresql://user:password@host/messaging`. Several replicas need PostgreSQL."""
    nats: Annotated[str, AfterValidator(_check_nats)] = ""
    """The NATS server over which replicas of this service tell each other that there is something to read,
    for example `nats://nats:4222`; several with commas between. One replica alone needs none. Without it
    several still miss nothing, but their live streams lag by up to `stream_poll_seconds`."""
    trusted_network: bool = False
    """Says that only Paperplane's own processes can reach `listen`. A service believes whoever calls it
    about who the caller is, so beyond unix sockets and loopback it wants to be told so."""
    drain_seconds: Annotated[float, Field(ge=0, le=60)] = 3.0
    """How long calls under way may take when the process stops."""

    @model_validator(mode="after")
    def _listen_where_trusted(self) -> Self:
        host = self.listen.rpartition(":")[0].strip("[]")
        local = self.listen.startswith("unix:") or host in ("localhost", "127.0.0.1", "::1")
        if not local and not self.trusted_network:
            message = (
                f"{self.listen} can be reached by others. If only Paperplane's own processes can, "
                f"say so with {PREFIX}TRUSTED_NETWORK=true"
            )
            raise ValueError(message)
        return self


class SettingsError(Exception):
    """An option is wrong; the message is one line an option, for the operator."""


def option_names(kind: type[ProcessSettings]) -> set[str]:
    """Return the environment variables that a process knows."""
    return {PREFIX + name.upper() for name in kind.model_fields}


def load_settings(
    kind: type[SettingsT],
    environment: Mapping[str, str] | None = None,
    also_known: Iterable[str] = (),
) -> SettingsT:
    """Read the settings of a process from the environment.

    Arguments:
        kind: the process's settings class.
        environment: what to read instead of the environment.
        also_known: variables with the prefix that are meant for others.

    Raises:
        SettingsError: an option has a wrong value, is missing, or is unknown.
    """
    given = {
        name: value
        for name, value in (os.environ if environment is None else environment).items()
        if name.upper().startswith(PREFIX)
    }
    known = option_names(kind)
    all_known = known | set(also_known)
    problems = [_unknown(name, all_known) for name in sorted(given) if name not in all_known]
    values = {name[len(PREFIX) :].lower(): given[name] for name in given if name in known}
    try:
        # `model_validate` reads the values given here and not the environment once more.
        settings = kind.model_validate(values)
    except ValidationError as error:
        problems += _wrong(kind, error)
        settings = None
    if problems or settings is None:
        raise SettingsError("\n".join(problems))
    return settings


def _wrong(kind: type[ProcessSettings], error: ValidationError) -> list[str]:
    """Return a line for each wrong option. One that may be of several kinds is wrong for each."""
    found: dict[str, list[str]] = {}
    for problem in error.errors(include_url=False, include_context=False):
        where = PREFIX + str(problem["loc"][0]).upper() if problem["loc"] else kind.__name__
        found.setdefault(where, []).append(problem["msg"])
    return [f"{where}: {', or '.join(messages)}" for where, messages in found.items()]


def _unknown(name: str, known: set[str]) -> str:
    # Without the prefix, which would make all names look alike.
    endings = [each.removeprefix(PREFIX) for each in known]
    near = difflib.get_close_matches(name.upper().removeprefix(PREFIX), endings, 1)
    hint = (
        f" Did you mean {PREFIX}{near[0]}?" if near else f" Known are: {', '.join(sorted(known))}."
    )
    return f"{name}: there is no such option.{hint}"


def load_or_exit(kind: type[SettingsT]) -> SettingsT:
    """Read the settings, or end the process with the reasons on standard error and status 2."""
    try:
        return load_settings(kind)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None
