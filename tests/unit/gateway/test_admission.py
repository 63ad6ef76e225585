"""What is read of a caller's metadata."""

from __future__ import annotations

import pytest

from gateway.admission import read_presented

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize("request_id", ["x", "a-b_c.d/e", "!" * 128])
def test_a_well_formed_request_id_is_kept(request_id: str) -> None:
    assert read_presented([("x-request-id", request_id)]).request_id == request_id


@pytest.mark.parametrize("request_id", ["", " ", "a b", "x" * 129, "é", "a\n", "a\t"])
def test_a_malformed_request_id_is_replaced(request_id: str) -> None:
    made = read_presented([("x-request-id", request_id)]).request_id

    assert made != request_id
    assert len(made) == 16


def test_each_call_without_a_request_id_gets_its_own() -> None:
    assert read_presented([]).request_id != read_presented([]).request_id


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "00",
        TRACE.upper(),
        TRACE.replace("00-", "ff-", 1),
        TRACE + "-x",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01",
    ],
)
def test_a_malformed_trace_is_dropped_with_its_state(traceparent: str) -> None:
    presented = read_presented([("traceparent", traceparent), ("tracestate", "a=b")])

    assert (presented.traceparent, presented.tracestate) == ("", "")


@pytest.mark.parametrize("tracestate", ["x" * 513, "é", "a\nb"])
def test_a_malformed_trace_state_is_dropped_alone(tracestate: str) -> None:
    presented = read_presented([("traceparent", TRACE), ("tracestate", tracestate)])

    assert (presented.traceparent, presented.tracestate) == (TRACE, "")


def test_binary_metadata_is_passed_over() -> None:
    assert read_presented([("authorization", b"Bearer x")]).authorization == ""
