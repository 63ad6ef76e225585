"""The receiving end of an intake: calls of a unary method that come many at a time, on one stream."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import structlog

from chassis.calls import Call, caller_id, current_call
from chassis.refusals import Refusal, ServerStopping
from paperplane.intake.v1 import intake_pb2

if TYPE_CHECKING:
    from chassis.errors import ErrorTable

_log = structlog.get_logger(__name__)

_MAX_ANSWERS_BYTES = 1024 * 1024
"""How large the answers of one frame get, at most by its last one. What a peer takes is limited."""

Handle = Callable[[bytes, float], Awaitable[bytes]]
"""Carries out one call: its request and its deadline (on `time.monotonic`) in, its response out."""


class Intake:
    """Carries out the calls of frames, each on its own, and sends answers as soon as they are there.

    Arguments:
        errors: how refusals look to callers.
    """

    def __init__(self, errors: ErrorTable) -> None:
        self._errors = errors
        self._readers: set[asyncio.Task[None]] = set()
        self._ending = False

    def end(self) -> None:
        """Take in no more frames: each stream ends as soon as what it has brought is answered."""
        self._ending = True
        for reader in self._readers:
            reader.cancel()

    async def serve(
        self, frames: AsyncIterator[intake_pb2.CallFrame], handle: Handle
    ) -> AsyncIterator[intake_pb2.AnswerFrame]:
        """Yield the answers to all calls of the frames; those that come together leave together.

        Calls that are not answered when the stream breaks are cancelled.

        Raises:
            InvalidRequest: a frame is malformed. The calls of those before it are answered first.
            ServerStopping: the intake has ended.
        """
        if self._ending:
            raise ServerStopping
        stream = _Stream(self._errors, handle)
        reader = asyncio.create_task(stream.read(frames))
        reader.add_done_callback(lambda _: stream.end())
        self._readers.add(reader)
        try:
            async for answers in stream.answers():
                yield answers
            if not reader.cancelled():
                reader.result()
        finally:
            self._readers.discard(reader)
            reader.cancel()
            stream.cancel()
            await asyncio.gather(reader, return_exceptions=True)


class _Stream:
    def __init__(self, errors: ErrorTable, handle: Handle) -> None:
        self._errors = errors
        self._handle = handle
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._answers: list[intake_pb2.Answer] = []
        self._news = asyncio.Event()
        self._ended = False

    async def read(self, frames: AsyncIterator[intake_pb2.CallFrame]) -> None:
        async for frame in frames:
            arrived = time.monotonic()
            for tag in frame.cancelled_tags:
                if (gone := self._tasks.pop(tag, None)) is not None:
                    gone.cancel()
            for call in frame.calls:
                task = asyncio.create_task(self._carry_out(call, arrived))
                self._tasks[call.tag] = task

    def end(self) -> None:
        self._ended = True
        self._news.set()

    async def answers(self) -> AsyncIterator[intake_pb2.AnswerFrame]:
        while self._tasks or self._answers or not self._ended:
            await self._news.wait()
            self._news.clear()
            while self._answers:
                yield intake_pb2.AnswerFrame(answers=self._take_answers())

    def _take_answers(self) -> list[intake_pb2.Answer]:
        size = taken = 0
        while taken < len(self._answers) and size < _MAX_ANSWERS_BYTES:
            size += len(self._answers[taken].response)
            taken += 1
        answers, self._answers = self._answers[:taken], self._answers[taken:]
        return answers

    def cancel(self) -> None:
        for task in self._tasks.values():
            task.cancel()

    async def _carry_out(self, call: intake_pb2.Call, arrived: float) -> None:
        answer = intake_pb2.Answer(tag=call.tag)
        current_call.set(Call(call.person_id, call.request_id, call.traceparent))
        deadline = arrived + call.timeout.seconds + call.timeout.nanos / 1e9
        try:
            caller_id()
            answer.response = await self._handle(call.request, deadline)
        except Refusal as refusal:
            answer.status.CopyFrom(self._errors.status(refusal, call.request_id))
        except Exception as error:  # noqa: BLE001 - it is logged, and told without its text
            _log.exception("call.failed")
            answer.status.CopyFrom(self._errors.status(error, call.request_id))
        finally:
            # Also when it was cancelled: the sender has forgotten the tag, and takes no notice.
            self._tasks.pop(call.tag, None)
            self._answers.append(answer)
            self._news.set()
