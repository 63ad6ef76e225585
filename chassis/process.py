"""The life of a process: it runs until it is told to stop, or until its parent is gone."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable

import structlog
import uvloop

_log = structlog.get_logger(__name__)


class StartError(Exception):
    """The process can't start as it was told to; the message is one line for the operator."""


def run_process(
    main: Callable[[asyncio.Event], Awaitable[None]],
    parent_pipe: int | None = None,
    new_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop,
) -> None:
    """Run a process's main function until it returns, and end the process.

    SIGINT, SIGTERM and the end of the parent set the event that `main` is given; `main` then closes
    what it opened and returns. An error that an operator can mend ends the process with one line
    and status 2.

    Arguments:
        main: runs the process until the event is set.
        parent_pipe: the reading end of a pipe that the parent holds open as long as it lives.
        new_loop: makes the event loop. On the default one a gRPC call costs a tenth less.
    """
    _relieve_collector()
    # No process of ours goes on after a fork: a program takes its place at once. Prepared for more,
    # grpc core would complain of each on standard error.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(_run(main, parent_pipe))
    except StartError as error:
        # Without a message, somebody else has said it already.
        sys.stderr.write(f"{error}\n" if str(error) else "")
        raise SystemExit(2) from None
    # Everything that must be closed is closed. To tear down the interpreter as well would take as
    # long as all that came before, and whoever stops a process waits for it.
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _relieve_collector() -> None:
    # What has been imported is there for good: a collector that looks through all of it again and
    # again took a tenth of the time of a loaded process. Nor need it look every few calls: of those
    # that are answered hardly any leaves a cycle behind.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 10)


async def _run(main: Callable[[asyncio.Event], Awaitable[None]], parent_pipe: int | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if parent_pipe is not None:

        def on_parent() -> None:
            if not os.read(parent_pipe, 1):
                loop.remove_reader(parent_pipe)
                _log.warning("parent.gone")
                stop.set()

        loop.add_reader(parent_pipe, on_parent)
    await main(stop)
