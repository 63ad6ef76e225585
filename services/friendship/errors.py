"""How the refusals of the friendship service look to callers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grpc import StatusCode

from chassis.errors import ErrorSpec
from chassis.files import refusals as file_refusals
from chassis.files.errors import FILE_ERRORS
from services.friendship import refusals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chassis.refusals import Refusal

ERRORS: Mapping[type[Refusal], ErrorSpec] = {
    **FILE_ERRORS,
    file_refusals.UploadTooLarge: ErrorSpec(
        StatusCode.RESOURCE_EXHAUSTED,
        "PHOTO_TOO_LARGE",
        "The photo has more bytes than are taken here. Make it smaller and set that.",
    ),
    file_refusals.TypeMismatch: ErrorSpec(
        StatusCode.INVALID_ARGUMENT,
        "PHOTO_TYPE_UNKNOWN",
        "A photo is a JPEG, PNG or WebP picture, and of the type that it is said to be.",
    ),
    refusals.PhotoNotFound: ErrorSpec(
        StatusCode.NOT_FOUND,
        "PHOTO_NOT_FOUND",
        "There is no such photo, or no longer. GetPerson tells which one a person has now.",
    ),
    refusals.PersonNotFound: ErrorSpec(
        StatusCode.NOT_FOUND,
        "PERSON_NOT_FOUND",
        "There is no such person in the network. SearchPeople finds those who are.",
    ),
    refusals.PersonExists: ErrorSpec(
        StatusCode.ALREADY_EXISTS,
        "PERSON_EXISTS",
        "You are in the network already. Change your entry with UpdatePerson.",
    ),
    refusals.HandleTaken: ErrorSpec(
        StatusCode.ALREADY_EXISTS,
        "HANDLE_TAKEN",
        "Another person has this handle. Choose another one.",
    ),
    refusals.NotYourProfile: ErrorSpec(
        StatusCode.PERMISSION_DENIED,
        "NOT_YOUR_PROFILE",
        "You can change only your own entry. Leave person.person_id empty.",
    ),
    refusals.ProfileRequired: ErrorSpec(
        StatusCode.FAILED_PRECONDITION,
        "PROFILE_REQUIRED",
        "You are not in the network yet. Enter it with CreatePerson.",
    ),
    refusals.NotWithYourself: ErrorSpec(
        StatusCode.INVALID_ARGUMENT,
        "NOT_WITH_YOURSELF",
        "This takes two people. Give the id of another person.",
    ),
    refusals.RequestNotFound: ErrorSpec(
        StatusCode.NOT_FOUND,
        "REQUEST_NOT_FOUND",
        "You have no such friend request to do this with. ListFriendRequests shows yours.",
    ),
    refusals.RequestNotPending: ErrorSpec(
        StatusCode.FAILED_PRECONDITION,
        "REQUEST_NOT_PENDING",
        "The friend request has been accepted or cancelled. ListFriendRequests shows those that "
        "wait.",
    ),
    refusals.PersonBlocked: ErrorSpec(
        StatusCode.FAILED_PRECONDITION,
        "PERSON_BLOCKED",
        "You block this person. End that with UnblockPerson first.",
    ),
    refusals.TooManyRequests: ErrorSpec(
        StatusCode.RESOURCE_EXHAUSTED,
        "TOO_MANY_REQUESTS",
        "You have made too many friend requests in the last hour. Wait for the given time.",
    ),
    refusals.TooManyPendingRequests: ErrorSpec(
        StatusCode.RESOURCE_EXHAUSTED,
        "TOO_MANY_PENDING_REQUESTS",
        "Too many of your friend requests are pending. Cancel some, or wait for answers.",
    ),
    refusals.RevocationPending: ErrorSpec(
        StatusCode.UNAVAILABLE,
        "REVOCATION_PENDING",
        "The friendship has ended, but its channel may not be closed yet. Call again to wait for "
        "it.",
    ),
}
