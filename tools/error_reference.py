"""Writes docs/errors.md, every error that callers can get, from the tables that make them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from chassis.errors import CHASSIS_ERRORS
from gateway.errors import GATEWAY_ERRORS
from services.friendship.errors import ERRORS as FRIENDSHIP_ERRORS
from services.messaging.errors import ERRORS as MESSAGING_ERRORS

if TYPE_CHECKING:
    from chassis.errors import ErrorSpec
    from chassis.refusals import Refusal

PAGE = Path(__file__).parents[1] / "docs" / "errors.md"

_HEAD = """\
# Errors

Generated from the error tables of the code by `.venv/bin/python -m tools.error_reference`; a test fails when it is
stale.

Every error is a `google.rpc.Status`: a code, a sentence for people, and details. Among the details is always a
`google.rpc.ErrorInfo` whose `domain` is `paperplane` and whose `reason` is one of those below. Program against the
code and the reason; they are part of the contract, the sentences are not. Two more details come where they help:
`google.rpc.BadRequest` names the fields at fault, `google.rpc.RetryInfo` says when to go on. (One error comes
without details: on the gRPC port, the library itself refuses a request above 1 MiB with `RESOURCE_EXHAUSTED`.)
"""
_WHERE: list[tuple[str, ...]] = [
    ("You call with", "Where the reason is"),
    ("gRPC", "trailing metadata `grpc-status-details-bin`; every gRPC library can read it"),
    (
        "Connect (JSON)",
        "the body: `details[].debug.reason`, where `details[].type` is `google.rpc.ErrorInfo`",
    ),
    ("gRPC-Web", "the trailer `grpc-status-details-bin`"),
    ("`paperplane` (CLI)", "in parentheses behind the sentence; with `--json`, `error.reason`"),
]
_BY_CODE_HEAD = "What to do by the code alone:"
_BY_CODE: list[tuple[str, ...]] = [
    ("Code", "HTTP (Connect)", "What to do"),
    (
        "`UNAVAILABLE`",
        "503",
        "try again: first after the `RetryInfo`'s delay, then with one that grows",
    ),
    ("`ABORTED`", "409", "watch again from the last cursor"),
    ("`DEADLINE_EXCEEDED`", "504", "call again if the call is safe to repeat"),
    ("`RESOURCE_EXHAUSTED`", "429", "wait for the `RetryInfo`'s delay, if there is one"),
    ("`UNAUTHENTICATED`", "401", "get a fresh token"),
    ("`INVALID_ARGUMENT`, `UNIMPLEMENTED`", "400, 501", "correct the program"),
    (
        "`FAILED_PRECONDITION`, `ALREADY_EXISTS`",
        "400, 409",
        "change the state that stands in the way; see the reason",
    ),
    (
        "`PERMISSION_DENIED`, `NOT_FOUND`",
        "403, 404",
        "it is not yours to do, or not there; the same again won't help",
    ),
    ("`INTERNAL`", "500", "report it with the request id that the sentence holds"),
]
_REPEATING = """\
Commands are safe to repeat: the same command by the same person, while its effect stands, is OK. `SendMessage` is, with
a `client_message_id`.
"""

_SECTIONS: tuple[tuple[str, Mapping[type[Refusal], ErrorSpec]], ...] = (
    ("Any call, at the gateway", GATEWAY_ERRORS),
    ("Any call, at a service", CHASSIS_ERRORS),
    ("People, requests, friendships", FRIENDSHIP_ERRORS),
    ("Channels and messages", MESSAGING_ERRORS),
)
_INTERNAL = (
    "`INTERNAL`",
    f"`{grpc.StatusCode.INTERNAL.name}`",
    "A fault of ours. Report it with this request id: …",
)


def page() -> str:
    """Return the whole page."""
    by_code = [_BY_CODE_HEAD, "", *aligned(_BY_CODE), ""]
    return "\n".join([_HEAD, *aligned(_WHERE), "", *by_code, _REPEATING, *_sections()])


def _sections() -> Iterator[str]:
    for title, table in _SECTIONS:
        rows = [
            (f"`{spec.reason}`", f"`{spec.code.name}`", escape(spec.message, quote=False))
            for spec in table.values()
        ]
        if table is CHASSIS_ERRORS:
            rows.append(_INTERNAL)
        yield f"## {title}\n"
        yield from aligned([("Reason", "Code", "What it says"), *sorted(rows)])
        yield ""


def aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield the lines of a Markdown table; its first row is the head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for number, row in enumerate(rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"| {' | '.join(cells)} |"
        if number == 0:
            yield f"| {' | '.join('-' * width for width in widths)} |"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
