"""The whole system on one machine: where its data and sockets lie, and how its processes find each other."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chassis.database.migrate import migrate
from chassis.process import StartError
from chassis.settings import PREFIX, load_settings
from gateway.settings import GatewaySettings
from services.friendship.migrations import MIGRATIONS as FRIENDSHIP_MIGRATIONS
from services.messaging.migrations import MIGRATIONS as MESSAGING_MIGRATIONS
from supervisor.keeping import KeptProcess, Program
from supervisor.seeds import SEEDS
from supervisor.settings import process_environment

if TYPE_CHECKING:
    from supervisor.settings import RunSettings

_LONGEST_SOCKET_PATH = 107
_GATEWAY_STOP_SECONDS = 2.5
_SERVICE_STOP_SECONDS = 2.0
_GATEWAY_DRAIN_SECONDS = 2.0
_SERVICE_DRAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class System:
    """A running system.

    Attributes:
        data: the folder of all that lasts.
        friendship: the friendship service's socket.
        gateway: the gateway's settings.
    """

    data: Path
    friendship: str
    gateway: GatewaySettings


@contextmanager
def hold_data(folder: Path) -> Generator[Path]:
    """Make the data folder and hold it, so that no second system runs on it.

    Raises:
        StartError: it can't be written, or another system holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        message = (
            f"the data folder {folder} can't be written ({error.strerror}): "
            f"choose another with {PREFIX}DATA_DIR"
        )
        raise StartError(message) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"another Paperplane runs on the data folder {folder}: stop it first"
            raise StartError(message) from error
        yield folder.resolve()
    finally:
        os.close(lock)


@contextmanager
def socket_folder() -> Generator[Path]:
    """Make a folder for sockets that only this user can enter, with a path short enough for them.

    Raises:
        StartError: there is no place for one.
    """
    for base in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):  # noqa: S108
        if not base or not os.access(base, os.W_OK):
            continue
        # mkdtemp gives the folder the mode 0700.
        folder = Path(tempfile.mkdtemp(prefix="pp-", dir=base))
        if len(str(folder / "friendship")) <= _LONGEST_SOCKET_PATH:
            try:
                yield folder
            finally:
                shutil.rmtree(folder)
            return
        folder.rmdir()
    message = (
        f"no folder for sockets: set TMPDIR to one with a path under {_LONGEST_SOCKET_PATH - 25}"
    )
    raise StartError(message)


@asynccontextmanager
async def running_system(settings: RunSettings) -> AsyncGenerator[System]:
    """Run the three processes for as long as the context lasts.

    Raises:
        StartError: it can't be started; what there is to say has been said, or is the message.
        SettingsError: an option of one of the processes is wrong.
    """
    async with AsyncExitStack() as opened:
        data = opened.enter_context(hold_data(settings.data_dir))
        sockets = opened.enter_context(socket_folder())
        alive, pipe = os.pipe()
        # The writing end is held until this process ends, however it ends.
        opened.callback(os.close, pipe)
        opened.callback(os.close, alive)
        programs = _programs(settings, data, sockets, alive)
        await asyncio.to_thread(_migrate, programs)
        friendship, messaging, gateway = (KeptProcess(program) for program in programs)
        services = (friendship, messaging)
        # They are stopped in reverse: first the gateway, so that what it has begun can end.
        opened.push_async_callback(_stop_all, services)
        opened.push_async_callback(gateway.stop, _GATEWAY_STOP_SECONDS)
        async with asyncio.TaskGroup() as starting:
            for process in (*services, gateway):
                starting.create_task(process.start())
        yield System(
            data, programs[0].address, load_settings(GatewaySettings, programs[2].environment)
        )


async def _stop_all(services: tuple[KeptProcess, ...]) -> None:
    async with asyncio.TaskGroup() as stopping:
        for service in services:
            stopping.create_task(service.stop(_SERVICE_STOP_SECONDS))


def _programs(settings: RunSettings, data: Path, sockets: Path, alive: int) -> list[Program]:
    at = {name: f"unix:{sockets / name}" for name in ("friendship", "messaging")}
    shared = {"PARENT_PIPE": str(alive)}
    service = {**shared, "DRAIN_SECONDS": str(_SERVICE_DRAIN_SECONDS)}
    wiring = {
        "friendship": {
            **service,
            "LISTEN": at["friendship"],
            "DATABASE": settings.friendship_database or f"sqlite:///{data / 'friendship.db'}",
            "PHOTOS": _place_of_files("PHOTOS", data / "photos"),
            "MESSAGING": at["messaging"],
        },
        "messaging": {
            **service,
            "LISTEN": at["messaging"],
            "DATABASE": settings.messaging_database or f"sqlite:///{data / 'messaging.db'}",
            "FRIENDSHIP": at["friendship"],
            "ATTACHMENTS": _place_of_files("ATTACHMENTS", data / "attachments"),
        },
        "gateway": {
            **shared,
            "DRAIN_SECONDS": str(_GATEWAY_DRAIN_SECONDS),
            "FRIENDSHIP": at["friendship"],
            "MESSAGING": at["messaging"],
        },
    }
    # Without an issuer of the operator's, this is a development system and has its own.
    development = os.environ.get(PREFIX + "DEVELOPMENT", "true")
    if development.lower() not in ("false", "0", "no", "off", "f", "n"):
        wiring["gateway"] |= {
            "DEVELOPMENT": development,
            "DEVELOPMENT_KEY": str(data / "development-key.pem"),
            "DEVELOPMENT_PEOPLE": ",".join(seed.person_id for seed in SEEDS),
        }
    environments = {name: process_environment(name, options) for name, options in wiring.items()}
    public = load_settings(GatewaySettings, environments["gateway"])
    at["gateway"] = f"{public.host}:{public.grpc_port}"
    modules = {
        "friendship": "services.friendship",
        "messaging": "services.messaging",
        "gateway": "gateway",
    }
    return [
        Program(name, modules[name], environments[name], at[name], (alive,)) for name in modules
    ]


def _place_of_files(option: str, folder: Path) -> str:
    """Return where files are kept: where the operator says, for example in a bucket, or here."""
    return os.environ.get(PREFIX + option) or folder.as_uri()


def _migrate(programs: list[Program]) -> None:
    scripts = {"friendship": FRIENDSHIP_MIGRATIONS, "messaging": MESSAGING_MIGRATIONS}
    for program in programs:
        if program.name in scripts:
            migrate(program.environment[PREFIX + "DATABASE"], scripts[program.name])
