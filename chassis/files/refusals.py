"""Why an upload is refused; `errors` says how callers see what is the same in every service.

Refusal
├── UploadTooLarge          more bytes than are taken
├── UploadIncomplete        not the bytes that were announced, or they stopped coming
│   └── UploadEmpty         no bytes at all
├── TypeMismatch            the content is not what it is said to be
├── PictureUnreadable       it begins like a picture and is none
├── PictureTooLarge         a picture that takes more to decode than is given to it
└── StorageUnavailable
    └── FilesUnavailable    the store of files did not do its part
        └── FileMissing     the store has no file of this key
"""

from __future__ import annotations

from chassis.refusals import Refusal, StorageUnavailable


class UploadTooLarge(Refusal):
    """The upload has more bytes than are taken."""


class UploadIncomplete(Refusal):
    """The upload has fewer or more bytes than were announced, or no more came for too long."""


class UploadEmpty(UploadIncomplete):
    """The upload has no bytes at all."""


class TypeMismatch(Refusal):
    """The content is not of the type that the upload's media type or name says."""


class PictureUnreadable(Refusal):
    """The content begins like a picture and can't be read as one."""


class PictureTooLarge(Refusal):
    """The picture has more pixels, or takes more memory or time to decode, than is given to one."""


class FilesUnavailable(StorageUnavailable):
    """The store of files can't be reached, or failed."""


class FileMissing(FilesUnavailable):
    """The store has no file of this key."""
