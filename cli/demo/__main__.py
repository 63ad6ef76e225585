"""`python -m cli.demo`: plays, and ends with 0 if all is as it should be."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from contextlib import AsyncExitStack
from functools import partial

from rich.text import Text

from cli.client import Client
from cli.demo import scenes
from cli.demo.actors import Actor
from cli.demo.stage import Differs, Stage
from cli.errors import CliError, first_cause
from cli.invocation import Invocation
from cli.output import console, error_text
from cli.tokens import Credentials, development_token


async def _play(stage: Stage, invocation: Invocation) -> None:
    suffix = secrets.token_hex(4)

    async with AsyncExitStack() as stack:

        async def actor(name: str, person_id: str) -> Actor:
            renew = partial(development_token, invocation.http_address(), person_id)
            client = Client(invocation.server_address(), Credentials("", renew))
            return Actor(name, person_id, await stack.enter_async_context(client))

        nora = await actor("Nora", f"nora-{suffix}")
        omar = await actor("Omar", f"omar-{suffix}")
        alice_id, bob_id = await scenes.enter(stage, nora, omar, suffix)
        alice, bob = await actor("Alice", alice_id), await actor("Bob", bob_id)

        async with asyncio.TaskGroup() as tasks:
            watches = [
                task for each in (nora, omar, alice, bob) for task in await each.watch(tasks)
            ]
            await scenes.become_friends(stage, nora, alice)
            channel_id = await scenes.talk(stage, nora, alice)
            await scenes.repeat_and_change(stage, nora, alice, channel_id)
            await scenes.keep_out_strangers(stage, omar, channel_id)
            await scenes.close_and_reopen(stage, nora, alice, channel_id)
            await scenes.cancel_and_ignore(stage, omar, bob)
            await scenes.block(stage, nora, omar)
            await scenes.resume(stage, tasks, nora, channel_id)
            for watch in watches:
                watch.cancel()


def main() -> int:
    """Play; returns the exit code: 0 as it should be, 1 something differs, 3 nothing is running."""
    stage = Stage()
    try:
        asyncio.run(_play(stage, Invocation(None, None, None, False, os.environ)))
    except ExceptionGroup as group:
        return _report(first_cause(group))
    except (Differs, CliError) as error:
        return _report(error)
    except KeyboardInterrupt:
        return 130
    console().print(Text(f"\nAll {stage.checked} answers are as they should be.", "bold green"))
    return 0


def _report(error: Exception) -> int:
    if isinstance(error, CliError):
        console(stderr=True).print(error_text(error))
        return error.exit_code
    if isinstance(error, Differs):
        console(stderr=True).print(Text(f"\n✗ {error}", "bold red"))
        return 1
    raise error


if __name__ == "__main__":
    sys.exit(main())
