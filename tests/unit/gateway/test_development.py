"""The key of development tokens."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from chassis.process import StartError
from gateway.development import ISSUER, DevelopmentIssuer, load_key
from gateway.identity import TokenVerifier
from tests.support.gateway import new_key


def public(path: Path) -> bytes:
    return load_key(path).public_key().public_bytes_raw()


def test_a_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"

    assert public(path) == public(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_processes_that_make_it_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(public, [tmp_path / "key.pem"] * 32))

    assert len(keys) == 1


async def test_tokens_outlive_a_restart(tmp_path: Path) -> None:
    token = DevelopmentIssuer(load_key(tmp_path / "key.pem")).token("alice")

    keys = DevelopmentIssuer(load_key(tmp_path / "key.pem")).keys
    identity = await TokenVerifier(keys, ISSUER, "paperplane").identify(f"Bearer {token}")

    assert identity.person_id == "alice"


@pytest.mark.parametrize("content", [b"", b"no key", b"\xff"])
def test_a_file_that_is_no_key_is_named_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)

    with pytest.raises(StartError, match=r"key\.pem"):
        load_key(path)

    assert path.read_bytes() == content


def test_a_key_of_another_kind_is_named(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(
        new_key("ES256").private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )

    with pytest.raises(StartError, match="Ed25519"):
        load_key(path)


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="missing"):
        load_key(tmp_path / "missing" / "key.pem")
