"""The live stream: a person's inbox, replayed from a cursor and followed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from chassis.inbox import CaughtUp, Cursors, InboxReader, Logged
from paperplane.messaging.v1 import messaging_pb2 as pb
from services.messaging import rendering, store
from services.messaging.messages import TypingSign

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from google.protobuf.timestamp_pb2 import Timestamp
    from sqlalchemy import Connection

    from chassis.clock import Clock
    from chassis.database import Database
    from services.messaging.domain import Channel
    from services.messaging.writing import Write


class Watching:
    """Follows inboxes on behalf of people.

    Arguments:
        database: the service's database.
        reader: follows inboxes.
        cursors: makes and reads cursors.
        clock: tells the time of what is in no log.
    """

    def __init__(
        self, database: Database[Write], reader: InboxReader, cursors: Cursors, clock: Clock
    ) -> None:
        self._database = database
        self._reader = reader
        self._cursors = cursors
        self._clock = clock

    async def watch(self, person_id: str, cursor: str) -> AsyncIterator[pb.WatchMessagesResponse]:
        """Yield what happened after a cursor, `caught_up`, and what happens.

        Raises:
            CursorInvalid, CursorExpired: refused.
            StreamTooSlow, ServerStopping: the watch must begin again from its last cursor.
        """
        after = self._cursors.position(person_id, cursor)
        async for step in self._reader.follow(person_id, after, rendering.events):
            here = self._cursors.at(person_id, step.position)
            match step:
                case Logged():
                    yield pb.WatchMessagesResponse(event=step.item, cursor=here)
                case CaughtUp():
                    event = pb.Event(event_time=self._now(), caught_up=pb.CaughtUp())
                    yield pb.WatchMessagesResponse(event=event, cursor=here)
                case _:
                    sign = TypingSign.from_bytes(step.whisper)
                    channel = await self._database.read(partial(_find, sign))
                    if channel is not None:
                        friend_id = channel.pair.other(person_id)
                        typing = pb.Typing(channel_id=sign.channel_id, person_id=friend_id)
                        event = pb.Event(event_time=self._now(), typing=typing)
                        yield pb.WatchMessagesResponse(event=event, cursor=here)

    def _now(self) -> Timestamp:
        return rendering.timestamp(self._clock())


def _find(sign: TypingSign, connection: Connection) -> Channel | None:
    """Return the channel of a sign, if the friendship that it was made in still stands."""
    channel = store.find_channel(connection, sign.channel_id)
    stands = channel is not None and channel.open and channel.epoch == sign.epoch
    return channel if stands else None
