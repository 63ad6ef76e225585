"""Reads and writes the rows of the friendship service, within the transaction of whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

Write = Callable[[Connection], Any]
"""A write: carried out whole or not at all, in a transaction that it may share with others."""
