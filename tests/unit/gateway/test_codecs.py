"""What becomes of JSON bodies, whatever they hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from chassis.refusals import InvalidRequest
from gateway.codecs import parse_json, render_json
from paperplane.friendship.v1 import friendship_pb2
from paperplane.messaging.v1 import messaging_pb2

REQUESTS: list[Any] = [
    friendship_pb2.UpdatePersonRequest,
    friendship_pb2.ListFriendRequestsRequest,
    messaging_pb2.SendMessageRequest,
    messaging_pb2.ListMessagesRequest,
]
NAMES = sorted({field.json_name for kind in REQUESTS for field in kind.DESCRIPTOR.fields})


def parsed_or_refused(data: bytes, kind: Any) -> bytes | None:
    try:
        return parse_json(data, kind)
    except InvalidRequest:
        return None


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), children, max_size=3)
    ),
    max_leaves=8,
)


@given(value=values, kind=st.sampled_from(REQUESTS))
def test_any_json_is_a_request_or_refused(value: Any, kind: Any) -> None:
    text = json.dumps(value)

    data = parsed_or_refused(text.encode(), kind)

    if data is not None:
        assert json_format.Parse(text, kind()) == kind.FromString(data)


@given(data=st.binary(max_size=40), kind=st.sampled_from(REQUESTS))
def test_any_bytes_are_a_request_or_refused(data: bytes, kind: Any) -> None:
    assert parsed_or_refused(data, kind) in (None, b"")


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_every_script_survives_both_ways(text: str) -> None:
    data = parse_json(json.dumps({"text": text}).encode(), messaging_pb2.SendMessageRequest)

    assert messaging_pb2.SendMessageRequest.FromString(data).text == text
    assert json.loads(render_json(data, messaging_pb2.SendMessageRequest)).get("text", "") == text


@pytest.mark.parametrize("body", [b"", b"  ", b"{}"])
def test_nothing_is_an_empty_request(body: bytes) -> None:
    assert parse_json(body, messaging_pb2.SendMessageRequest) == b""


def test_both_spellings_of_a_field_are_read() -> None:
    for name in ("clientMessageId", "client_message_id"):
        data = parse_json(json.dumps({name: "x"}).encode(), messaging_pb2.SendMessageRequest)
        assert messaging_pb2.SendMessageRequest.FromString(data).client_message_id == "x"


def test_responses_are_compact_and_as_proto_json_says() -> None:
    message = messaging_pb2.Message(seq=7, text="„Zoë“", channel_id="c")
    message.create_time.FromSeconds(0)

    assert render_json(message.SerializeToString(), messaging_pb2.Message).decode() == (
        '{"channelId":"c","seq":"7","text":"„Zoë“","createTime":"1970-01-01T00:00:00Z"}'
    )
