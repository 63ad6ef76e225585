"""What whoever runs the whole system on one machine can tell it."""

from __future__ import annotations

import os
from pathlib import Path

from chassis.settings import (
    PREFIX,
    DatabaseUrl,
    LogLevel,
    ProcessSettings,
    SettingsError,
    load_settings,
    option_names,
)
from gateway.settings import GatewaySettings
from services.friendship.settings import FriendshipSettings
from services.messaging.settings import MessagingSettings

PROCESSES: dict[str, type[ProcessSettings]] = {
    "friendship": FriendshipSettings,
    "messaging": MessagingSettings,
    "gateway": GatewaySettings,
}
"""The processes of the system, in the order in which they are started, and what each can be told."""

SET_BY_SUPERVISOR = {
    PREFIX + name
    for name in (
        "LISTEN",
        "DATABASE",
        "FRIENDSHIP",
        "MESSAGING",
        "TRUSTED_NETWORK",
        "DEVELOPMENT_KEY",
        "DEVELOPMENT_PEOPLE",
        "DRAIN_SECONDS",
        "PARENT_PIPE",
    )
}
"""Options of the processes that the supervisor sets itself."""

_OTHERS = {PREFIX + name for name in ("AS", "HOME", "HTTP", "SERVER", "TEST_CHROMIUM")}
"""What the terminal client and the tests read. Whoever has used them in this shell may well run the
system from it."""


class AdminSettings(ProcessSettings):
    """Which databases there are."""

    friendship_database: DatabaseUrl | None = None
    """The friendship service's database, `postgresql://user:password@host/friendship`. Under `make run`
    it is a file of `data_dir`, unless it is given."""
    messaging_database: DatabaseUrl | None = None
    """The messaging service's, likewise."""


class RunSettings(AdminSettings):
    """The supervisor's own options. Those of the processes may be given too, and are passed on."""

    data_dir: Path = Path("data")
    """Where everything that lasts is kept."""
    log_level: LogLevel = "WARNING"
    """The lowest level of log lines that are shown, of all processes."""


def load_run_settings() -> RunSettings:
    """Read the supervisor's settings from the environment.

    Raises:
        SettingsError: an option is wrong, or is none of the whole system's.
    """
    passed_on = (
        set[str]().union(*(option_names(kind) for kind in PROCESSES.values())) - SET_BY_SUPERVISOR
    )
    refused = sorted(SET_BY_SUPERVISOR & os.environ.keys())
    if refused:
        message = f"{', '.join(refused)}: set by the supervisor itself, and can't be set here"
        raise SettingsError(message)
    return load_settings(RunSettings, also_known=passed_on | _OTHERS)


def load_admin_settings() -> AdminSettings:
    """Read which databases there are from the environment; what else it holds is for others.

    Raises:
        SettingsError: an option is wrong, or nobody's.
    """
    others = set[str]().union(*(option_names(kind) for kind in PROCESSES.values()))
    return load_settings(
        AdminSettings, also_known=others | option_names(RunSettings) | SET_BY_SUPERVISOR | _OTHERS
    )


def process_environment(name: str, wiring: dict[str, str]) -> dict[str, str]:
    """Return the environment of a process: what the operator said that it knows, and its wiring.

    Arguments:
        name: the process.
        wiring: options of the supervisor's choice, without the prefix.

    Raises:
        SettingsError: what the operator said is wrong, or is of no use here.
    """
    known = option_names(PROCESSES[name])
    others = {key: value for key, value in os.environ.items() if not key.startswith(PREFIX)}
    defaults = {PREFIX + "LOG_LEVEL": RunSettings.model_fields["log_level"].default}
    told = {key: value for key, value in os.environ.items() if key in known}
    ours = {PREFIX + key: value for key, value in wiring.items()}
    options = {**defaults, **told, **ours}
    settings = load_settings(PROCESSES[name], options)
    if isinstance(settings, GatewaySettings) and 0 in (settings.grpc_port, settings.http_port):
        message = f"{PREFIX}GRPC_PORT and {PREFIX}HTTP_PORT must be ports that clients can be told"
        raise SettingsError(message)
    return {**others, **options}
