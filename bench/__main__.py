"""Measures sends through the whole chain against an empty call on a plain server: `make bench`.

Both are measured in turn, in the same run and by the same clients, so that their ratio holds where
their figures do not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.load import Load, Report
from bench.postgresql import new_databases
from bench.system import Measured, running

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Round:
    """One measurement.

    Attributes:
        per_second: calls answered OK in a second.
        p50: half of the calls were answered in less, in milliseconds.
        p99: all but one in a hundred were, in milliseconds.
        cpu: what the servers spent on a call, in microseconds.
        answered: calls answered OK.
        failures: how many calls failed, by code and message.
    """

    per_second: float
    p50: float
    p99: float
    cpu: float
    answered: int
    failures: dict[str, int]


def cpu_seconds(pids: list[int]) -> float:
    """Return the processor time that processes have used, all threads, user and system."""
    total = 0
    for pid in pids:
        # The name, in parentheses, may hold blanks: fields are counted behind it.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / _TICKS


async def measure(load: Load, pids: list[int], processes: int) -> Round:
    """Let client processes carry out a load together."""
    clients = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bench.load",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**26,
        )
        for _ in range(min(processes, load.callers))
    ]
    rest = load
    for number, client in enumerate(clients, 1):
        share = rest.callers // (len(clients) - number + 1)
        prepared = load.prepared * share // load.callers
        one = replace(rest, callers=share, prepared=prepared, senders=rest.senders[:share])
        rest = replace(rest, callers=rest.callers - share, senders=rest.senders[share:])
        assert client.stdin is not None
        client.stdin.write(json.dumps(asdict(one)).encode() + b"\n")
    for client in clients:
        assert client.stdout is not None
        assert await client.stdout.readline() == b"ready\n"
    before = cpu_seconds(pids)
    for client in clients:
        assert client.stdin is not None
        client.stdin.write(b"go\n")
    reports: list[Report] = []
    for client in clients:
        assert client.stdout is not None
        reports.append(Report(**json.loads(await client.stdout.readline())))
    spent = cpu_seconds(pids) - before
    for client in clients:
        await client.wait()
    return _summarize(reports, spent)


def _summarize(reports: list[Report], spent: float) -> Round:
    latencies = sorted(latency for report in reports for latency in report.latencies)
    failures: dict[str, int] = {}
    for report in reports:
        for key, count in report.failures.items():
            failures[key] = failures.get(key, 0) + count
    return Round(
        per_second=sum(len(report.latencies) / report.seconds for report in reports),
        p50=latencies[len(latencies) // 2] * 1000,
        p99=latencies[int(len(latencies) * 0.99)] * 1000,
        cpu=spent / len(latencies) * 1e6,
        answered=len(latencies),
        failures=failures,
    )


async def _bench(options: argparse.Namespace, system: Measured) -> bool:
    empty = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.empty_server",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert empty.stdout is not None
    assert empty.stdin is not None
    target = f"127.0.0.1:{int(await empty.stdout.readline())}"
    before, _ = system.committed()
    rounds: dict[tuple[str, int], list[Round]] = {}
    try:
        for number in range(options.rounds):
            for callers in options.callers:
                processes = 1 if callers < 16 else options.clients
                prepared = int(options.prepared * options.seconds)
                for name in ("empty", "send"):
                    senders = system.senders if name == "send" else []
                    load = Load(
                        system.target if senders else target,
                        callers,
                        options.seconds,
                        prepared,
                        senders,
                    )
                    pids = system.pids if senders else [empty.pid]
                    measured = await measure(load, pids, processes)
                    rounds.setdefault((name, callers), []).append(measured)
            print(f"round {number + 1} of {options.rounds} done", file=sys.stderr, flush=True)
    finally:
        empty.stdin.close()
        await empty.wait()
    _print(rounds, options.callers)
    answered = sum(r.answered for (name, _), rs in rounds.items() if name == "send" for r in rs)
    committed, distinct = system.committed()
    committed -= before
    print(f"\n{answered} sends acknowledged, {committed} committed, {distinct} distinct client ids")
    failed = {key: n for rs in rounds.values() for r in rs for key, n in r.failures.items()}
    for key, count in failed.items():
        print(f"failed: {count} x {key}")
    return answered == committed == distinct and not failed


def _print(rounds: dict[tuple[str, int], list[Round]], all_callers: list[int]) -> None:
    table = Table(title="Medians of the rounds (minimum to maximum)")
    for column in ("callers", "", "calls/s", "p50 ms", "p99 ms", "server CPU µs/call"):
        table.add_column(column, justify="right")
    ratios = Table(title="Send, as a ratio to the empty call of the same round")
    for column in ("callers", "throughput", "server CPU per call", "p50"):
        ratios.add_column(column, justify="right")
    for callers in all_callers:
        empty, send = rounds["empty", callers], rounds["send", callers]
        for name, measured in (("empty call", empty), ("SendMessage", send)):
            table.add_row(
                str(callers),
                name,
                _spread([r.per_second for r in measured], 0),
                _spread([r.p50 for r in measured], 2),
                _spread([r.p99 for r in measured], 2),
                _spread([r.cpu for r in measured], 0),
            )
        pairs = list(zip(send, empty, strict=True))
        ratios.add_row(
            str(callers),
            _spread([s.per_second / e.per_second for s, e in pairs], 2),
            _spread([s.cpu / e.cpu for s, e in pairs], 2),
            _spread([s.p50 / e.p50 for s, e in pairs], 2),
        )
    console = Console(width=110)
    console.print(table)
    console.print(ratios)


def _spread(values: list[float], digits: int) -> str:
    median = statistics.median(values)
    return f"{median:.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


async def _main(options: argparse.Namespace) -> bool:
    with tempfile.TemporaryDirectory(prefix="pp-bench-") as folder:
        databases = new_databases() if options.postgresql else None
        async with running(Path(folder), max(options.callers), databases) as system:
            return await _bench(options, system)


def main() -> None:
    """Measure, print, and fail only if what was acknowledged is not what was committed."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--callers", type=int, nargs="+", default=[1, 16, 64, 256])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--clients", type=int, default=2, help="client processes")
    parser.add_argument(
        "--prepared", type=int, default=12_000, help="requests to serialize for each second"
    )
    parser.add_argument(
        "--postgresql",
        action="store_true",
        help="on a PostgreSQL server of its own, whose processor time is not counted, "
        "rather than on SQLite",
    )
    sys.exit(0 if asyncio.run(_main(parser.parse_args())) else 1)


if __name__ == "__main__":
    main()
