"""Refusals: the errors that callers are told about, free of any transport.

Everything that is not a `Refusal` is a fault of ours and is masked before it reaches a caller.

    Refusal
    ├── InvalidRequest        a field breaks a rule
    ├── PageTokenInvalid      not a page token that this caller was given for this list
    ├── CursorInvalid         not a cursor that this caller was given
    ├── CursorExpired         a cursor that the log can no longer honour
    ├── StreamTooSlow         a watcher lags too far behind
    ├── ServerStopping        a stream ends because its server does
    ├── CallerUnknown         nobody is named as the caller
    ├── Expired               the caller's deadline passed before the work began
    ├── PeerUnavailable       another service can't be reached
    ├── StorageUnavailable    the database did not do its part; nothing was stored
    └── OutcomeUnknown        it may have been stored, or not
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field that breaks a rule: its path in the request, and what to do about it."""

    field: str
    description: str


class Refusal(Exception):
    """A call that was understood and is refused. Subclasses say why; a table maps them to status codes.

    Arguments:
        violations: the fields at fault, if any.
        retry_after: when it makes sense to try again, if that is known.
    """

    def __init__(
        self,
        violations: tuple[FieldViolation, ...] = (),
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__()
        self.violations = violations
        self.retry_after = retry_after


class InvalidRequest(Refusal):
    """A field of the request breaks a rule."""

    @classmethod
    def field(cls, field: str, description: str) -> InvalidRequest:
        """Make the refusal for a single field."""
        return cls((FieldViolation(field, description),))


class PageTokenInvalid(Refusal):
    """The page token was not given to this caller for this list."""


class CursorInvalid(Refusal):
    """The cursor was not given to this caller by this log."""


class CursorExpired(Refusal):
    """The cursor is of a log, or of a part of it, that is no more."""


class StreamTooSlow(Refusal):
    """The watcher lags too far behind what happens."""


class ServerStopping(Refusal):
    """The stream ends because its server stops; another one will take it up from its cursor."""


class CallerUnknown(Refusal):
    """The call needs a caller and names none."""


class Expired(Refusal):
    """The caller's deadline passed before the work was begun; nothing was done."""


class PeerUnavailable(Refusal):
    """Another service could not be reached in time."""


class StorageUnavailable(Refusal):
    """The database refused or failed; nothing was stored."""


class OutcomeUnknown(Refusal):
    """The connection or the commit broke in the middle: the work may have been done or not."""
