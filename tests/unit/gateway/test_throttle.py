"""How calls are counted."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.errors import RateLimited
from gateway.throttle import Throttle, WindowStorage


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


def test_the_call_above_the_limit_is_refused_until_the_second_is_over() -> None:
    clock = Clock()
    throttle = Throttle(3, clock)
    for _ in range(3):
        throttle.count("alice")
    clock.time += 0.25

    with pytest.raises(RateLimited) as caught:
        throttle.count("alice")

    assert caught.value.retry_after == timedelta(seconds=0.75)
    clock.time += 0.75
    throttle.count("alice")


def test_each_person_is_counted_alone() -> None:
    throttle = Throttle(1, Clock())

    throttle.count("alice")
    throttle.count("bob")

    with pytest.raises(RateLimited):
        throttle.count("alice")


def test_ids_do_not_run_into_each_other() -> None:
    throttle = Throttle(1, Clock())

    for person_id in ("a", "a/1", "a/1/1", "a/1/1/second"):
        throttle.count(person_id)


def test_off_counts_nothing() -> None:
    throttle = Throttle("off", Clock())

    for _ in range(1000):
        throttle.count("alice")


def test_counts_that_ran_out_are_swept_away() -> None:
    clock = Clock()
    storage = WindowStorage(clock)
    for number in range(9_000):
        storage.incr(str(number), 1)
    clock.time += 2

    for number in range(1_500):
        storage.incr(f"new{number}", 1)

    assert storage.reset() < 2_000


def test_counts_under_way_survive_a_sweep() -> None:
    clock = Clock()
    storage = WindowStorage(clock)

    counts = [storage.incr(str(number), 1) for _ in range(2) for number in range(25_000)]

    assert counts == [1] * 25_000 + [2] * 25_000
