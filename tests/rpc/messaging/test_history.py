"""Reading back: pages of messages in both directions, and tokens that fit nothing else."""

from __future__ import annotations

import asyncio
import base64

import pytest
from grpc import StatusCode

from paperplane.messaging.v1 import messaging_pb2 as pb
from tests.support.messaging import MessagingUnderTest, Person
from tests.support.refusals import refused

Friends = tuple[Person, Person, str]


@pytest.fixture
async def seven(friends: Friends) -> Friends:
    """Ann, Bob and their channel with seven messages."""
    ann, _, channel_id = friends
    for number in range(1, 8):
        await ann.send(channel_id, f"text {number}")
    return friends


def places(messages: list[pb.Message]) -> list[int]:
    return [message.seq for message in messages]


@pytest.mark.parametrize("page_size", [1, 2, 3, 6, 7, 8, 200])
async def test_pages_hold_every_message_once_in_both_directions(
    seven: Friends, page_size: int
) -> None:
    _, bob, channel_id = seven
    up, down = [1, 2, 3, 4, 5, 6, 7], [7, 6, 5, 4, 3, 2, 1]
    size = {"page_size": page_size}
    assert places(await bob.history(channel_id, **size)) == down
    assert places(await bob.history(channel_id, before_seq=100, **size)) == down
    assert places(await bob.history(channel_id, after_seq=0, **size)) == up
    assert places(await bob.history(channel_id, before_seq=4, **size)) == [3, 2, 1]
    assert places(await bob.history(channel_id, after_seq=4, **size)) == [5, 6, 7]
    assert await bob.history(channel_id, before_seq=1, **size) == []
    assert await bob.history(channel_id, after_seq=7, **size) == []


async def test_page_holds_as_many_as_asked_for(seven: Friends) -> None:
    _, bob, channel_id = seven
    assert places(list((await bob.page(channel_id, page_size=3)).messages)) == [7, 6, 5]
    whole = await bob.page(channel_id)
    assert len(whole.messages) == 7
    assert whole.next_page_token == ""


async def test_pages_stay_in_step_while_others_send(seven: Friends) -> None:
    """Backwards nothing new slips in; forwards all of it comes in the end."""
    ann, bob, channel_id = seven
    back, forth = "", ""
    backwards: list[pb.Message] = []
    forwards: list[pb.Message] = []
    while True:
        page = await bob.page(channel_id, page_size=2, page_token=back)
        backwards += page.messages
        page_up = await bob.page(channel_id, after_seq=0, page_size=2, page_token=forth)
        forwards += page_up.messages
        back, forth = page.next_page_token, page_up.next_page_token
        if not back:
            break
        await asyncio.gather(ann.send(channel_id, "meanwhile"), bob.send(channel_id, "meanwhile"))
    while forth:
        page_up = await bob.page(channel_id, after_seq=0, page_size=2, page_token=forth)
        forwards += page_up.messages
        forth = page_up.next_page_token

    assert places(backwards) == [7, 6, 5, 4, 3, 2, 1]
    assert places(forwards) == list(range(1, 14))


async def test_page_size_may_change_between_pages(seven: Friends) -> None:
    _, bob, channel_id = seven
    first = await bob.page(channel_id, page_size=2)
    second = await bob.page(channel_id, page_size=4, page_token=first.next_page_token)
    assert places(list(second.messages)) == [5, 4, 3, 2]


