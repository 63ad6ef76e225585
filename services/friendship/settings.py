"""What an operator can tell the friendship service."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from chassis.settings import Address, FilesUrl, ServiceSettings

Limit = Annotated[int, Field(ge=1)] | Literal["off"]


class FriendshipSettings(ServiceSettings):
    """The options of the friendship service."""

    messaging: Address
    """Where the messaging service serves: `unix:/path` or `host:port`. Each address of a host is a replica."""
    photos: FilesUrl
    """Where photos are kept: `file:///folder` or `s3://bucket/prefix`. Under `make run` it is a
    folder of its data, unless it is given."""
    max_photo_bytes: Annotated[int, Field(ge=1, le=100_000_000)] = 10_000_000
    """How large an uploaded photo may be, in bytes."""
    max_picture_pixels: Annotated[int, Field(ge=1, le=500_000_000)] = 64_000_000
    """How many pixels a picture may have. While one is looked at, a process of its own holds up to
    twelve bytes for each."""
    sweep_seconds: Annotated[float, Field(gt=0, le=86_400)] = 300.0
    """How often files that nobody can reach any more are looked for, in seconds."""
    requests_per_hour: Limit = 100
    """How many friend requests a person may make in an hour, or `off`."""
    max_pending_requests: Limit = 500
    """How many of a person's friend requests may be pending at a time, or `off`."""
    revocation_timeout: Annotated[float, Field(gt=0, le=60)] = 5.0
    """For how many seconds removing or blocking waits until the channel is closed, before it says
    that this is still to come."""
    stream_max_lag: Annotated[int, Field(ge=1)] = 10_000
    """How many events a live stream may fall behind before it is ended."""
    stream_poll_seconds: Annotated[float, Field(gt=0, le=3600)] = 15.0
    """How often a live stream looks for events that nobody rang for."""
