"""Errors: each refusal has its status, and nothing else shows what it says."""

from __future__ import annotations

import pkgutil
from datetime import timedelta
from importlib import import_module
from types import ModuleType

import pytest
from google.rpc import error_details_pb2
from grpc import StatusCode

import chassis
import services.messaging
from chassis.errors import CHASSIS_ERRORS, CODES, ErrorSpec, ErrorTable
from chassis.files import refusals as files
from chassis.refusals import (
    FieldViolation,
    InvalidRequest,
    OutcomeUnknown,
    Refusal,
    StorageUnavailable,
)
from services.messaging.domain import ChannelClosed, FriendshipUnavailable, StaleGrant
from services.messaging.errors import ERRORS

TABLE = ErrorTable("paperplane", ERRORS)


def refusals_of(package: ModuleType) -> set[type[Refusal]]:
    found: set[type[Refusal]] = set()
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if "migrations" in module.name or module.name.endswith("__main__"):
            continue
        found |= {
            kind
            for kind in vars(import_module(module.name)).values()
            if isinstance(kind, type)
            and issubclass(kind, Refusal)
            and kind.__module__.startswith(package.__name__)
        }
    found.discard(Refusal)
    return found


OF_FILES: set[type[Refusal]] = {
    kind
    for kind in vars(files).values()
    if isinstance(kind, type) and kind.__module__ == files.__name__
}


def test_every_refusal_of_a_file_has_a_status() -> None:
    for kind in OF_FILES:
        assert any(base in OF_FILES & set(ERRORS) for base in kind.__mro__), kind


def test_every_refusal_of_the_chassis_has_a_status() -> None:
    assert refusals_of(chassis) - OF_FILES == set(CHASSIS_ERRORS)


def test_every_refusal_of_messaging_has_a_status() -> None:
    # A grant that stays out of date is friendship's silence to callers.
    assert refusals_of(services.messaging) == set(ERRORS) - OF_FILES | {StaleGrant}
    stale, unavailable = TABLE.status(StaleGrant()), TABLE.status(FriendshipUnavailable())
    assert stale == unavailable


@pytest.mark.parametrize(
    "spec", TABLE.specs.values(), ids=lambda spec: spec.reason if spec else "none"
)
def test_status_says_what_to_do(spec: ErrorSpec) -> None:
    assert spec.reason.isupper()
    assert spec.reason.replace("_", "").isalpha()
    assert spec.message.endswith((".", "<token>."))
    assert len(spec.message) > 20
    assert spec.code not in (StatusCode.OK, StatusCode.INTERNAL, StatusCode.UNKNOWN)


def test_reasons_of_one_service_are_not_shared() -> None:
    reasons = [spec.reason for spec in ERRORS.values()]
    assert len(set(reasons)) == len(reasons)
    assert not set(reasons) & {spec.reason for spec in CHASSIS_ERRORS.values()}


class Unmapped(Refusal):
    """A refusal that no table knows."""


class Special(ChannelClosed):
    """A refusal that is looked up by its base."""


@pytest.mark.parametrize(
    "error", [ValueError("secret words"), Unmapped(), Exception("secret words"), KeyError("secret")]
)
def test_what_is_not_mapped_is_masked(error: Exception) -> None:
    status = TABLE.status(error, "request-7")
    assert CODES[status.code] is StatusCode.INTERNAL
    assert "secret" not in str(status)
    assert type(error).__name__ not in str(status)
    assert "request-7" in status.message


def test_refusal_is_looked_up_by_its_bases() -> None:
    assert TABLE.status(Special()) == TABLE.status(ChannelClosed())


def test_status_carries_its_details() -> None:
    refusal = InvalidRequest(
        (FieldViolation("text", "too long"), FieldViolation("seq", "below 1")),
        retry_after=timedelta(seconds=1.5),
    )
    status = TABLE.status(refusal)
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(bad)
    assert status.details[2].Unpack(retry)
    assert (info.reason, info.domain) == ("INVALID_REQUEST", "paperplane")
    assert [(v.field, v.description) for v in bad.field_violations] == [
        ("text", "too long"),
        ("seq", "below 1"),
    ]
    assert retry.retry_delay.ToTimedelta() == timedelta(seconds=1.5)


def test_what_is_unavailable_says_when_to_try_again() -> None:
    retry = error_details_pb2.RetryInfo()
    for kind in (StorageUnavailable, OutcomeUnknown, FriendshipUnavailable):
        status = TABLE.status(kind())
        assert status.details[-1].Unpack(retry)
        assert retry.retry_delay.ToTimedelta() > timedelta(0)
    assert len(TABLE.status(ChannelClosed()).details) == 1
