"""The operator's options: what is wrong is refused at start, in a line that says so."""

from __future__ import annotations

import pytest

from chassis.settings import SettingsError, load_settings
from services.friendship.settings import FriendshipSettings

FINE = {
    "PAPERPLANE_LISTEN": "unix:/tmp/f.sock",
    "PAPERPLANE_DATABASE": "sqlite:////tmp/f.db",
    "PAPERPLANE_MESSAGING": "unix:/tmp/m.sock",
    "PAPERPLANE_PHOTOS": "file:///tmp/photos",
}


def load(**options: str) -> FriendshipSettings:
    given = {f"PAPERPLANE_{name.upper()}": value for name, value in options.items()}
    return load_settings(FriendshipSettings, FINE | given)


def test_limits_have_the_values_of_the_blueprint() -> None:
    assert (load().requests_per_hour, load().max_pending_requests) == (100, 500)


def test_limits_can_be_set_and_switched_off() -> None:
    settings = load(requests_per_hour="7", max_pending_requests="off")
    assert (settings.requests_per_hour, settings.max_pending_requests) == (7, "off")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("requests_per_hour", "0"),
        ("requests_per_hour", "many"),
        ("max_pending_requests", "-1"),
        ("revocation_timeout", "0"),
        ("max_photo_bytes", "0"),
        ("max_picture_pixels", "many"),
        ("sweep_seconds", "0"),
        ("photos", "/var/lib/photos"),
        ("photos", "s3://"),
        ("listen", "0.0.0.0:50052"),
        ("requests_per_hours", "5"),
    ],
)
def test_wrong_option_is_refused_by_name(option: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(**{option: value})
    named = "TRUSTED_NETWORK" if option == "listen" else option.upper()
    assert f"PAPERPLANE_{named}" in str(caught.value)


def test_open_address_needs_a_network_that_is_declared_trusted() -> None:
    assert load(listen="0.0.0.0:50052", trusted_network="true").trusted_network