@pytest.mark.parametrize("page_size", [-1, 201])
async def test_page_size_out_of_bounds_is_refused(seven: Friends, page_size: int) -> None:
    _, bob, channel_id = seven
    for call in (bob.page(channel_id, page_size=page_size), bob.channels(page_size)):
        error = await refused(call)
        assert (error.code, error.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
        assert error.fields == ("page_size",)


@pytest.mark.parametrize("wrong", [{"before_seq": 0}, {"after_seq": -1}], ids=str)
async def test_start_out_of_bounds_is_refused(seven: Friends, wrong: dict[str, int]) -> None:
    _, bob, channel_id = seven
    error = await refused(bob.page(channel_id, **wrong))
    assert error.reason == "INVALID_REQUEST"
    assert error.fields == tuple(wrong)


async def test_page_of_long_texts_is_one_that_clients_can_receive(
    service: MessagingUnderTest, friends: Friends
) -> None:
    """16,384 characters of four bytes each: a page of 200 would be 13 MB, and clients take 4."""
    ann, bob, channel_id = friends
    long = "🙂" * 16_384
    sent = await asyncio.gather(*(ann.send(channel_id, long) for _ in range(80)))
    expected = sorted(message.seq for message in sent)

    first = await bob.page(channel_id, page_size=200)
    assert 1 <= len(first.messages) < 80
    assert first.ByteSize() < 2 * 1024 * 1024
    assert places(await bob.history(channel_id, page_size=200)) == expected[::-1]
    assert places(await bob.history(channel_id, after_seq=0, page_size=200)) == expected


async def test_list_of_channels_with_long_texts_is_one_that_clients_can_receive(
    service: MessagingUnderTest,
) -> None:
    ann = service.person("ann")
    names = [f"friend-{number:02}" for number in range(80)]
    for name in names:
        _, friend, channel_id = await service.friends("ann", name)
        await friend.send(channel_id, "🙂" * 16_384)

    found: list[str] = []
    token = ""
    while True:
        page = await ann.channels(200, token)
        assert page.ByteSize() < 2 * 1024 * 1024
        found += [channel.friend_id for channel in page.channels]
        token = page.next_page_token
        if not token:
            break
    assert found == names[::-1]


async def test_token_fits_nothing_but_its_list(service: MessagingUnderTest, seven: Friends) -> None:
    ann, bob, channel_id = seven
    _, eve, elsewhere = await service.friends("bob", "eve")
    await eve.send(elsewhere, "1")
    await eve.send(elsewhere, "2")
    token = (await bob.page(channel_id, after_seq=1, page_size=2)).next_page_token
    of_channels = (await bob.channels(1)).next_page_token
    cursor = (await bob.channels()).cursor
    assert token
    assert of_channels

    for call in (
        ann.page(channel_id, after_seq=1, page_token=token),
        bob.page(elsewhere, after_seq=1, page_token=token),
        bob.page(channel_id, after_seq=2, page_token=token),
        bob.page(channel_id, before_seq=1, page_token=token),
        bob.page(channel_id, page_token=token),
        bob.page(channel_id, after_seq=1, page_token=of_channels),
        bob.page(channel_id, after_seq=1, page_token=cursor),
        bob.channels(page_token=token),
        bob.channels(page_token=cursor),
        ann.channels(page_token=of_channels),
    ):
        error = await refused(call)
        assert (error.code, error.reason) == (StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")
    fits = await bob.page(channel_id, after_seq=1, page_token=token)
    assert places(list(fits.messages)) == [4, 5, 6, 7]


async def test_forged_tokens_are_refused(seven: Friends) -> None:
    _, bob, channel_id = seven
    token = (await bob.page(channel_id, page_size=2)).next_page_token
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    forged = [
        bytes(raw[:place]) + bytes([raw[place] ^ 1]) + bytes(raw[place + 1 :])
        for place in range(len(raw))
    ]
    texts = [base64.urlsafe_b64encode(each).decode().rstrip("=") for each in forged]
    # The payload is signed as it is: a token with more behind it is none.
    texts += [token + "AAAA", token[:-4], "a", "?", "x" * 2048, "é", " ", token + "\n"]
    for text in texts:
        error = await refused(bob.page(channel_id, page_token=text))
        assert (error.code, error.reason) == (StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")
    too_long = await refused(bob.page(channel_id, page_token="x" * 2049))
    assert too_long.reason == "INVALID_REQUEST"
