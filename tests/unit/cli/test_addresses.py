"""A token never travels in plain text to another machine unless someone says so."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from cli.client import open_channel
from cli.errors import Misused


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Note which kind of channel was opened, and where to."""
    calls: list[tuple[str, str]] = []

    def insecure(target: str, options: Any) -> None:
        del options
        calls.append(("plain", target))

    def secure(target: str, credentials: Any, options: Any) -> None:
        del credentials, options
        calls.append(("tls", target))

    monkeypatch.setattr(grpc.aio, "insecure_channel", insecure)
    monkeypatch.setattr(grpc.aio, "secure_channel", secure)
    return calls


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("127.0.0.1:50051", ("plain", "127.0.0.1:50051")),
        ("localhost", ("plain", "localhost:50051")),
        ("[::1]:7", ("plain", "[::1]:7")),
        ("chat.example.org:8443", ("tls", "chat.example.org:8443")),
        ("https://chat.example.org", ("tls", "chat.example.org:443")),
        ("http://gateway:50051", ("plain", "gateway:50051")),
        ("https://127.0.0.1:8443/", ("tls", "127.0.0.1:8443")),
    ],
)
def test_only_this_machine_is_called_in_plain_text_by_itself(
    opened: list[tuple[str, str]], server: str, expected: tuple[str, str]
) -> None:
    open_channel(server)
    assert opened == [expected]


@pytest.mark.parametrize("server", ["", "host:port", "ftp://x", "http://x/path", "host:99999"])
def test_what_is_no_address_is_said_to_be_none(server: str) -> None:
    with pytest.raises(Misused, match="is not an address"):
        open_channel(server)
