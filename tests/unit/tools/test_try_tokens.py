"""The tool for trying makes keys and tokens that a gateway of production takes, and no more."""

from pathlib import Path

import pytest

from gateway.errors import TokenInvalid
from gateway.identity import TokenVerifier
from gateway.keys import RotatingKeys, key_source
from tools.try_tokens import make_key, make_token


async def verifier(key_set: Path) -> TokenVerifier:
    keys = RotatingKeys(key_source(str(key_set)), refresh_seconds=300)
    await keys.load()
    return TokenVerifier(keys, "issuer", "audience")


async def test_gateway_takes_the_tokens(tmp_path: Path) -> None:
    key_set = make_key(tmp_path / "keys")
    token = make_token(tmp_path / "keys", "alice", "issuer", "audience", 60)

    identity = await (await verifier(key_set)).identify(f"Bearer {token}")

    assert identity.person_id == "alice"


async def test_key_that_is_there_stays_and_is_its_owners_alone(tmp_path: Path) -> None:
    token = make_token(make_key(tmp_path).parent, "alice", "issuer", "audience", 60)
    key_set = make_key(tmp_path)

    await (await verifier(key_set)).identify(f"Bearer {token}")
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600


async def test_another_key_makes_no_tokens_for_this_gateway(tmp_path: Path) -> None:
    key_set = make_key(tmp_path / "ours")
    make_key(tmp_path / "theirs")
    token = make_token(tmp_path / "theirs", "alice", "issuer", "audience", 60)

    with pytest.raises(TokenInvalid):
        await (await verifier(key_set)).identify(f"Bearer {token}")


def test_token_without_a_key_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="make one first"):
        make_token(tmp_path, "alice", "issuer", "audience", 60)
