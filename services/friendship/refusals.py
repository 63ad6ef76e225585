"""Why the friendship service refuses what it was asked; `errors` says how callers see it."""

from __future__ import annotations

from chassis.refusals import Refusal


class PersonNotFound(Refusal):
    """There is no such person in the network."""


class PersonExists(Refusal):
    """The caller is in the network already, under other words."""


class HandleTaken(Refusal):
    """Another person has this handle."""


class NotYourProfile(Refusal):
    """Only one's own entry can be changed."""


class ProfileRequired(Refusal):
    """The caller is not in the network yet."""


class NotWithYourself(Refusal):
    """Nobody asks, removes or blocks themselves."""


class PhotoNotFound(Refusal):
    """There is no such photo, or no longer."""


class RequestNotFound(Refusal):
    """There is no such request, or it is not the caller's to command."""


class RequestNotPending(Refusal):
    """The request has been accepted or cancelled."""


class PersonBlocked(Refusal):
    """The caller blocks this person."""


class TooManyRequests(Refusal):
    """The caller has made too many requests in the last hour."""


class TooManyPendingRequests(Refusal):
    """Too many of the caller's requests are pending."""


class RevocationPending(Refusal):
    """The friendship has ended, but it is not certain yet that its channel is closed."""
