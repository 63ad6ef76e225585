"""Makes a key pair and tokens for trying a gateway that has no development issuer. Not for production.

`python -m tools.try_tokens key` makes the key, `python -m tools.try_tokens token alice` a token.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

KEY_ID = "try"


def make_key(folder: Path) -> Path:
    """Make a private key, which only its owner can read, and the key set of its public half.

    Arguments:
        folder: where they go; made if it is not there. A key that is there stays.

    Returns:
        The key set's file, for PAPERPLANE_JWKS.
    """
    folder.mkdir(parents=True, exist_ok=True)
    private, public = folder / "key.pem", folder / "jwks.json"
    if not private.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        with os.fdopen(os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
    entry = OKPAlgorithm.to_jwk(_read_key(folder).public_key(), as_dict=True)
    key_set = {"keys": [{**entry, "kid": KEY_ID, "use": "sig", "alg": "EdDSA"}]}
    public.write_text(json.dumps(key_set, indent=2) + "\n", encoding="utf-8")
    return public


def make_token(folder: Path, person_id: str, issuer: str, audience: str, seconds: int) -> str:
    """Make a token for a person.

    Arguments:
        folder: where the key is.
        person_id: its `sub`.
        issuer: its `iss`.
        audience: its `aud`.
        seconds: how long it is good.
    """
    now = int(time.time())
    claims = {"iss": issuer, "aud": audience, "sub": person_id, "iat": now, "exp": now + seconds}
    return jwt.encode(claims, _read_key(folder), algorithm="EdDSA", headers={"kid": KEY_ID})


def _read_key(folder: Path) -> Ed25519PrivateKey:
    try:
        pem = (folder / "key.pem").read_bytes()
    except FileNotFoundError:
        sys.exit(f"{folder} holds no key: make one first, with the command `key`")
    key = serialization.load_pem_private_key(pem, password=None)
    assert isinstance(key, Ed25519PrivateKey)
    return key


def main() -> None:
    """Parse the command line and do what it says."""
    parser = argparse.ArgumentParser(prog="python -m tools.try_tokens", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    key = commands.add_parser("key", help="make a key and its key set")
    token = commands.add_parser("token", help="print a token for a person")
    token.add_argument("person_id")
    token.add_argument("--issuer", default=os.environ.get("PAPERPLANE_ISSUER") or "try-tokens")
    token.add_argument("--audience", default=os.environ.get("PAPERPLANE_AUDIENCE") or "paperplane")
    token.add_argument("--seconds", type=int, default=3600)
    for command in (key, token):
        command.add_argument("--folder", type=Path, default=Path("data/try-tokens"))
    told = parser.parse_args()
    if told.command == "key":
        print(make_key(told.folder))
    else:
        print(make_token(told.folder, told.person_id, told.issuer, told.audience, told.seconds))


if __name__ == "__main__":
    main()
