"""Processes are killed under load: what was acknowledged is there once, and watchers miss nothing."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import rows
from tests.support.load import LATE, Load, Worker, people_at_work
from tests.support.system import MODULES, PATIENCE_SECONDS, SystemUnderTest, a_system, wait_for

pytestmark = pytest.mark.both_databases

UNDELIVERED = "friendship, with changes undelivered"
OPTIONS = {"rate_limit": "off", "requests_per_hour": "off", "max_pending_requests": "off"}


@pytest.mark.prove
@pytest.mark.timeout(1800)
async def test_thirty_kills_lose_nothing(data: Path) -> None:
    kills = [name for name in MODULES for _ in range(10)]
    random.Random(30).shuffle(kills)
    await crash(data, kills)


@pytest.mark.prove
@pytest.mark.timeout(1800)
async def test_friendship_killed_amid_quarrels_leaves_nothing_undelivered(data: Path) -> None:
    await crash(data, ["friendship", UNDELIVERED] * 5, pairs=1, quarrels=6)


async def crash(data: Path, kills: Sequence[str], pairs: int = 3, quarrels: int = 2) -> None:
    """Kill processes one after the other while people are at work, then check what is left."""
    with a_system(data, **OPTIONS) as system:
        async with people_at_work(system, pairs, quarrels) as load:
            for name in kills:
                async with asyncio.timeout(2 * PATIENCE_SECONDS):
                    if name == UNDELIVERED:
                        await kill_before_delivery(system, load)
                    else:
                        await kill_amid_work(system, load, name)
        counts = load.progress.counts
        print(f"{len(kills)} kills: {dict(counts)}")
        # Without these the kills would have proved nothing.
        assert counts["calls repeated"] >= len(kills)
        assert counts["watches resumed"] >= len(kills)

        check_messages(load, system)
        check_watchers(load, system)
        wait_for(lambda: not undelivered(system))
        check_both_services_agree(system)


async def kill_amid_work(system: SystemUnderTest, load: Load, name: str) -> None:
    """Kill a process at a chance moment; return when it is back and work goes on."""
    await load.progress.more("messages", random.randint(1, 50))
    await kill(system, name)
    for work in ("messages", "quarrels"):
        await load.progress.more(work, 2)


async def kill_before_delivery(system: SystemUnderTest, load: Load) -> None:
    """Kill friendship while there is something that it has not told messaging yet."""
    deaf = system.pids()["messaging"]
    os.kill(deaf, signal.SIGSTOP)
    try:
        # What messaging has just answered for may still be marked before the kill.
        while True:
            await asyncio.to_thread(wait_for, lambda: bool(undelivered(system)))
            await kill(system, "friendship")
            if undelivered(system):
                break
    finally:
        os.kill(deaf, signal.SIGCONT)
    for work in ("messages", "quarrels"):
        await load.progress.more(work, 2)


async def kill(system: SystemUnderTest, name: str) -> None:
    """Kill a process; return when there is another in its place."""
    killed = system.pids()[name]
    os.kill(killed, signal.SIGKILL)
    await asyncio.to_thread(wait_for, lambda: system.pids().get(name, killed) != killed)


def check_messages(load: Load, system: SystemUnderTest) -> None:
    """Every acknowledged message is there once and at its place, and there is no other."""
    messaging = system.databases["messaging"]
    found = rows(
        messaging, "SELECT channel_id, client_message_id, seq, sender_id, text FROM messages"
    )
    stored = {(channel_id, client_id): seq for channel_id, client_id, seq, _, _ in found}
    assert len(stored) == len(found)
    assert stored == load.acknowledged
    assert not [client_id for _, client_id in stored if client_id.startswith(LATE)]
    for channel_id, history in load.histories.items():
        assert [seq for seq, *_ in history] == list(range(1, len(history) + 1))
        assert sorted(history) == sorted(
            (seq, sender_id, client_id, text)
            for its_id, client_id, seq, sender_id, text in found
            if its_id == channel_id
        )
        (last,) = rows(
            messaging, "SELECT last_seq FROM channels WHERE channel_id = :id", id=channel_id
        )
        assert last == (len(history),)
    assert load.histories.keys() == {channel_id for channel_id, *_ in found}


def check_watchers(load: Load, system: SystemUnderTest) -> None:
    """Every watcher was shown every entry of their log, once and in order."""
    for worker in load.workers:
        assert worker.events == [
            (kind, subject, number) for kind, subject, number in _log(system, "messaging", worker)
        ]
        assert worker.friendship_events == [
            (kind, subject) for kind, subject, _ in _log(system, "friendship", worker)
        ]
        assert worker.events


def _log(system: SystemUnderTest, service: str, worker: Worker) -> list[tuple[Any, ...]]:
    found = rows(
        system.databases[service],
        "SELECT position, kind, subject, number FROM inbox_entries WHERE person_id = :person "
        "ORDER BY position",
        person=worker.id,
    )
    assert [position for position, *_ in found] == list(range(1, len(found) + 1))
    return [(kind, subject, number) for _, kind, subject, number in found]


def undelivered(system: SystemUnderTest) -> list[tuple[Any, ...]]:
    """Return the pairs of whose latest turn the messaging service has not been told."""
    return rows(
        system.databases["friendship"],
        "SELECT low_id, high_id FROM pairs WHERE epoch <> delivered_epoch",
    )


def check_both_services_agree(system: SystemUnderTest) -> None:
    """Each channel is as its friendship is, and of the same epoch."""
    friendship, messaging = system.databases["friendship"], system.databases["messaging"]
    wanted = rows(friendship, "SELECT low_id, high_id, friends, epoch FROM pairs")
    found = rows(messaging, "SELECT low_id, high_id, open, epoch FROM channels")
    assert sorted(found) == sorted(wanted)
