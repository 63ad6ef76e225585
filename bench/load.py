"""One client process: prepares its requests, waits for the word, sends them, and reports.

Standard input brings one JSON line, `Load`, and then a line to begin; standard output gets "ready" and
at the end one JSON line, `Report`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import grpc

from bench.empty_server import METHOD as EMPTY
from paperplane.messaging.v1 import messaging_pb2 as pb

SEND = "/paperplane.messaging.v1.MessagingService/SendMessage"
TEXT = "Could you have a look at the plan for Thursday before you go home? It is not urgent."


@dataclass(frozen=True, slots=True)
class Load:
    """What a client process is to do.

    Attributes:
        target: the server's address.
        callers: how many calls are under way at a time.
        seconds: for how long new calls begin.
        prepared: how many requests are serialized beforehand, for all callers together.
        senders: token and channel id of each caller: a person who writes in one conversation, each
            message when the one before is answered. None makes empty calls.
    """

    target: str
    callers: int
    seconds: float
    prepared: int
    senders: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it.

    Attributes:
        seconds: from the first call to the last answer.
        latencies: of each call that was answered OK, in seconds.
        failures: how many calls failed, by code and reason.
    """

    seconds: float
    latencies: list[float]
    failures: dict[str, int] = field(default_factory=dict[str, int])


Prepared = tuple[bytes, tuple[tuple[str, str], ...]]


def _prepare(load: Load, caller: int) -> list[Prepared]:
    count = load.prepared // load.callers
    if not load.senders:
        return [(b"", ())] * count
    token, channel_id = load.senders[caller]
    metadata = (("authorization", f"Bearer {token}"),)
    return [
        (
            pb.SendMessageRequest(
                channel_id=channel_id, client_message_id=str(uuid.uuid4()), text=TEXT
            ).SerializeToString(),
            metadata,
        )
        for _ in range(count)
    ]


async def _run(load: Load) -> Report:
    per_caller = [_prepare(load, caller) for caller in range(load.callers)]
    latencies: list[float] = []
    failures: dict[str, int] = {}
    async with grpc.aio.insecure_channel(load.target) as opened:
        channel: Any = opened
        method = channel.unary_unary(SEND if load.senders else EMPTY)
        await channel.channel_ready()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        began = time.perf_counter()
        end = began + load.seconds

        async def call(requests: Iterator[Prepared]) -> None:
            while (start := time.perf_counter()) < end:
                prepared = next(requests, None)
                if prepared is None:
                    failures["all prepared requests were sent"] = 1
                    return
                request, metadata = prepared
                try:
                    await method(request, metadata=metadata, timeout=30)
                except grpc.aio.AioRpcError as error:
                    key = f"{error.code().name}: {error.details()}"
                    failures[key] = failures.get(key, 0) + 1
                else:
                    latencies.append(time.perf_counter() - start)

        await asyncio.gather(*(call(iter(requests)) for requests in per_caller))
        return Report(time.perf_counter() - began, latencies, failures)


def main() -> None:
    """Do what standard input says."""
    load = Load(**json.loads(sys.stdin.readline()))
    print(json.dumps(asdict(asyncio.run(_run(load)))), flush=True)


if __name__ == "__main__":
    main()
