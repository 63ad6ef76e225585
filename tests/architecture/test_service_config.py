"""The service config that is published is the one that our own client has."""

from __future__ import annotations

import json
from pathlib import Path

from cli.client import SERVICE_CONFIG

PUBLISHED = Path(__file__).parents[2] / "protos" / "service_config.json"


def test_clients_get_the_retries_that_ours_has() -> None:
    published = json.loads(PUBLISHED.read_text())
    assert published["methodConfig"] == json.loads(SERVICE_CONFIG)["methodConfig"]
    assert published["loadBalancingConfig"] == [{"round_robin": {}}]
