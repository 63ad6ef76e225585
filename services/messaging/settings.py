"""What an operator can tell the messaging service."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from chassis.settings import Address, FilesUrl, ServiceSettings


class MessagingSettings(ServiceSettings):
    """The options of the messaging service."""

    friendship: Address
    """Where the friendship service serves: `unix:/path` or `host:port`. Each address of a host is a replica."""
    authorization_max_age: Annotated[float, Field(ge=0, le=60)] = 2.0
    """For how many seconds friendship's word may be reused; 0 asks every time. When friendship can't
    reach this service, an ended friendship can still send for as long."""
    attachments: FilesUrl
    """Where attachments are kept: `file:///folder` or `s3://bucket/prefix`. Under `make run` it is
    a folder of its data, unless it is given."""
    max_attachment_bytes: Annotated[int, Field(ge=1, le=5_000_000_000)] = 50_000_000
    """How large an attachment may be, in bytes."""
    max_picture_pixels: Annotated[int, Field(ge=1, le=500_000_000)] = 64_000_000
    """How many pixels a picture may have. While one is looked at, a process of its own holds up to
    twelve bytes for each."""
    max_unsent_attachments: Annotated[int, Field(ge=1)] | Literal["off"] = 100
    """How many attachments of a person may wait to be sent, or `off`."""
    unsent_attachment_age: Annotated[float, Field(gt=0, le=31_536_000)] = 86_400.0
    """For how many seconds an attachment may wait to be sent, before it is removed."""
    upload_timeout: Annotated[float, Field(gt=0, le=86_400)] = 3600.0
    """How many seconds an upload may take. What a killed process left of one is removed after as
    many."""
    sweep_seconds: Annotated[float, Field(gt=0, le=86_400)] = 300.0
    """How often attachments that nobody can reach any more are looked for, in seconds."""
    stream_max_lag: Annotated[int, Field(ge=1)] = 10_000
    """How many events a live stream may fall behind before it is ended."""
    stream_poll_seconds: Annotated[float, Field(gt=0, le=3600)] = 15.0
    """How often a live stream looks for events that nobody rang for."""
