"""Remembers who is signed in on this machine: one file a person, readable by its owner alone."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.errors import Misused


@dataclass(frozen=True, slots=True)
class SignIn:
    """One person's way into a system.

    Arguments:
        person_id: the `sub` of their token.
        token: the token, a secret.
        development: whether the token came from a development system, which gives out new ones.
        handle: their handle, if they have a profile.
        server: the gRPC address that was named when signing in, or empty for the default.
        http: the HTTP address that was named when signing in, or empty for the default.
    """

    person_id: str
    token: str
    development: bool
    handle: str = ""
    server: str = ""
    http: str = ""


def home(environment: Mapping[str, str]) -> Path:
    """Return the folder where a program of this user keeps what it remembers."""
    if chosen := environment.get("PAPERPLANE_HOME"):
        return Path(chosen)
    if state := environment.get("XDG_STATE_HOME"):
        return Path(state) / "paperplane"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "paperplane"
    if sys.platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or Path.home()) / "paperplane"
    return Path.home() / ".local" / "state" / "paperplane"


class SignIns:
    """Everyone who is signed in here, and who was last.

    Arguments:
        folder: where to remember them; made when it is needed.
    """

    def __init__(self, folder: Path) -> None:
        self._people = folder / "people"
        self._last = folder / "last"

    def save(self, sign_in: SignIn) -> None:
        """Remember a person, in place of what was known of them."""
        _write(self._file(sign_in.person_id), json.dumps(dataclasses.asdict(sign_in)))

    def choose(self, person_id: str) -> None:
        """Make this person the one whom commands speak for when they name nobody."""
        _write(self._last, person_id)

    def forget(self, person_id: str) -> None:
        """Forget a person. OK too if they are not known."""
        self._file(person_id).unlink(missing_ok=True)
        if self._last_id() == person_id:
            self._last.unlink(missing_ok=True)

    def find(self, name: str | None) -> SignIn:
        """Return the person of this id or handle or, without a name, the one who signed in last.

        Raises:
            Misused: they are not signed in here.
        """
        if name is None:
            sign_in = self._load(self._file(self._last_id()))
            if sign_in is None:
                raise Misused(
                    "Nobody is signed in. Sign in first, for example: paperplane sign-in alice",
                    "NOT_SIGNED_IN",
                )
            return sign_in
        name = name.removeprefix("id:")
        for sign_in in self.everyone():
            if sign_in.person_id == name or (
                sign_in.handle and sign_in.handle == name.removeprefix("@")
            ):
                return sign_in
        raise Misused(
            f"{name} is not signed in here. Sign in first: paperplane sign-in {name}",
            "NOT_SIGNED_IN",
        )

    def everyone(self) -> list[SignIn]:
        """Return all who are signed in, by id."""
        found = [self._load(path) for path in self._people.glob("*.json")]
        return sorted((each for each in found if each), key=lambda each: each.person_id)

    def _last_id(self) -> str:
        try:
            return self._last.read_text()
        except FileNotFoundError:
            return ""

    def _file(self, person_id: str) -> Path:
        # An id may hold any printable character, and be longer than a file's name may.
        return self._people / f"{hashlib.sha256(person_id.encode()).hexdigest()[:32]}.json"

    @staticmethod
    def _load(path: Path) -> SignIn | None:
        try:
            return SignIn(**json.loads(path.read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            raise Misused(f"{path} is damaged. Delete it and sign in again.") from None


def _write(path: Path, text: str) -> None:
    """Replace a file as a whole; it is never seen half written, nor by other users."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # mkstemp makes files that only their owner can read.
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise
