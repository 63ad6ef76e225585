"""A live conversation: what comes in is shown once, in order; what goes out is sent until it is."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cli.chat_input import (
    HELP,
    Delete,
    Download,
    Edit,
    Help,
    Quit,
    Send,
    SendFile,
    Unknown,
    parse,
)
from cli.client import Client, new_message_id
from cli.conversation import Conversation
from cli.downloads import attachments_of, download_attachment
from cli.errors import CliError, Misused, Refused, Unreachable, first_cause
from cli.rendering import file_size
from cli.screens import Screen
from cli.text import clean
from cli.uploads import LocalFile, local_files, upload_attachment
from paperplane.friendship.v1 import friendship_pb2 as friendship
from paperplane.messaging.v1 import messaging_pb2 as messaging

MOST_HISTORY = 1000
TYPING_SECONDS = 3.0
"""How often the friend is told at most that the caller types."""
_LONGEST_PAUSE_SECONDS = 5.0
_LATER = "RATE_LIMITED"
_LOST_CURSOR = ("CURSOR_EXPIRED", "CURSOR_INVALID")

Work = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class _FileMessage:
    """A file that is to be sent, and under which id it was uploaded once it is."""

    file: LocalFile
    text: str
    client_message_id: str
    attachment_id: str = ""


async def chat_with(
    client: Client,
    screen: Screen,
    friend: friendship.Person,
    least_history: int,
    wait_seconds: float,
) -> bool:
    """Talk with a person until the input ends.

    Arguments:
        client: of the one who talks.
        screen: where to show and to read.
        friend: with whom.
        least_history: how many messages to show at least; unread ones are shown beyond that.
        wait_seconds: how long the end of the input waits for what is not sent yet.

    Returns:
        Whether all that was typed was done.

    Raises:
        CliError: there is no channel with this person, or the chat can't go on.
    """
    # The cursor first: what happens while the history is read is then told by the watch.
    cursor = await _newest_cursor(client)
    channel = await client.channel_with(friend)
    unread = min(channel.last_seq - channel.read_seq, MOST_HISTORY)
    messages = await client.latest_messages(channel.channel_id, max(least_history, unread))
    screen.opened(friend, channel, messages)
    chat = _Chat(client, screen, Conversation(friend, channel, messages), cursor)
    return await chat.run(wait_seconds)


async def _newest_cursor(client: Client) -> str:
    listed = await client.call(
        client.messaging.ListChannels, messaging.ListChannelsRequest(page_size=1)
    )
    return listed.cursor


class _Chat:
    """One run of `chat_with`."""

    def __init__(
        self, client: Client, screen: Screen, conversation: Conversation, cursor: str
    ) -> None:
        self._client = client
        self._screen = screen
        self._conversation = conversation
        self._cursor = cursor
        self._outbox: asyncio.Queue[Work] = asyncio.Queue()
        # Apart from the outbox: what is typed does not wait for a file that comes in.
        self._downloads: asyncio.Queue[Work] = asyncio.Queue()
        self._all_done = True
        self._online = True
        self._marking = False
        self._typed_at = -TYPING_SECONDS
        self._tasks = asyncio.TaskGroup()

    async def run(self, wait_seconds: float) -> bool:
        try:
            async with self._tasks:
                background = [
                    self._tasks.create_task(self._watch()),
                    self._tasks.create_task(self._work(self._outbox)),
                    self._tasks.create_task(self._work(self._downloads)),
                ]
                self._mark_read()
                try:
                    await self._take_input()
                    await self._drain(wait_seconds)
                finally:
                    for task in background:
                        task.cancel()
        except ExceptionGroup as group:
            raise first_cause(group) from None
        return self._all_done

    # ---- what is typed ---------------------------------------------------------------------------

    async def _take_input(self) -> None:
        async with aclosing(self._screen.lines(self._typing)) as lines:
            async for line in lines:
                match parse(line):
                    case Quit():
                        return
                    case Help():
                        self._screen.say(HELP)
                    case Unknown(sentence):
                        self._fail(Misused(sentence, "UNKNOWN_COMMAND"), line)
                    case Send(text):
                        # One id for all attempts, so that the message is there once.
                        self._put(partial(self._send, text, new_message_id()))
                    case Edit(seq, text):
                        self._put(partial(self._edit, seq, text))
                    case Delete(seq):
                        self._put(partial(self._delete, seq))
                    case SendFile(path, text):
                        self._put_file(path, text, line)
                    case Download(seq):
                        self._downloads.put_nowait(partial(self._find_files, seq))
                    case None:
                        pass

    def _typing(self, text: str) -> None:
        """Tell the friend, at most every few seconds, and without minding whether it arrives."""
        now = time.monotonic()
        is_message = text and not text.startswith("/")
        if not is_message or not self._conversation.open or not self._online:
            return
        if now - self._typed_at >= TYPING_SECONDS:
            self._typed_at = now
            self._tasks.create_task(self._send_typing())

    async def _send_typing(self) -> None:
        request = messaging.SendTypingRequest(channel_id=self._conversation.channel_id)
        try:
            await self._client.call(self._client.messaging.SendTyping, request)
        except CliError:
            # Shown or lost: the watch tells by itself what is wrong.
            return

    # ---- what goes out ---------------------------------------------------------------------------

    def _put(self, work: Work) -> None:
        self._outbox.put_nowait(work)
        self._screen.waiting(self._outbox.qsize())

    def _put_file(self, path: str, text: str, line: str) -> None:
        try:
            [file] = local_files([Path(os.path.expanduser(path))])
        except Misused as error:
            self._fail(error, line)
        else:
            self._put(partial(self._send_file, _FileMessage(file, text, new_message_id())))

    async def _work(self, asked: asyncio.Queue[Work]) -> None:
        """Do what was asked for, one thing after the other, each until the server has answered."""
        while True:
            work = await asked.get()
            await self._until_answered(work)
            asked.task_done()
            self._screen.waiting(self._outbox.qsize())

    async def _until_answered(self, work: Work) -> None:
        attempts = 0
        while True:
            try:
                return await work()
            except Unreachable:
                # The screen says below that it waits, and it goes out again.
                pass
            except CliError as error:
                if error.reason != _LATER:
                    return self._fail(error)
            attempts += 1
            self._screen.waiting(self._outbox.qsize() + 1)
            await asyncio.sleep(_pause_seconds(attempts))

    async def _send(
        self, text: str, client_message_id: str, attachment_ids: Sequence[str] = ()
    ) -> None:
        request = messaging.SendMessageRequest(
            channel_id=self._conversation.channel_id,
            client_message_id=client_message_id,
            text=text,
            attachment_ids=attachment_ids,
        )
        try:
            sent = await self._client.call(self._client.messaging.SendMessage, request)
        except Refused as error:
            if error.reason == _LATER:
                raise
            self._fail(error, text)
        else:
            self._show(self._conversation.sent(sent.message))

    async def _send_file(self, message: _FileMessage) -> None:
        if not message.attachment_id:
            uploaded = await upload_attachment(self._client, message.file, self._screen.progress)
            # Uploaded once: a message that is sent again must be the same.
            message.attachment_id = uploaded.attachment_id
        await self._send(message.text, message.client_message_id, [message.attachment_id])

    async def _edit(self, seq: int | None, text: str) -> None:
        request = messaging.EditMessageRequest(
            channel_id=self._conversation.channel_id, seq=self._own(seq), text=text
        )
        await self._client.call(self._client.messaging.EditMessage, request)

    async def _delete(self, seq: int | None) -> None:
        request = messaging.DeleteMessageRequest(
            channel_id=self._conversation.channel_id, seq=self._own(seq)
        )
        await self._client.call(self._client.messaging.DeleteMessage, request)

    def _own(self, seq: int | None) -> int:
        found = seq or self._conversation.own_last_seq
        if not found:
            raise Refused("You have written nothing here that could be changed.", "NO_MESSAGE")
        return found

    async def _find_files(self, seq: int) -> None:
        message = await self._client.message(self._conversation.channel_id, seq)
        for attachment in attachments_of(message):
            self._downloads.put_nowait(partial(self._download, attachment))

    async def _download(self, attachment: messaging.Attachment) -> None:
        path = await download_attachment(self._client, attachment, Path(), self._screen.progress)
        self._screen.say(f"Saved {clean(str(path))} ({file_size(attachment)}).")

    def _mark_read(self) -> None:
        if not self._marking and self._conversation.has_unread():
            self._marking = True
            self._put(self._send_mark)

    async def _send_mark(self) -> None:
        # What is shown from now on needs a mark of its own.
        self._marking = False
        if not self._conversation.has_unread():
            return
        seq = self._conversation.friend_last_seq
        request = messaging.MarkReadRequest(channel_id=self._conversation.channel_id, seq=seq)
        await self._client.call(self._client.messaging.MarkRead, request)
        self._conversation.read_seq = max(self._conversation.read_seq, seq)

    def _fail(self, error: CliError, text: str = "") -> None:
        self._all_done = False
        self._screen.failed(error, text)

    async def _drain(self, wait_seconds: float) -> None:
        """Wait until all is sent and shown.

        Raises:
            Unreachable: it did not come to that.
        """
        try:
            async with asyncio.timeout(wait_seconds):
                await self._outbox.join()
                await self._downloads.join()
        except TimeoutError:
            left = self._outbox.qsize() + self._downloads.qsize() + 1
            raise Unreachable(
                f"The server can't be reached or is slow; {left} things typed last were not done.",
                "NOT_SENT",
                "UNAVAILABLE",
            ) from None
        self._show(self._conversation.flush())

    # ---- what comes in ---------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Follow the stream from cursor to cursor, whatever becomes of the connection."""
        failures = 0
        while True:
            try:
                request = messaging.WatchMessagesRequest(after_cursor=self._cursor)
                watch = self._client.stream(self._client.messaging.WatchMessages, request)
                async with aclosing(watch) as responses:
                    async for response in responses:
                        failures = 0
                        self._set_online(True)
                        self._cursor = response.cursor or self._cursor
                        self._show(self._conversation.apply(response.event))
            except Refused as error:
                if error.reason in _LOST_CURSOR:
                    await self._until_answered(self._list_anew)
                elif not _can_watch_again(error, failures):
                    raise
            except Unreachable:
                # One break is normal, when a server restarts or a stream's hour is over.
                if failures:
                    self._set_online(False)
            failures += 1
            await asyncio.sleep(_pause_seconds(failures))

    async def _list_anew(self) -> None:
        """Take up the conversation where the log no longer reaches back to."""
        cursor = await _newest_cursor(self._client)
        channel = await self._client.channel_with(self._conversation.friend)
        missed = await self._client.pages(
            self._client.messaging.ListMessages,
            messaging.ListMessagesRequest(
                channel_id=channel.channel_id, after_seq=self._conversation.last_seq
            ),
            "messages",
            MOST_HISTORY,
        )
        for message in missed.messages:
            event = messaging.Event(message_sent=messaging.MessageSent(message=message))
            self._show(self._conversation.apply(event))
        is_open = channel.state == messaging.CHANNEL_STATE_OPEN
        self._show(
            self._conversation.apply(
                messaging.Event(channel_opened=messaging.ChannelOpened(channel=channel))
                if is_open
                else messaging.Event(channel_closed=messaging.ChannelClosed(channel=channel))
            )
        )
        self._cursor = cursor

    def _show(self, news: list[messaging.Event]) -> None:
        for event in news:
            self._screen.happened(event)
        self._mark_read()

    def _set_online(self, online: bool) -> None:
        if online is not self._online:
            self._online = online
            self._screen.connection(online)


def _can_watch_again(error: Refused, failures: int) -> bool:
    if error.code == "UNAUTHENTICATED":
        # The token ran out; if a fresh one helps no more than the old, only the person can.
        return not failures
    return error.code in ("ABORTED", "RESOURCE_EXHAUSTED")


def _pause_seconds(attempts: int) -> float:
    """Return how long to wait before the next attempt: not at all, then ever longer."""
    if attempts <= 1:
        return 0.0
    return min(_LONGEST_PAUSE_SECONDS, 0.1 * 2.0**attempts) * random.uniform(0.5, 1.0)
