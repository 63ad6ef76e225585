"""Logs: where it happened and what it was, and never a word that a person wrote."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from chassis.calls import Call, current_call
from chassis.telemetry import configure_logging

MARKER = "marker-5c1d"


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    """Configured as in a process, and set back afterwards."""
    root = logging.getLogger()
    handlers, level, config = list(root.handlers), root.level, structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**config)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    written = capsys.readouterr()
    assert written.out == ""
    assert MARKER not in written.err
    return [json.loads(line) for line in written.err.splitlines()]


def fail() -> None:
    nothing: dict[str, str] = {}
    try:
        _ = nothing[MARKER]
    except KeyError:
        message = f"about {MARKER}"
        raise ValueError(message)  # noqa: B904 - the context is what is tested


def test_line_says_what_when_and_of_which_call(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("messaging", "INFO")
    token = current_call.set(Call("ann", "r-1", "00-trace"))
    try:
        structlog.get_logger("here").info("thing.happened", count=3)
    finally:
        current_call.reset(token)
    (line,) = lines(capsys)
    assert line.pop("timestamp")
    assert line == {
        "event": "thing.happened",
        "count": 3,
        "level": "info",
        "process": "messaging",
        "request_id": "r-1",
        "traceparent": "00-trace",
    }


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("messaging", "WARNING")
    structlog.get_logger("here").info("quiet")
    logging.getLogger("some.library").info("quiet")
    assert lines(capsys) == []


def test_exception_shows_its_types_and_places_only(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("messaging", "INFO")
    try:
        fail()
    except ValueError:
        structlog.get_logger("here").exception("call.failed")
        logging.getLogger("some.library").exception("failed with %s", MARKER)
    own, foreign = lines(capsys)
    for line in (own, foreign):
        assert [link["type"] for link in line["exception"]] == ["ValueError", "KeyError"]
        assert line["exception"][0]["at"][-1].endswith(" fail")
    assert own["event"] == "call.failed"
    assert foreign["event"] == "failed with %s"


@pytest.mark.parametrize(
    ("message", "values", "shown"),
    [
        ("plain %s", (MARKER,), "plain %s"),
        ("two %s and %(x)s", (MARKER, MARKER), "two %s and %(x)s"),
        (f"put together: {MARKER}", (), "a line whose text is withheld"),
        (ValueError(MARKER), (), "a line whose text is withheld"),
        ({"a": MARKER}, (), "a line whose text is withheld"),
    ],
    ids=["template", "mismatch", "ready", "exception", "object"],
)
def test_library_shows_its_templates_and_no_values(
    capsys: pytest.CaptureFixture[str], message: Any, values: tuple[str, ...], shown: str
) -> None:
    configure_logging("messaging", "INFO")
    if shown.startswith("two"):
        values = (MARKER,)
        message = shown = "one %s"
    logging.getLogger("some.library").error(message, *values)
    (line,) = lines(capsys)
    assert (line["event"], line["logger"]) == (shown, "some.library")
    assert "test_telemetry.py" in line["at"]
    assert "positional_args" not in line


def test_libraries_that_see_no_words_show_their_values(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("messaging", "INFO")
    logging.getLogger("alembic.runtime").info("Running upgrade %s -> %s", "0001", "0002")
    (line,) = lines(capsys)
    assert line["event"] == "Running upgrade 0001 -> 0002"
    assert "positional_args" not in line


def test_exceptions_that_nobody_fetched_are_told_without_their_texts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The event loop puts the exception's text into its own line."""
    # What other tests have left is told now, and not among what follows.
    gc.collect()
    configure_logging("messaging", "INFO")

    async def forgetful() -> None:
        async def failing() -> None:
            fail()

        task = asyncio.create_task(failing())
        await asyncio.wait([task])
        del task
        gc.collect()

    def callback(words: str) -> None:
        fail()

    async def calling() -> None:
        asyncio.get_running_loop().call_soon(callback, MARKER)
        await asyncio.sleep(0)

    asyncio.run(forgetful())
    asyncio.run(calling())
    found = lines(capsys)
    assert [line["logger"] for line in found] == ["asyncio", "asyncio"]
    for line in found:
        assert line["exception"][0]["type"] == "ValueError"
