"""Carries out all that queued up in one transaction, whose locks no other writer can get in the way of.

Everyone locks first the channels, in the order of their ids, and then the heads of the inboxes, in the
order of theirs: two replicas that write at the same time may wait for each other, but never in a circle.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from chassis.database import apply_each
from services.messaging.domain import Pair, fence
from services.messaging.schema import inbox
from services.messaging.sending import Done, Send, SendSet
from services.messaging.store import find_channels, make_channels

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from services.messaging.sending import Fence


@dataclass(frozen=True, slots=True)
class Committed:
    """The result of a write, and whose doors to ring at once it is durable.

    Attributes:
        value: what the write returns.
        rings: the new last position of each inbox that grew.
    """

    value: Any
    rings: Mapping[str, int] = field(default_factory=dict[str, int])


class Act(NamedTuple):
    """Anything else that is written.

    Attributes:
        carry_out: does it.
        channel_ids: of the channels that it reads in order to change them.
        pairs: whose channels it reads so, and the id of each channel should there be none yet.
    """

    carry_out: Callable[[Connection], Done]
    channel_ids: Collection[str] = ()
    pairs: Mapping[Pair, str] = {}


Write = Send | Act
"""What the writer of this service carries out."""


def decide(connection: Connection, writes: Sequence[Write], fence: Fence = fence) -> list[Any]:
    """Carry out a batch of writes: the sends as one set, then all else one by one.

    What queued up together has no order of its own: nobody had an answer yet.

    Arguments:
        connection: a writing transaction.
        writes: the batch.
        fence: lets a send pass or not; see `domain.fence`.

    Returns:
        What came of each, in their order: `Committed` or a `Refusal`.
    """
    sends = [write for write in writes if isinstance(write, Send)]
    acts = [write for write in writes if isinstance(write, Act)]
    if acts:
        _lock(connection, sends, acts)
    sent = SendSet(connection, fence).decide(sends) if sends else []
    acted = apply_each(connection, [act.carry_out for act in acts])
    # In the order in which it happened, which is not that of the batch.
    done = [outcome for outcome in (*sent, *acted) if isinstance(outcome, Done)]
    heads = inbox.append(connection, [entry for each in done for entry in each.entries])
    of_sends, of_acts = iter(sent), iter(acted)
    outcomes = (next(of_sends if isinstance(write, Send) else of_acts) for write in writes)
    return [_committed(each, heads) if isinstance(each, Done) else each for each in outcomes]


def _lock(connection: Connection, sends: Sequence[Send], acts: Sequence[Act]) -> None:
    """Lock all channels of a batch at once: one after the other they would come in any order."""
    channel_ids = {channel_id for act in acts for channel_id in act.channel_ids}
    pairs = {pair: channel_id for act in acts for pair, channel_id in act.pairs.items()}
    if pairs:
        channel_ids.update(make_channels(connection, pairs))
    if channel_ids:
        channel_ids.update(send.channel_id for send in sends)
        find_channels(connection, channel_ids)


def _committed(done: Done, heads: Mapping[str, int]) -> Committed:
    return Committed(
        done.value, {entry.person_id: heads[entry.person_id] for entry in done.entries}
    )
