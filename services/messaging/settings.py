"""What an operator can tell the messaging service."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from chassis.settings import ServiceSettings


class MessagingSettings(ServiceSettings):
    """The options of the messaging service."""

    friendship: str
    """Where the friendship service serves: `unix:/path` or `host:port`."""
    authorization_max_age: Annotated[float, Field(ge=0, le=60)] = 2.0
    """For how many seconds friendship's word may be reused; 0 asks every time. When friendship can't
    reach this service, an ended friendship can still send for as long."""
    stream_max_lag: Annotated[int, Field(ge=1)] = 10_000
    """How many events a live stream may fall behind before it is ended."""
    stream_poll_seconds: Annotated[float, Field(gt=0, le=3600)] = 15.0
    """How often a live stream looks for events that nobody rang for."""
