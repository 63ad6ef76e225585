"""What callers see of errors."""

from __future__ import annotations

import grpc
import pytest
from google.rpc import status_pb2

from chassis.refusals import Refusal
from gateway import errors
from gateway.errors import ERRORS, GATEWAY_ERRORS, ForwardedStatus, status_of
from tests.support.gateway import MARKER, refusal


def test_every_refusal_of_the_gateway_has_a_reason_of_its_own() -> None:
    refusals = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, Refusal) and kind is not Refusal
    }

    assert refusals == set(GATEWAY_ERRORS)
    assert all(spec.code is not grpc.StatusCode.OK for spec in ERRORS.specs.values())


def test_a_forwarded_status_is_itself() -> None:
    assert status_of(ForwardedStatus(refusal()), "id") == refusal()


@pytest.mark.parametrize("code", [0, 99, -1])
def test_a_forwarded_status_that_is_no_failure_is_masked(code: int) -> None:
    status = status_of(ForwardedStatus(status_pb2.Status(code=code, message=MARKER)), "my-id")

    assert status.code == grpc.StatusCode.INTERNAL.value[0]
    assert MARKER not in str(status)
    assert "my-id" in status.message


def test_a_fault_of_ours_is_masked() -> None:
    assert MARKER not in str(status_of(ValueError(MARKER), "my-id"))
