"""What people write is found in no log line of the gateway, whatever happens to it."""

from __future__ import annotations

import json
import logging
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
import structlog

from chassis.telemetry import configure_logging
from paperplane.friendship.v1 import friendship_pb2
from tests.support.gateway import (
    CREATE_PERSON,
    GET_PERSON,
    MARKER,
    WATCH_MESSAGES,
    a_gateway,
    envelope,
)
from tests.support.provider import a_misbehaving_provider, query_of, sign_in_options


@contextmanager
def real_logging() -> Generator[None]:
    """Log as the process does, and only so: the test runner listens too, and is not as discreet."""
    root = logging.getLogger()
    handlers, level, structured = root.handlers[:], root.level, structlog.get_config()
    configure_logging("gateway", "INFO")
    # The client of this test logs what it asks for.
    logging.getLogger("httpx").setLevel("WARNING")
    try:
        yield
    finally:
        logging.getLogger("httpx").setLevel("NOTSET")
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.configure(**structured)


async def test_a_marker_shows_up_in_no_log(capfd: pytest.CaptureFixture[str]) -> None:
    with real_logging():
        await _provoke()

    printed = "".join(capfd.readouterr())
    assert "backend.failed" in printed
    assert MARKER not in printed


async def _provoke() -> None:
    marked = {"personId": MARKER}
    async with a_gateway() as gateway:
        token = gateway.authorization(MARKER)
        await gateway.post(GET_PERSON, marked, authorization=token)
        await gateway.post(GET_PERSON, {MARKER: MARKER})
        await gateway.post(CREATE_PERSON, content=MARKER.encode())
        await gateway.post(f"/{MARKER}", marked)
        await gateway.post(GET_PERSON, marked, authorization=f"Bearer {MARKER}")
        await gateway.post(GET_PERSON, marked, connect_timeout_ms=MARKER)
        await gateway.post(GET_PERSON, marked, content_encoding=MARKER)
        await gateway.post(
            WATCH_MESSAGES,
            content=envelope(json.dumps(marked).encode()),
            content_type="application/connect+json",
        )
        for code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.ABORTED):
            gateway.does.plain_refusal = (code, MARKER)
            await gateway.post(GET_PERSON, marked)
            with pytest.raises(grpc.aio.AioRpcError):
                await gateway.get_person(authorization=token)
        await gateway.backend.stop()
        await gateway.post(GET_PERSON, marked)
        with pytest.raises(grpc.aio.AioRpcError):
            await gateway.channel.unary_unary(
                CREATE_PERSON, friendship_pb2.CreatePersonRequest.SerializeToString
            )(friendship_pb2.CreatePersonRequest(handle=MARKER, display_name=MARKER))


async def test_no_secret_of_a_sign_in_shows_up_in_a_log(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    seen: set[str] = set()
    with real_logging():
        async with a_misbehaving_provider() as provider:
            (tmp_path / "secret").write_text(MARKER)
            options = sign_in_options(
                tmp_path, provider.url, oidc_client_secret=str(tmp_path / "secret")
            )
            async with a_gateway(**options) as gateway:
                for answer in (None, (400, f'{{"error": "{MARKER}"}}'.encode()), (500, b"")):
                    provider.answer = answer
                    begun = await gateway.http.get("/sign-in")
                    seen |= set(query_of(begun.headers["location"]).values())
                    back = provider.consent(begun.headers["location"])
                    await gateway.http.get(back.replace("http://127.0.0.1:8080", ""))
                await gateway.http.get(f"/sign-in/callback?error={MARKER}&state={MARKER}")
                seen |= {each for _, asked in provider.redeemed for each in asked.values()}
                seen |= set(gateway.http.cookies.values())

    printed = "".join(capfd.readouterr())
    assert printed.count("sign_in.failed") == 3
    assert MARKER not in printed
    assert len(seen) > 10
    assert [each for each in seen if len(each) > 20 and each in printed] == []
