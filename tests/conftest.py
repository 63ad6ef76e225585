"""Logs of services under test: one plain line each, without the tracebacks that cost seconds to draw."""

from __future__ import annotations

import structlog

structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.KeyValueRenderer(key_order=["level", "event"]),
    ]
)
