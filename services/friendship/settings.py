"""What an operator can tell the friendship service."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from chassis.settings import ServiceSettings

Limit = Annotated[int, Field(ge=1)] | Literal["off"]


class FriendshipSettings(ServiceSettings):
    """The options of the friendship service."""

    messaging: str
    """Where the messaging service serves: `unix:/path` or `host:port`."""
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
