"""The people whom a fresh system starts with, so that a newcomer has someone to find."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seed:
    """One person to enter into the network."""

    person_id: str
    handle: str
    display_name: str
    headline: str


SEEDS = (
    Seed("alice", "alice", "Alice Martin", "Physiotherapist in Lyon"),
    Seed("bob", "bob", "Bob Dubois", "General practitioner, weekend cyclist"),
    Seed("chloe", "chloe", "Chloé Lefèvre", "Midwife at the Hôpital Sainte-Anne"),
    Seed("david", "david", "David Okafor", "Pharmacist on the night shift"),
    Seed("emma", "emma", "Emma Schmidt", "Speech therapist, new in town"),
)
"""Who is in the network the first time."""
