"""The life of the system's processes: starting, refusing to, being killed, coming back, stopping."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from tests.support.clients import STUBS, ConnectClient, GrpcClient, Refused, fresh_id, watching
from tests.support.system import (
    MODULES,
    PATIENCE_SECONDS,
    SystemUnderTest,
    a_system,
    environment,
    launch,
    wait_for,
)

STOP_SECONDS = 5.0
BACK_SECONDS = 5.0
"""Within a second is what is promised of a machine with nothing else to do."""


def slack() -> float:
    """Return how many times longer than on an idle machine things may take now."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def refuse_to_start(data: Path, **options: str) -> str:
    """Start a system that must give up; return what it says once nothing of it is left."""
    system = launch(data, **options)
    try:
        status = system.process.wait(PATIENCE_SECONDS)
        wait_for(lambda: not system.left_over())
    finally:
        system.clean_up()
    assert status == 2
    assert "is running" not in system.stdout
    return system.stderr


# ---- starting -------------------------------------------------------------------------------------------------------


@pytest.mark.prove
@pytest.mark.parametrize("port", ["grpc_port", "http_port"])
def test_port_in_use_is_one_line(port: str, data: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        said = refuse_to_start(data, **{port: str(number)})
    assert re.fullmatch(rf"[^\n]*127\.0\.0\.1:{number}[^\n]*in use[^\n]*\n", said), said


@pytest.mark.prove
def test_a_folder_for_photos_that_cant_be_written_is_one_line(data: Path) -> None:
    said = refuse_to_start(data, photos="file:///dev/null/photos")
    assert re.fullmatch(r"file:///dev/null/photos: [^\n]*Not a directory[^\n]*\n", said), said


@pytest.mark.prove
def test_photos_are_kept_where_the_operator_says(data: Path, tmp_path: Path) -> None:
    with a_system(data, photos=(tmp_path / "photos").as_uri()):
        assert (tmp_path / "photos").is_dir()
        assert (data / "attachments").is_dir()
        assert not (data / "photos").exists()


def run_in_vain(data: Path, **options: str) -> str:
    """Run a supervisor that must end before it starts anything; return what it says."""
    ran = subprocess.run(
        [sys.executable, "-m", "supervisor"],
        env=environment(data, **options),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert ran.returncode == 2
    assert ran.stdout == ""
    return ran.stderr


@pytest.mark.parametrize("where", ["file/data", "file"])
def test_data_folder_that_cant_be_written_is_one_line(where: str, tmp_path: Path) -> None:
    # Whoever runs as root can write everywhere else.
    (tmp_path / "file").touch()
    folder = tmp_path / where
    said = run_in_vain(folder)
    assert re.fullmatch(rf"[^\n]*{folder}[^\n]*PAPERPLANE_DATA_DIR\n", said), said


def test_each_unknown_option_is_one_line_with_a_suggestion(data: Path) -> None:
    meant = {
        "data_dri": "DATA_DIR",
        "grpc_prot": "GRPC_PORT",
        "log_lvl": "LOG_LEVEL",
        "request_per_hour": "REQUESTS_PER_HOUR",
    }
    assert run_in_vain(data, **dict.fromkeys(meant, "1")).splitlines() == [
        f"PAPERPLANE_{given.upper()}: there is no such option. Did you mean PAPERPLANE_{name}?"
        for given, name in meant.items()
    ]
    assert not data.exists()


def test_each_wrong_value_is_one_line(data: Path) -> None:
    wrong = {
        "grpc_port": "many",
        "rate_limit": "0",
        "development": "perhaps",
        "default_timeout": "-1",
    }
    lines = run_in_vain(data, **wrong).splitlines()
    names = [line.partition(": ")[0] for line in lines]
    assert sorted(names) == sorted(f"PAPERPLANE_{name.upper()}" for name in wrong)
    assert "off" in next(line for line in lines if "RATE_LIMIT" in line)


def test_option_that_the_supervisor_sets_itself_is_refused(data: Path) -> None:
    said = run_in_vain(data, database="sqlite:////tmp/x.db")
    assert re.fullmatch(r"PAPERPLANE_DATABASE: [^\n]*\n", said), said


# ---- while it runs --------------------------------------------------------------------------------------------------


def test_second_start_on_the_same_data_refuses_and_the_first_goes_on(
    system: SystemUnderTest,
) -> None:
    before = system.pids()
    said = refuse_to_start(system.data)
    assert re.fullmatch(rf"[^\n]*{system.data}[^\n]*\n", said), said
    assert "another" in said
    assert system.pids() == before
    assert httpx.get(f"{system.http}/healthz", trust_env=False).text == "ok\n"


def test_three_processes_run_in_the_supervisors_session(system: SystemUnderTest) -> None:
    pids = system.pids()
    assert pids.keys() == MODULES.keys()
    sessions = {os.getsid(pid) for pid in pids.values()}
    assert sessions == {os.getsid(system.process.pid)}


def test_sockets_are_out_of_others_reach(system: SystemUnderTest) -> None:
    (folder,) = system.temporary.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    sockets = {path.name for path in folder.iterdir() if path.is_socket()}
    assert sockets == {"friendship", "messaging"}
    assert all(len(str(folder / name)) <= 107 for name in sockets)


def test_secrets_are_out_of_others_reach(system: SystemUnderTest) -> None:
    assert stat.S_IMODE(system.data.stat().st_mode) == 0o700
    key = system.data / "development-key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here to paste to")
def test_curl_lines_of_the_greeting_work_as_pasted(system: SystemUnderTest) -> None:
    lines = system.stdout.splitlines()
    first = next(number for number, line in enumerate(lines) if "TOKEN=$(curl" in line)
    blank = next(number for number in range(first, len(lines)) if not lines[number])
    pasted = subprocess.run(
        ["sh"],
        input="\n".join(lines[first:blank]),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert pasted.returncode == 0, pasted.stderr
    assert '"handle":"bob"' in pasted.stdout
    assert '"displayName":"Bob Dubois"' in pasted.stdout


def test_terminal_clients_lines_of_the_greeting_work_as_pasted(
    system: SystemUnderTest, tmp_path: Path
) -> None:
    lines = [line.strip() for line in system.stdout.splitlines()]
    lines = [line for line in lines if re.search(r"paperplane (sign-in|request) ", line)]
    assert len(lines) == 2
    for line in lines:
        pasted = subprocess.run(
            ["sh"],
            input=line,
            env={**os.environ, "PAPERPLANE_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert pasted.returncode == 0, f"{line}\n{pasted.stdout}{pasted.stderr}"


# ---- being killed ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def battered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemUnderTest]:
    """A system whose processes are killed."""
    # What the terminal client was told in this shell is nothing to the supervisor.
    told = {"as": "alice", "home": "/nowhere", "rate_limit": "off"}
    with a_system(tmp_path_factory.mktemp("battered") / "data", **told) as running:
        yield running


def is_another(system: SystemUnderTest, name: str, pid: int) -> bool:
    """Tell whether a process has been started again."""
    return system.pids().get(name, pid) != pid


@pytest.mark.prove
@pytest.mark.parametrize("name", MODULES)
async def test_killed_process_is_back_and_the_others_go_on(
    name: str, battered: SystemUnderTest, record_property: Any
) -> None:
    person_id = fresh_id("iris")
    token = battered.token(person_id)
    before = battered.pids()

    async with httpx.AsyncClient(base_url=battered.http, trust_env=False) as http:
        iris = ConnectClient(http, STUBS.paths, token)

        async def answers(method: str, **request: Any) -> bool:
            try:
                await iris.call(method, **request)
            except (Refused, httpx.TransportError):
                return False
            return True

        for round_number in range(3):
            began = time.monotonic()
            os.kill(battered.pids()[name], signal.SIGKILL)
            wait_for(partial(is_another, battered, name, before[name]))
            while not (await answers("ListFriends") and await answers("ListChannels")):
                assert time.monotonic() - began < PATIENCE_SECONDS
            took = time.monotonic() - began
            now = battered.pids()
            assert {key: now[key] for key in now if key != name} == {
                key: before[key] for key in before if key != name
            }
            before = now
            record_property(f"{name} back after seconds, round {round_number}", round(took, 2))
            print(f"{name} was back after {took:.2f} s, slack {slack():.1f}")
            assert took < BACK_SECONDS * slack()


# ---- stopping -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def channel_to(data: Path) -> AsyncIterator[Any]:
    """Opens gRPC channels, closed at the end of the test."""
    channels: list[grpc.aio.Channel] = []

    def to(system: SystemUnderTest) -> grpc.aio.Channel:
        channels.append(grpc.aio.insecure_channel(system.target))
        return channels[-1]

    yield to
    for channel in channels:
        await channel.close()


async def test_sigterm_stops_all_and_streams_are_told(data: Path, channel_to: Any) -> None:
    with a_system(data) as system:
        grpc_client = GrpcClient(channel_to(system), STUBS, system.token("alice"))
        async with httpx.AsyncClient(base_url=system.http, trust_env=False) as http:
            connect = ConnectClient(http, STUBS.paths, system.token("alice"))
            async with (
                watching(grpc_client, "WatchFriendships") as one,
                watching(grpc_client, "WatchMessages") as two,
                watching(connect, "WatchFriendships") as three,
                watching(connect, "WatchMessages") as four,
            ):
                streams = (one, two, three, four)
                for stream in streams:
                    await stream.until_caught_up()
                began = time.monotonic()
                system.process.send_signal(signal.SIGTERM)
                for stream in streams:
                    with pytest.raises(Refused) as ended:
                        await stream.next()
                    assert ended.value.code == "UNAVAILABLE"
                    assert ended.value.reason == "SERVER_STOPPING"
        assert system.process.wait(PATIENCE_SECONDS) == 0
        took = time.monotonic() - began
        print(f"SIGTERM stopped all after {took:.2f} s")
        assert took < STOP_SECONDS * slack()
        assert system.left_over() == []
        assert system.stderr == ""


@pytest.mark.prove
def test_hung_processes_are_ended_in_time(data: Path) -> None:
    with a_system(data) as system:
        for pid in system.pids().values():
            os.kill(pid, signal.SIGSTOP)
        status, took = system.stop()
        assert status == 0
        assert took < STOP_SECONDS * slack()
        assert system.left_over() == []


def test_signal_while_it_starts_stops_all(data: Path) -> None:
    system = launch(data)
    try:
        wait_for(lambda: "friendship" in system.pids())
        status, _ = system.stop()
        assert status == 0
        wait_for(lambda: not system.left_over())
        assert "Traceback" not in system.stderr
    finally:
        system.clean_up()


@pytest.mark.prove
async def test_what_was_stored_outlives_supervisors_that_are_killed_or_interrupted(
    data: Path, channel_to: Any
) -> None:
    with a_system(data) as system:
        token = system.token("alice")
        alice = GrpcClient(channel_to(system), STUBS, token)
        bob = GrpcClient(channel_to(system), STUBS, system.token("bob"))
        await bob.call("UpdatePerson", person={"displayName": "Robert Dubois"})
        asked = await alice.call("SendFriendRequest", personId="bob")
        await bob.call("AcceptFriendRequest", requestId=asked["friendRequest"]["requestId"])
        channel_id = (await alice.call("GetChannel", personId="bob"))["channel"]["channelId"]
        sent = await alice.call("SendMessage", channelId=channel_id, text="Keep this.")
        cursor = (await bob.call("ListChannels"))["cursor"]

        system.stop(signal.SIGKILL)
        took = wait_for(lambda: not system.pids())
        print(f"all ended by themselves {took:.2f} s after the supervisor was killed")

    # As if it had been killed while it seeded.
    (data / "seeded").unlink()
    with a_system(data) as system:
        # The token is good still, and so is the cursor.
        alice = GrpcClient(channel_to(system), STUBS, token)
        history = await alice.call("ListMessages", channelId=channel_id)
        assert history["messages"] == [sent["message"]]
        bob = GrpcClient(channel_to(system), STUBS, system.token("bob"))
        async with watching(bob, "WatchMessages", afterCursor=cursor) as stream:
            assert await stream.until_caught_up() == []
        # What has become of the seeded people since stays.
        profile = (await alice.call("GetPerson", personId="bob"))["person"]
        assert profile["displayName"] == "Robert Dubois"
        everyone = await alice.call("SearchPeople", query="e")
        assert [person["personId"] for person in everyone["people"]] == ["emma"]

        status, took = system.stop(signal.SIGINT)
        assert status == 0
        print(f"SIGINT stopped all after {took:.2f} s")
        assert took < STOP_SECONDS * slack()
        assert system.left_over() == []
        assert system.stderr == ""
