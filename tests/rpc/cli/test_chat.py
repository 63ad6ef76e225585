"""Two people talk live, each in a `paperplane chat` of their own, driven through pipes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.rpc.cli.conftest import Paperplane

_PATIENCE_SECONDS = 20.0

pytestmark = pytest.mark.slow

Start = Callable[..., Any]
CONTENT = bytes(300_000)


class Talker:
    """One running chat."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.seen: list[str] = []

    async def say(self, *lines: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("".join(f"{line}\n" for line in lines).encode())
        await self.process.stdin.drain()

    async def sees(self, text: str) -> str:
        """Read lines until one holds a text; return it."""
        assert self.process.stdout is not None
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while line := (await self.process.stdout.readline()).decode():
                self.seen.append(line.rstrip("\n"))
                if text in line:
                    return self.seen[-1]
        raise AssertionError(f"ended without {text!r}: {self.seen}, {await self.errors()}")

    async def complains(self, text: str) -> str:
        """Read lines of standard error until one holds a text; return it."""
        assert self.process.stderr is not None
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while line := (await self.process.stderr.readline()).decode():
                if text in line:
                    return line.rstrip("\n")
        raise AssertionError(f"ended without {text!r}")

    async def errors(self) -> str:
        assert self.process.stderr is not None
        return (await self.process.stderr.read()).decode()

    async def leaves(self) -> int:
        """Close the input, read the rest and return the exit code."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        async with asyncio.timeout(_PATIENCE_SECONDS):
            self.seen += (await self.process.stdout.read()).decode().splitlines()
            return await self.process.wait()


@pytest.fixture
async def chat(paperplane: Paperplane) -> AsyncIterator[Start]:
    """Start chats that end with the test."""

    @asynccontextmanager
    async def running(*arguments: str) -> AsyncGenerator[Talker]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "cli.app", "chat", *arguments),
            env={**os.environ, **paperplane.environment},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            yield Talker(process)
        finally:
            if process.returncode is None:
                process.kill()
            assert process.stdin is not None
            process.stdin.close()
            await process.communicate()

    async with AsyncExitStack() as stack:

        async def start(*arguments: str) -> Talker:
            return await stack.enter_async_context(running(*arguments))

        yield start


async def test_two_people_talk(paperplane: Paperplane, chat: Start) -> None:
    talk = paperplane.backend.befriend("alice", "bob")
    alice: Talker = await chat("bob", "--as", "alice")
    bob: Talker = await chat("alice", "--as", "bob")
    await alice.say("Hello Bob")
    assert "#1 you Hello Bob" in await alice.sees("Hello Bob")
    assert "#1 @alice Hello Bob" in await bob.sees("Hello Bob")
    await alice.sees("✓ @bob has read up to #1")
    await bob.say("Hello Alice")
    assert "#2 @bob Hello Alice" in await alice.sees("Hello Alice")
    await bob.sees("✓ @alice has read up to #2")
    paperplane.backend.type("alice", "bob")
    await bob.sees("@alice is typing…")
    await alice.say("/edit Hello dear Bob", "/edit #1 Hello again")
    await bob.sees("#1 @alice Hello dear Bob (edited)")
    await bob.sees("#1 @alice Hello again (edited)")
    await bob.say("/delete")
    await alice.sees("#2 @bob (deleted)")
    assert await alice.leaves() == 0
    assert await bob.leaves() == 0
    assert [message.text for message in talk.messages] == ["Hello again", ""]
    for talker in (alice, bob):
        assert len([line for line in talker.seen if line.endswith("Hello Bob")]) == 1


async def test_what_is_new_is_marked_shown_and_marked_as_read(
    paperplane: Paperplane, chat: Start
) -> None:
    talk = paperplane.backend.befriend("alice", "bob")
    for number in range(1, 31):
        paperplane.backend.say("alice", "bob", f"text {number}")
    talk.read["bob"] = 5
    bob: Talker = await chat("alice", "--as", "bob", "--limit", "1")
    assert await bob.leaves() == 0
    assert [line.rpartition("@alice ")[2] for line in bob.seen if "text" in line] == [
        f"text {number}" for number in range(6, 31)
    ]
    assert bob.seen[:2] == ["── Today ──", "── 25 new ──"]
    assert talk.read["bob"] == 30


async def test_lines_of_a_pipe_are_sent_in_order_and_the_end_waits_for_them(
    paperplane: Paperplane, chat: Start
) -> None:
    talk = paperplane.backend.befriend("alice", "bob")
    alice: Talker = await chat("bob")
    await alice.say(*(f"line {number}" for number in range(50)), "", "//last")
    assert await alice.leaves() == 0
    assert [message.text for message in talk.messages] == [
        *(f"line {number}" for number in range(50)),
        "/last",
    ]
    assert len([line for line in alice.seen if " you " in line]) == 51


async def test_a_message_whose_answer_got_lost_is_there_once(
    paperplane: Paperplane, chat: Start
) -> None:
    talk = paperplane.backend.befriend("alice", "bob")
    # More failures than the library itself retries: the chat goes on with the same id.
    paperplane.backend.unavailable["SendMessage"] = 6
    alice: Talker = await chat("bob")
    await alice.say("Once")
    await alice.sees("#1 you Once")
    assert await alice.leaves() == 0
    assert [message.text for message in talk.messages] == ["Once"]
    assert len([line for line in alice.seen if "Once" in line]) == 1


async def test_a_broken_connection_loses_and_doubles_nothing(
    paperplane: Paperplane, chat: Start
) -> None:
    backend = paperplane.backend
    talk = backend.befriend("alice", "bob")
    alice: Talker = await chat("bob")
    backend.say("bob", "alice", "before")
    await alice.sees("before")
    backend.stop()
    await alice.sees("offline")
    backend.say("bob", "alice", "meanwhile")
    await alice.say("kept")
    backend.start()
    await alice.sees("online again")
    await alice.sees("you kept")
    backend.say("bob", "alice", "after")
    await alice.sees("after")
    assert await alice.leaves() == 0
    assert [message.text for message in talk.messages] == ["before", "meanwhile", "kept", "after"]
    for text in ("before", "meanwhile", "kept", "after"):
        assert len([line for line in alice.seen if line.endswith(text)]) == 1


async def test_a_restart_that_is_over_at_once_is_not_worth_a_word(
    paperplane: Paperplane, chat: Start
) -> None:
    backend = paperplane.backend
    backend.befriend("alice", "bob")
    alice: Talker = await chat("bob")
    backend.say("bob", "alice", "before")
    await alice.sees("before")
    backend.break_streams()
    backend.say("bob", "alice", "after")
    await alice.sees("after")
    assert await alice.leaves() == 0
    assert not [line for line in alice.seen if "line" in line]


async def test_a_log_that_no_longer_reaches_back_is_listed_anew(
    paperplane: Paperplane, chat: Start
) -> None:
    backend = paperplane.backend
    talk = backend.befriend("alice", "bob")
    alice: Talker = await chat("bob")
    backend.say("bob", "alice", "before")
    await alice.sees("before")
    backend.stop()
    backend.say("bob", "alice", "meanwhile")
    backend.part("alice", "bob")
    # As after a restore: the log begins anew, the messages are there.
    backend.forget_logs()
    backend.start()
    await alice.sees("meanwhile")
    await alice.sees("The channel is closed")
    backend.befriend("alice", "bob")
    await alice.sees("The channel is open")
    assert await alice.leaves() == 0
    assert len(talk.messages) == 2


async def test_a_token_that_runs_out_is_replaced_under_way(
    paperplane: Paperplane, chat: Start
) -> None:
    backend = paperplane.backend
    backend.befriend("alice", "bob")
    alice: Talker = await chat("bob")
    backend.say("bob", "alice", "before")
    await alice.sees("before")
    backend.expire_tokens()
    backend.say("bob", "alice", "meanwhile")
    await alice.sees("meanwhile")
    await alice.say("with a new token")
    await alice.sees("you with a new token")
    assert await alice.leaves() == 0


async def test_a_closed_channel_refuses_what_is_typed(paperplane: Paperplane, chat: Start) -> None:
    backend = paperplane.backend
    talk = backend.befriend("alice", "bob")
    alice: Talker = await chat("bob")
    await alice.say("in time")
    await alice.sees("you in time")
    backend.part("alice", "bob")
    await alice.sees("The channel is closed: you and @bob are no longer friends.")
    await alice.say("too late")
    assert await alice.complains("Not sent") == "Not sent: too late"
    await alice.complains("no message passes. (CHANNEL_CLOSED)")
    backend.befriend("alice", "bob")
    await alice.sees("The channel is open")
    await alice.say("once more")
    await alice.sees("you once more")
    assert await alice.leaves() == 1
    assert [message.text for message in talk.messages] == ["in time", "once more"]


async def test_a_closed_channel_shows_its_history(paperplane: Paperplane, chat: Start) -> None:
    paperplane.backend.befriend("alice", "bob")
    paperplane.backend.say("bob", "alice", "long ago")
    paperplane.backend.part("alice", "bob")
    alice: Talker = await chat("bob")
    assert await alice.leaves() == 0
    assert any("long ago" in line for line in alice.seen)
    assert any("The channel is closed" in line for line in alice.seen)


async def test_with_json_each_event_is_a_document(paperplane: Paperplane, chat: Start) -> None:
    backend = paperplane.backend
    backend.befriend("alice", "bob")
    backend.say("bob", "alice", "before")
    alice: Talker = await chat("bob", "--json")
    opening = json.loads(await alice.sees("channel"))
    assert opening["person"]["handle"] == "bob"
    assert opening["channel"]["state"] == "CHANNEL_STATE_OPEN"
    assert [message["text"] for message in opening["messages"]] == ["before"]
    await alice.say("Hello\x1b[31m")
    sent = json.loads(await alice.sees("messageSent"))["messageSent"]["message"]
    assert (sent["senderId"], sent["seq"], sent["text"]) == ("alice", "2", "Hello\x1b[31m")
    await alice.say("/what")
    error = json.loads(await alice.complains("error"))
    assert (error["error"]["reason"], error["text"]) == ("UNKNOWN_COMMAND", "/what")
    backend.part("alice", "bob")
    assert "channelClosed" in json.loads(await alice.sees("channelClosed"))
    assert await alice.leaves() == 1
    assert not any("\x1b" in line for line in alice.seen)


async def test_hostile_text_is_harmless_when_it_comes_live(
    paperplane: Paperplane, chat: Start
) -> None:
    backend = paperplane.backend
    backend.befriend("alice", "bob")
    alice: Talker = await chat("bob")
    await alice.say("ready")
    await alice.sees("ready")
    backend.say("bob", "alice", "\x1b]0;owned\x07\x1b[2J[red]plain[/red]\n12:00 #9 you forged")
    assert (await alice.sees("plain")).endswith("@bob [red]plain[/red]")
    assert (await alice.sees("forged")).startswith("        12:00")
    assert not any("\x1b" in line for line in alice.seen)


async def test_an_interrupt_ends_the_chat_quietly(paperplane: Paperplane, chat: Start) -> None:
    paperplane.backend.befriend("alice", "bob")
    alice: Talker = await chat("bob")
    await alice.say("ready")
    await alice.sees("ready")
    alice.process.send_signal(signal.SIGINT)
    assert await alice.leaves() == 130
    assert await alice.errors() == ""


async def test_what_can_not_be_sent_is_not_passed_over(paperplane: Paperplane, chat: Start) -> None:
    backend = paperplane.backend
    backend.befriend("alice", "bob")
    alice: Talker = await chat("bob", "--wait", "0.5")
    await alice.say("ready")
    await alice.sees("ready")
    backend.stop()
    try:
        await alice.say("lost")
        assert await alice.leaves() == 3
        assert "NOT_SENT" in await alice.errors()
    finally:
        backend.start()


async def test_files_go_both_ways(
    paperplane: Paperplane, chat: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my data.bin").write_bytes(CONTENT)
    paperplane.backend.befriend("alice", "bob")
    alice: Talker = await chat("bob", "--as", "alice")
    bob: Talker = await chat("alice", "--as", "bob", "--json")
    await alice.say("/file 'my data.bin' Look", "after it")
    await alice.sees("#1 you Look")
    await alice.sees("      1 ▤ my data.bin · application/octet-stream · 300.0 kB")
    await alice.sees("#2 you after it")
    await bob.sees("my data.bin")
    await bob.say("/download #1")
    assert json.loads(await bob.sees("Saved")) == {"note": "Saved my data (2).bin (300.0 kB)."}
    assert (tmp_path / "my data (2).bin").read_bytes() == CONTENT
    assert await alice.leaves() == 0
    assert await bob.leaves() == 0


async def test_a_file_whose_answers_got_lost_is_there_once(
    paperplane: Paperplane, chat: Start, tmp_path: Path
) -> None:
    (tmp_path / "data.bin").write_bytes(CONTENT)
    talk = paperplane.backend.befriend("alice", "bob")
    paperplane.backend.unavailable.update(UploadAttachment=2, SendMessage=6)
    alice: Talker = await chat("bob")
    await alice.say(f"/file {tmp_path}/data.bin")
    await alice.sees("1 ▤ data.bin")
    assert await alice.leaves() == 0
    assert [len(message.attachments) for message in talk.messages] == [1]


async def test_a_file_that_can_not_be_sent_or_had_does_not_end_the_chat(
    paperplane: Paperplane, chat: Start, tmp_path: Path
) -> None:
    (tmp_path / "big.bin").write_bytes(bytes(1_000_001))
    talk = paperplane.backend.befriend("alice", "bob")
    alice: Talker = await chat("bob")
    await alice.say(
        "/file missing.bin Look", f"/file {tmp_path}/big.bin", "/download #99", "still here"
    )
    await alice.complains("Not sent: /file missing.bin Look")
    await alice.complains("missing.bin: there is no such file")
    heard = {await alice.complains("_") for _ in range(2)}
    assert heard == {
        "big.bin is larger than this server takes. (ATTACHMENT_TOO_LARGE)",
        "There is no message #99. (MESSAGE_NOT_FOUND)",
    }
    await alice.sees("#1 you still here")
    assert await alice.leaves() == 1
    assert [message.text for message in talk.messages] == ["still here"]
