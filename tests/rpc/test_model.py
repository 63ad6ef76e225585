"""Whatever several people do, in whatever order: every answer, list and event is what the model says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Generator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import grpc
import pytest
from grpc import StatusCode
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from paperplane.friendship.v1 import friendship_pb2 as fpb
from paperplane.messaging.v1 import messaging_pb2 as mpb
from tests.support.friendship import reason_of, refusal
from tests.support.model import Message, Model, Pair, Refused, Request
from tests.support.model_events import About, friendship_events, messaging_events
from tests.support.model_views import (
    Expected,
    shown_channel,
    shown_message,
    shown_person,
    shown_request,
)
from tests.support.services import Member, Services, both_services

T = TypeVar("T")
STATUS = {
    "NOT_WITH_YOURSELF": StatusCode.INVALID_ARGUMENT,
    "PERSON_NOT_FOUND": StatusCode.NOT_FOUND,
    "PERSON_BLOCKED": StatusCode.FAILED_PRECONDITION,
    "REQUEST_NOT_FOUND": StatusCode.NOT_FOUND,
    "REQUEST_NOT_PENDING": StatusCode.FAILED_PRECONDITION,
    "CHANNEL_NOT_FOUND": StatusCode.NOT_FOUND,
    "CHANNEL_CLOSED": StatusCode.PERMISSION_DENIED,
    "CLIENT_MESSAGE_ID_REUSED": StatusCode.ALREADY_EXISTS,
    "MESSAGE_NOT_FOUND": StatusCode.NOT_FOUND,
    "MESSAGE_DELETED": StatusCode.FAILED_PRECONDITION,
    "NOT_THE_SENDER": StatusCode.PERMISSION_DENIED,
}
NOWHERE = "no-such-id"
PEOPLE = st.integers(0, 2)
TWO_PEOPLE = st.sampled_from([*[(0, 1), (1, 0)] * 3, (0, 2), (2, 0), (1, 2), (2, 1)])
"""Mostly the same two: the longer their story, the stranger the places that it comes to."""
NOTES = st.sampled_from(["", "hello", "ça va?"])
TEXTS = st.sampled_from(["one", "two", "drei\n✈"])
WHO = st.sampled_from([0, 1, 0, 1, 0, 1, 2])
"""One of the two of a channel, or now and then the third, who is not of them."""
LATEST = st.integers(0, 4)
"""Which of several, counted from the latest."""


MOVES: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "ask": {"two": TWO_PEOPLE, "note": NOTES},
    "befriend_or_part": {"two": TWO_PEOPLE},
    "answer": {"which": LATEST, "how": st.sampled_from(["accept", "ignore", "ignore", "cancel"])},
    "answer_anything": {
        "which": LATEST,
        "me": PEOPLE,
        "how": st.sampled_from(["accept", "ignore", "cancel"]),
    },
    "part": {
        "two": TWO_PEOPLE,
        "how": st.sampled_from(["remove", "block", "unblock", "unblock"]),
    },
    "send": {
        "which": LATEST,
        "who": WHO,
        "client_id": st.sampled_from(["", "", "", "c1", "c2"]),
        "text": TEXTS,
    },
    "edit_or_delete": {"which": LATEST, "who": WHO, "back": LATEST, "text": TEXTS | st.none()},
    "mark_read": {"which": LATEST, "who": WHO, "back": LATEST},
    "look_and_type": {"which": LATEST, "who": WHO},
    "look_for_channel": {"me": PEOPLE, "other": PEOPLE},
    "make_a_mistake": {
        "me": PEOPLE,
        "how": st.sampled_from(["remove", "block", "unblock", "ask", "cancel"]),
    },
}
OFTEN = ("ask", "answer", "answer", "befriend_or_part", "send", "send", "mark_read")
"""Moves to make twice as often as others, or three times."""
A_MOVE = st.one_of(
    [st.tuples(st.just(name), st.fixed_dictionaries(MOVES[name])) for name in (*MOVES, *OFTEN)]
)


@dataclass
class World:
    """The two services, and the loop that they live on, which runs while a step is made."""

    runner: asyncio.Runner
    services: Services
    connections: list[tuple[grpc.aio.Channel, grpc.aio.Channel]]


@pytest.fixture
def world() -> Generator[World]:
    with asyncio.Runner() as runner:
        running = both_services()
        services = runner.run(running.__aenter__())
        try:
            yield World(runner, services, [runner.run(services.connections()) for _ in range(3)])
        finally:
            runner.run(running.__aexit__(None, None, None))


class People(RuleBasedStateMachine):
    """Three new people of a running world, and what the model says of them."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.runner = world.runner
        self.ids = world.services.new_ids("abc")
        self.members = {
            id_: Member(id_, *connection)
            for id_, connection in zip(self.ids, world.connections, strict=True)
        }
        self.model = Model()
        self.expected = Expected(self.model)
        self.channel_ids = self.expected.channel_ids
        self.friendship_log: dict[str, list[tuple[str, str]]] = {id_: [] for id_ in self.ids}
        self.messaging_log: dict[str, list[tuple[str, About]]] = {id_: [] for id_ in self.ids}
        self.people_to_compare = set[Pair]()
        """Pairs whose two may see each other, and requests, differently since the last comparison."""
        self.channels_to_compare = set[Pair]()
        self.agreed = True
        self.run(self._enter())

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    async def _enter(self) -> None:
        await asyncio.gather(*(member.enter() for member in self.members.values()))

    def command(
        self,
        me: str,
        predict: Callable[[Model], object],
        act: Callable[[Member], Coroutine[Any, Any, T]],
        changes: tuple[set[Pair], Pair] | None = None,
    ) -> T | None:
        """Do something in the model and in the services; return the answer if it is not refused.

        Arguments:
            me: who does it.
            predict: does it in the model.
            act: does it in the services.
            changes: what to compare if it is not refused.
        """
        self.agreed = False
        before = deepcopy(self.model)
        member = self.members[me]
        reason = ""
        try:
            predict(self.model)
        except Refused as refused:
            reason = str(refused)
        if reason:
            got = self.run(refusal(act(member)))
            assert (got.code, got.reason) == (STATUS[reason], reason)
            return None
        answer = self.run(act(member))
        for person, kind, about in friendship_events(before, self.model):
            self.friendship_log[person].append((kind, str(about)))
        for person, kind, what in messaging_events(before, self.model):
            self.messaging_log[person].append((kind, what))
            self.channels_to_compare.add(self.model.pairs[what[0]])
        if changes is not None:
            changes[0].add(changes[1])
        return answer

    @rule(move=A_MOVE)
    def make(self, move: tuple[str, dict[str, Any]]) -> None:
        """Make a move. One rule for all: of many, hypothesis would leave half out of each example."""
        name, arguments = move
        getattr(self, name)(**arguments)

    # ---- commands upon people and requests ---------------------------------------------------------

    def ask(self, two: tuple[int, int], note: str) -> None:
        self._ask(self.ids[two[0]], self.ids[two[1]], note)

    def befriend_or_part(self, two: tuple[int, int]) -> None:
        """Do what changes most, as chance alone would not often enough."""
        me, other = (self.ids[person] for person in two)
        if self.model.pair(me, other).friends:
            self._part(*two, "remove")
            return
        self._ask(me, other, "")
        request = self.model.pair(me, other).request
        if request is not None:
            self._answer(request, request.addressee, "accept")

    def answer(self, which: int, how: str) -> None:
        """Answer a request that waits, if one does, as the one who may."""
        if not self.model.requests:
            return
        pending = [request for request in self.model.requests if request.state == "PENDING"]
        request = latest(pending or self.model.requests, which)
        self._answer(request, request.requester if how == "cancel" else request.addressee, how)

    def answer_anything(self, which: int, me: int, how: str) -> None:
        """Answer a request that may be of the past, or another's."""
        if not self.model.requests:
            return
        self._answer(latest(self.model.requests, which), self.ids[me], how)

    def part(self, two: tuple[int, int], how: str) -> None:
        self._part(*two, how)

    def make_a_mistake(self, me: int, how: str) -> None:
        """Act upon oneself, or upon what there is not."""
        member = self.members[self.ids[me]]
        if how == "ask":
            self._ask(member.id, member.id, "")
        elif how != "cancel":
            self._part(me, me, how)
        else:
            for answer in (member.accept, member.ignore, member.cancel):
                assert self.run(reason_of(answer(NOWHERE))) == "REQUEST_NOT_FOUND"
            assert self.run(reason_of(member.delete(NOWHERE, 1))) == "CHANNEL_NOT_FOUND"

    def _outsider(self, two: Collection[str]) -> str:
        (outsider,) = set(self.ids) - set(two)
        return outsider

    def _ask(self, me: str, other: str, note: str) -> None:
        answer = self.command(
            me,
            lambda model: model.ask(me, other, note),
            lambda member: member.ask(self.members[other], note),
            None if me == other else (self.people_to_compare, self.model.pair(me, other)),
        )
        if answer is not None:
            request = self.model.pair(me, other).request
            assert request is not None
            if not request.request_id:
                assert answer.request_id not in {r.request_id for r in self.model.requests}
                request.request_id = answer.request_id
            assert shown_request(answer) == self.expected.request(me, request)

    def _answer(self, request: Request, me: str, how: str) -> None:
        answer = self.command(
            me,
            lambda model: getattr(model, how)(me, request),
            lambda member: getattr(member, how)(request.request_id),
            (self.people_to_compare, request.pair),
        )
        if answer is not None:
            assert shown_request(answer) == self.expected.request(me, request)

    def _part(self, me: int, other: int, how: str) -> None:
        one, two = self.ids[me], self.ids[other]
        self.command(
            one,
            lambda model: getattr(model, how)(one, two),
            lambda member: getattr(member, how)(self.members[two]),
            None if one == two else (self.people_to_compare, self.model.pair(one, two)),
        )

    # ---- commands upon channels and messages -------------------------------------------------------

    def send(self, which: int, who: int, client_id: str, text: str) -> None:
        self._upon_message(
            which,
            who,
            lambda model, me, pair: model.send(me, pair, client_id, text),
            lambda member, channel_id: member.send(channel_id, text, client_id),
        )

    def edit_or_delete(self, which: int, who: int, back: int, text: str | None) -> None:
        seq = self._seq(which, back)

        def predict(model: Model, me: str, pair: Pair) -> Message:
            return model.edit(me, pair, seq, text) if text else model.delete(me, pair, seq)

        def act(member: Member, channel_id: str) -> Coroutine[Any, Any, mpb.Message]:
            return member.edit(channel_id, seq, text) if text else member.delete(channel_id, seq)

        self._upon_message(which, who, predict, act)

    def mark_read(self, which: int, who: int, back: int) -> None:
        seq = self._seq(which, back)
        self._upon_channel(
            which,
            who,
            lambda model, me, pair: model.mark_read(me, pair, seq),
            lambda member, channel_id: member.mark_read(channel_id, seq),
        )

    def look_and_type(self, which: int, who: int) -> None:
        if not self.model.channels:
            return
        pair = latest(self.model.channels, which)
        me = self._who(pair, who)

        def predict(_: Model) -> None:
            self._require(me, pair)
            if not pair.friends:
                raise Refused("CHANNEL_CLOSED")

        self.command(me, predict, lambda member: member.type(self.channel_ids[pair]))
        self._upon_channel(
            which,
            who,
            lambda _model, _me, _pair: None,
            lambda member, channel_id: member.channel(channel_id),
        )

    def look_for_channel(self, me: int, other: int) -> None:
        one, two = self.ids[me], self.ids[other]

        def predict(model: Model) -> None:
            if one == two or model.pair(one, two) not in model.channels:
                raise Refused("CHANNEL_NOT_FOUND")

        answer = self.command(one, predict, lambda member: member.channel_with(self.members[two]))
        if answer is not None:
            assert shown_channel(answer) == self.expected.channel(one, self.model.pair(one, two))

    def _who(self, pair: Pair, who: int) -> str:
        """Return one of the two of a channel, or the one who is not of them."""
        people = self.expected.people(pair)
        return [*sorted(people), self._outsider(people)][who]

    def _seq(self, which: int, back: int) -> int:
        """Return a place in a channel, counted from the end: 0 is the last, 4 the one after it."""
        if not self.model.channels:
            return 1
        messages = latest(self.model.channels, which).messages
        if back == 4 or not messages:
            return len(messages) + 1
        return len(messages) - back % len(messages)

    def _require(self, me: str, pair: Pair) -> None:
        if me not in self.expected.people(pair):
            raise Refused("CHANNEL_NOT_FOUND")

    def _upon_channel(
        self,
        which: int,
        who: int,
        predict: Callable[[Model, str, Pair], None],
        act: Callable[[Member, str], Coroutine[Any, Any, mpb.Channel]],
    ) -> None:
        if not self.model.channels:
            return
        pair = latest(self.model.channels, which)
        me = self._who(pair, who)

        def predict_here(model: Model) -> None:
            self._require(me, pair)
            predict(model, me, pair)

        answer = self.command(
            me,
            predict_here,
            lambda member: act(member, self.channel_ids[pair]),
            (self.channels_to_compare, pair),
        )
        if answer is not None:
            assert shown_channel(answer) == self.expected.channel(me, pair)

    def _upon_message(
        self,
        which: int,
        who: int,
        predict: Callable[[Model, str, Pair], Message],
        act: Callable[[Member, str], Coroutine[Any, Any, mpb.Message]],
    ) -> None:
        if not self.model.channels:
            return
        pair = latest(self.model.channels, which)
        me = self._who(pair, who)
        predicted: list[Message] = []

        def predict_here(model: Model) -> None:
            self._require(me, pair)
            predicted.append(predict(model, me, pair))

        answer = self.command(
            me,
            predict_here,
            lambda member: act(member, self.channel_ids[pair]),
            (self.channels_to_compare, pair),
        )
        if answer is not None:
            assert shown_message(answer) == self.expected.message(pair, predicted[0])

    # ---- what everyone sees ------------------------------------------------------------------------

    @invariant()
    def lists_agree(self) -> None:
        people = {me for pair in self.people_to_compare for me in self.expected.people(pair)}
        owners = {me for pair in self.channels_to_compare for me in self.expected.people(pair)}
        self.run(self._compare(people, owners, self.channels_to_compare))
        self.people_to_compare.clear()
        self.channels_to_compare.clear()
        self.agreed = True

    async def _compare(self, people: set[str], owners: set[str], channels: set[Pair]) -> None:
        """Compare what people see of each other, the channels of owners, and those channels' messages."""
        for pair in self.model.channels:
            if pair not in self.channel_ids:
                me, friend = self.expected.people(pair)
                listed = (await self.members[me].channels()).channels
                (id_,) = (known.channel_id for known in listed if known.friend_id == friend)
                self.channel_ids[pair] = id_
        assert len(set(self.channel_ids.values())) == len(self.channel_ids)
        await asyncio.gather(
            *(self._compare_people(self.members[me]) for me in sorted(people)),
            *(self._compare_channels(self.members[me]) for me in sorted(owners)),
            *(self._compare_history(pair) for pair in self.model.channels if pair in channels),
        )

    async def _compare_people(self, me: Member) -> None:
        others = [id_ for id_ in self.ids if id_ != me.id]
        relationship = {other: self.model.relationship(me.id, other) for other in others}
        mine = [request for request in reversed(self.model.requests) if request.requester == me.id]
        seen: list[Any] = await asyncio.gather(
            me.box(fpb.REQUEST_BOX_RECEIVED),
            me.box(fpb.REQUEST_BOX_SENT),
            me.box(fpb.REQUEST_BOX_IGNORED),
            me.friends(),
            me.blocked(),
            *(me.see(self.members[other]) for other in others),
        )
        received, sent, ignored, friends, blocked, *people = seen
        for box, expected in (
            (received, self.model.box(me.id, "PENDING")),
            (sent, [request for request in mine if request.state == "PENDING"]),
            (ignored, self.model.box(me.id, "IGNORED")),
        ):
            assert list(map(shown_request, box)) == [
                self.expected.request(me.id, request) for request in expected
            ]
        assert friends == [other for other in others if relationship[other] == "FRIENDS"]
        assert blocked == [other for other in others if relationship[other] == "BLOCKED"]
        assert list(map(shown_person, people)) == [
            (other, relationship[other], relationship[other] == "FRIENDS") for other in others
        ]

    async def _compare_channels(self, me: Member) -> None:
        mine = [
            pair for pair in reversed(self.model.channels) if me.id in self.expected.people(pair)
        ]
        assert list(map(shown_channel, (await me.channels()).channels)) == [
            self.expected.channel(me.id, pair) for pair in mine
        ]

    async def _compare_history(self, pair: Pair) -> None:
        expected = [self.expected.message(pair, message) for message in pair.messages]
        for me in self.expected.people(pair):
            history = await self.members[me].history(self.channel_ids[pair])
            assert list(map(shown_message, history)) == expected

    def teardown(self) -> None:
        if not self.agreed:
            # A step has failed: what follows from it is no news.
            return
        self.run(self._compare(set(self.ids), set(self.ids), set(self.model.channels)))
        for member in self.members.values():
            self.run(self._compare_friendship_log(member))
            self.run(self._compare_messaging_log(member))

    async def _compare_friendship_log(self, me: Member) -> None:
        for event, (kind, about) in zip(await me.events(), self.friendship_log[me.id], strict=True):
            assert event.WhichOneof("kind") == kind
            shown = getattr(event, kind)
            if kind.startswith("request_"):
                request = self.model.requests[int(about)]
                # An event shows its request as it is now.
                assert shown_request(shown.friend_request) == self.expected.request(me.id, request)
            else:
                assert shown.person_id == about
        friends = await me.call(me.friendship.ListFriends, fpb.ListFriendsRequest())
        assert await me.events(friends.cursor) == []

    async def _compare_messaging_log(self, me: Member) -> None:
        for event, (kind, (people, seq, reader)) in zip(
            await me.messaging_events(), self.messaging_log[me.id], strict=True
        ):
            assert event.WhichOneof("kind") == kind
            pair = self.model.pairs[people]
            if kind == "read":
                shown = (event.read.channel_id, event.read.seq, event.read.person_id)
                assert shown == (self.channel_ids[pair], seq, reader)
            elif kind.startswith("channel_"):
                channel = getattr(event, kind).channel
                assert shown_channel(channel) == self.expected.channel(me.id, pair)
            else:
                message = getattr(event, kind).message
                assert shown_message(message) == self.expected.message(pair, pair.messages[seq - 1])
        assert await me.messaging_events((await me.channels()).cursor) == []


def latest(things: Sequence[T], which: int) -> T:
    """Return one of several, counted from the latest."""
    return things[-1 - which % len(things)]


# What it drives is the same code on both databases; the ways in which they differ have tests of their own.
@pytest.mark.sqlite
@pytest.mark.slow
@pytest.mark.parametrize(
    ("examples", "steps"),
    [
        # Few and long: after ten, hypothesis mostly varies what it has tried. The time is what it
        # takes to make a failing example small.
        pytest.param(2, 80, id="some", marks=pytest.mark.timeout(600)),
        pytest.param(250, 60, id="many", marks=[pytest.mark.prove, pytest.mark.timeout(2400)]),
    ],
)
def test_services_do_what_the_model_does(world: World, examples: int, steps: int) -> None:
    run_state_machine_as_test(
        cast("type[People]", lambda: People(world)),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            # Real services take their time. In CI, hypothesis derandomizes of its own accord.
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
