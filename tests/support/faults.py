"""Notices what goes wrong in a browser unseen: errors, refusals by the policy for content, requests to other hosts."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Coroutine
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, CDPSession, ConsoleMessage, Page
from playwright.async_api import Error as PlaywrightError

from tests.support.browser import command

PATIENCE_SECONDS = 20.0
"""How long a busy browser may take to tell of a fault."""

Json = dict[str, Any]

# A call that the server refuses is an answer, and the page shows it; the console reports it all the same.
_REFUSED_CALL = re.compile(r"Failed to load resource: .* status of 4\d\d ")


class Faults:
    """What has gone wrong in a browser, in words."""

    def __init__(self) -> None:
        self._found: list[str] = []
        self._forgiven: list[str] = []
        self._origins: set[str] = set()
        self._news = asyncio.Event()

    def add(self, fault: str) -> None:
        """Take a fault down, unless it is of a kind that is forgiven."""
        if not any(words in fault for words in self._forgiven):
            self._found.append(fault)
            self._news.set()

    def forgive(self, words: str) -> None:
        """Overlook, until `take`, all faults that hold these words: the test brings them about."""
        self._forgiven.append(words)

    async def notice(self, words: str) -> None:
        """Wait for a fault that holds these words, and forgive it: the test has brought it about."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not any(words in fault for fault in self._found):
                self._news.clear()
                await self._news.wait()
        self._found = [fault for fault in self._found if words not in fault]

    def take(self) -> list[str]:
        """Return what has been found since the last time, and begin anew."""
        found, self._found, self._forgiven = self._found, [], []
        return found

    def expect_origin(self, origin: str) -> None:
        """Take requests to an origin for good; all others are faults."""
        self._origins.add(origin)

    def check_request(self, url: str) -> None:
        """Take down a request that goes where it has no business."""
        parts = urlsplit(url.removeprefix("blob:"))
        if parts.scheme != "data" and f"{parts.scheme}://{parts.netloc}" not in self._origins:
            self.add(f"request to {url}")

    def watch(self, context: BrowserContext) -> None:
        """Watch all pages of a context."""

        def on_page(page: Page) -> None:
            page.on("crash", lambda _: self.add("page crashed"))

        context.on("page", on_page)
        context.on("request", lambda request: self.check_request(request.url))
        context.on("weberror", lambda error: self.add(f"page error: {error.error}"))
        context.on("console", self._on_console)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type != "error":
            return
        path = urlsplit(message.location["url"]).path
        is_call = path.startswith("/paperplane.") or path in ("/attachments", "/photo")
        if not (is_call and _REFUSED_CALL.match(message.text)):
            self.add(f"console: {message.text} ({path})")


class WorkerWatch:
    """Hears the errors of shared workers, in which the page's live connection runs. Playwright does not.

    Arguments:
        session: speaks with the whole browser.
        faults: where errors go.
    """

    def __init__(self, session: CDPSession, faults: Faults) -> None:
        self._session = session
        self._faults = faults
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self) -> None:
        """Watch all workers from now on."""
        self._session.on("Target.targetCreated", self._on_target)
        self._session.on("Target.receivedMessageFromTarget", self._on_message)
        await command(self._session, "Target.setDiscoverTargets", discover=True)

    def _on_target(self, event: Json) -> None:
        if event["targetInfo"]["type"] == "shared_worker":
            self._soon(self._attach(event["targetInfo"]["targetId"]))

    async def _attach(self, target: str) -> None:
        attached = await command(
            self._session, "Target.attachToTarget", targetId=target, flatten=False
        )
        for method in ("Runtime.enable", "Network.enable"):
            await self._tell(attached["sessionId"], method)

    async def _tell(self, worker: str, method: str) -> None:
        message = json.dumps({"id": 1, "method": method})
        await command(
            self._session, "Target.sendMessageToTarget", sessionId=worker, message=message
        )

    def _on_message(self, event: Json) -> None:
        message: Json = json.loads(event["message"])
        content: Json = message.get("params", {})
        match message.get("method"):
            case "Inspector.targetReloadedAfterCrash":
                # So it is called when the last tab was reloaded; the worker waits for whoever watches it.
                self._soon(self._tell(event["sessionId"], "Runtime.runIfWaitingForDebugger"))
            case "Runtime.exceptionThrown":
                self._faults.add(f"worker error: {content['exceptionDetails']}")
            case "Runtime.consoleAPICalled" if content["type"] == "error":
                self._faults.add(f"worker console: {content['args']}")
            case "Network.requestWillBeSent":
                self._faults.check_request(content["request"]["url"])
            case _:
                pass

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(_as_far_as_possible(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _as_far_as_possible(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except PlaywrightError as error:
        # The worker has gone with its last tab.
        if "closed" not in error.message and "session" not in error.message.lower():
            raise


async def watch_workers(browser: Browser, faults: Faults) -> None:
    """Watch the shared workers of a browser."""
    await WorkerWatch(await browser.new_browser_cdp_session(), faults).begin()
