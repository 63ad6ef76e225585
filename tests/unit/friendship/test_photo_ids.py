"""Whoever knows a photo's id can see the photo: nobody guesses one, and each can name files."""

from __future__ import annotations

import re

from services.friendship.photos import new_photo_id


def test_ids_are_random_and_made_of_what_names_files() -> None:
    made = [new_photo_id() for _ in range(2000)]
    assert len(set(made)) == len(made)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", photo_id) for photo_id in made)
    # Each place varies: no part is the time or a count.
    assert all(len(set(letters)) > 2 for letters in zip(*made, strict=True))
