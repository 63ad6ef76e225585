"""The doorbell: who listens is told, who does not misses nothing but the sound."""

from __future__ import annotations

import asyncio

from chassis.doorbell import LocalDoorbell


async def test_ring_wakes_every_listener_of_its_person_and_no_other() -> None:
    bell = LocalDoorbell()
    with bell.listen("ann") as phone, bell.listen("ann") as laptop, bell.listen("bob") as other:
        bell.ring("ann", 5)
        await phone.wait(5)
        await laptop.wait(5)
        assert (phone.position, laptop.position, other.position) == (5, 5, 0)
        # Nothing has come for Bob: his wait takes all of its time.
        began = asyncio.get_running_loop().time()
        await other.wait(0.02)
        assert asyncio.get_running_loop().time() - began >= 0.019


async def test_ring_before_the_wait_counts_and_each_wait_wants_a_new_one() -> None:
    bell = LocalDoorbell()
    with bell.listen("ann") as listener:
        bell.ring("ann", 1)
        bell.ring("ann", 2)
        bell.ring("ann", 1)
        await listener.wait(60)
        assert listener.position == 2
        waiting = asyncio.create_task(listener.wait(60))
        await asyncio.sleep(0)
        assert not waiting.done()
        bell.ring("ann", 3)
        await waiting


async def test_whispers_come_in_order_and_once() -> None:
    bell = LocalDoorbell()
    with bell.listen("ann") as listener:
        bell.whisper("ann", b"1")
        bell.whisper("bob", b"not for ann")
        bell.whisper("ann", b"2")
        await listener.wait(60)
        assert listener.take_whispers() == [b"1", b"2"]
        assert listener.take_whispers() == []
        assert listener.position == 0


async def test_too_many_whispers_lose_the_oldest() -> None:
    bell = LocalDoorbell()
    with bell.listen("ann") as listener:
        for number in range(1000):
            bell.whisper("ann", str(number).encode())
        taken = listener.take_whispers()
    assert taken[-1] == b"999"
    assert len(taken) <= 100


async def test_nudge_wakes_all_without_news() -> None:
    bell = LocalDoorbell()
    with bell.listen("ann") as one, bell.listen("bob") as other:
        bell.nudge_all()
        await one.wait(60)
        await other.wait(60)
        assert (one.position, one.take_whispers()) == (0, [])


async def test_who_has_left_is_told_nothing_and_forgotten() -> None:
    bell = LocalDoorbell()
    with bell.listen("ann") as stays:
        with bell.listen("ann") as gone:
            bell.ring("ann", 1)
        bell.ring("ann", 2)
        assert (gone.position, stays.position) == (1, 2)
    bell.ring("ann", 3)
    with bell.listen("ann") as again:
        assert again.position == 0
        bell.ring("ann", 4)
        await again.wait(60)
