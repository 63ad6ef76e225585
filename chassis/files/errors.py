"""How the refusals of files look to callers, as far as they look the same in every service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grpc import StatusCode

from chassis.errors import ErrorSpec
from chassis.files import refusals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chassis.refusals import Refusal

FILE_ERRORS: Mapping[type[Refusal], ErrorSpec] = {
    refusals.UploadIncomplete: ErrorSpec(
        StatusCode.INVALID_ARGUMENT,
        "UPLOAD_INCOMPLETE",
        "What came is not all that was announced, or nothing came for too long. Nothing was kept; "
        "upload the file again.",
    ),
    refusals.PictureUnreadable: ErrorSpec(
        StatusCode.INVALID_ARGUMENT,
        "PICTURE_UNREADABLE",
        "The file begins like a picture and can't be read as one. Save it anew, or choose another.",
    ),
    refusals.PictureTooLarge: ErrorSpec(
        StatusCode.INVALID_ARGUMENT,
        "PICTURE_TOO_LARGE",
        "The picture has more pixels than are taken here. Make it smaller and upload that.",
    ),
    refusals.FilesUnavailable: ErrorSpec(
        StatusCode.UNAVAILABLE,
        "STORAGE_UNAVAILABLE",
        "Files can't be stored or read now; nothing was kept. Try again shortly.",
    ),
}
"""For a service's own table, which adds what it calls a file that is too large or of a wrong type."""
