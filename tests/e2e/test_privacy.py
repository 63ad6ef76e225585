"""What people write stays between them: it is in no log and no error, whatever goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf import json_format

from paperplane.friendship.v1 import friendship_pb2
from paperplane.messaging.v1 import messaging_pb2
from tests.support.clients import (
    PATIENCE_SECONDS,
    STUBS,
    Json,
    envelope,
    fresh_id,
)
from tests.support.pictures import photograph
from tests.support.system import SystemUnderTest, a_system

MARKER = "zqxjkvbw"
"""A text that people write. It is a good handle, and no word of ours."""


@pytest.fixture
def talkative(data: Path) -> Iterator[SystemUnderTest]:
    """A system that logs all it can."""
    with a_system(data, log_level="DEBUG", rate_limit="off") as running:
        yield running


@dataclass
class Probe:
    """Calls with the marker in what is sent, and keeps all that comes back beside good answers.

    Arguments:
        channel: leads to the gRPC port.
        http: leads to the HTTP port.
        token: makes a person's token.
    """

    channel: grpc.aio.Channel
    http: httpx.AsyncClient
    token: Callable[[str], str]
    said: list[str] = field(default_factory=list[str])
    """Errors, trailers and headers, which must not hold the marker."""
    refused: int = 0

    async def over_grpc(self, person_id: str, method: str, data: bytes) -> bytes | None:
        """Send bytes to a method; return what it answered first, or None if it refused."""
        metadata = (("authorization", f"Bearer {self.token(person_id)}"),)
        raw: Any = self.channel
        call = raw.unary_stream(STUBS.paths[method])(
            data, metadata=metadata, timeout=PATIENCE_SECONDS
        )
        try:
            answer: bytes = await anext(aiter(call))
            self.said.append(repr(await call.initial_metadata()))
        except grpc.aio.AioRpcError as error:
            self.refused += 1
            self.said += [
                repr(error),
                str(error.details()),
                str(error.debug_error_string()),
                *(_text(value) for _, value in error.trailing_metadata() or ()),
                *(_text(value) for _, value in error.initial_metadata() or ()),
            ]
            return None
        finally:
            call.cancel()
        return answer

    async def over_http(
        self, path: str, content: bytes, person_id: str = "", **headers: str
    ) -> bytes | None:
        """Post bytes to a path; return the answer, or None if it was an error."""
        given = {key.replace("_", "-"): value for key, value in headers.items()}
        if person_id:
            given["authorization"] = f"Bearer {self.token(person_id)}"
        given = {"content-type": "application/json", "accept-encoding": "identity", **given}
        async with self.http.stream("POST", path, content=content, headers=given) as response:
            self.said.append(repr(response.headers.raw))
            if response.headers["content-type"].startswith("application/connect"):
                first = await anext(response.aiter_raw())
                is_end = first[0] & 0b10
                if not is_end:
                    return first
                self.said.append(_text(first))
            elif response.status_code == 200:
                return await response.aread()
            else:
                self.said.append(_text(await response.aread()))
            self.refused += 1
            return None

    async def over_both(self, person_id: str, method: str, **request: Any) -> Json | None:
        """Call a method with a good request over both ports; return what HTTP answered."""
        kind = STUBS.request_of(method)
        streams = method.startswith("Watch")
        message = json_format.ParseDict(request, kind())
        await self.over_grpc(person_id, method, message.SerializeToString())
        body = json.dumps(request).encode()
        answer = await self.over_http(
            STUBS.paths[method],
            envelope(body) if streams else body,
            person_id,
            content_type="application/connect+json" if streams else "application/json",
        )
        return None if answer is None or streams else json.loads(answer)

    async def good(self, person_id: str, method: str, **request: Any) -> Json:
        """Call a method that must succeed."""
        answer = await self.over_both(person_id, method, **request)
        assert answer is not None, self.said[-1]
        return answer

    async def bad(self, person_id: str, method: str, **request: Any) -> None:
        """Call a method that must refuse, over both ports."""
        before = self.refused
        assert await self.over_both(person_id, method, **request) is None
        assert self.refused == before + 2


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


async def _friends_write(probe: Probe, ann: str, ben: str) -> str:
    """Go the good way: people with the marker in all that they are called and write."""
    names = {"displayName": f"{MARKER} Ann", "headline": f"about {MARKER}"}
    await probe.good(ann, "CreatePerson", handle=f"{MARKER}_{ann[-8:]}", **names)
    await probe.good(ben, "CreatePerson", handle=f"{MARKER}_{ben[-8:]}", displayName=MARKER)
    await probe.good(ann, "UpdatePerson", person={"headline": f"more of {MARKER}"})
    await probe.good(ann, "SearchPeople", query=f"{MARKER} {MARKER[:4]}")
    await probe.good(ann, "GetPerson", handle=f"{MARKER}_{ben[-8:]}")
    asked = await probe.good(ann, "SendFriendRequest", personId=ben, note=f"I am {MARKER}")
    request_id = asked["friendRequest"]["requestId"]
    await probe.good(ben, "ListFriendRequests", box="REQUEST_BOX_RECEIVED")
    await probe.good(ben, "AcceptFriendRequest", requestId=request_id)
    channel = await probe.good(ann, "GetChannel", personId=ben)
    channel_id = str(channel["channel"]["channelId"])
    sent = {"channelId": channel_id, "clientMessageId": "1", "text": f"{MARKER}!"}
    await probe.good(ann, "SendMessage", **sent)
    await probe.good(ann, "EditMessage", channelId=channel_id, seq=1, text=f"not {MARKER}")
    await probe.good(ben, "ListMessages", channelId=channel_id)
    for method in ("WatchMessages", "WatchFriendships"):
        await probe.over_both(ben, method)
    return channel_id


async def _all_goes_wrong(probe: Probe, ann: str, ben: str, channel_id: str) -> None:
    """Go wrong in every way that a request which can be read can."""
    handle, long = f"{MARKER}_{ben[-8:]}", MARKER * 3000
    stranger, nobody = fresh_id("stranger"), f"{MARKER}-nobody"
    await probe.bad(ann, "CreatePerson", handle=handle, displayName=MARKER)
    await probe.bad(stranger, "CreatePerson", handle=handle, displayName=MARKER)
    await probe.bad(stranger, "CreatePerson", handle=f"{MARKER}!", displayName=f"{MARKER}\n")
    await probe.bad(stranger, "CreatePerson", handle="fine", displayName=long, headline=long)
    await probe.bad(stranger, "UpdatePerson", person={"displayName": MARKER})
    await probe.bad(ann, "UpdatePerson", person={"personId": nobody, "headline": MARKER})
    await probe.bad(ann, "UpdatePerson", person={"handle": handle})
    await probe.bad(ann, "GetPerson", handle=f"{MARKER}_unknown")
    await probe.bad(ann, "GetPerson", personId=nobody)
    await probe.bad(ann, "SearchPeople", query=long)
    await probe.bad(ann, "SearchPeople", query=" ".join([MARKER] * 9))
    await probe.bad(ann, "SearchPeople", query=MARKER, pageToken=MARKER)
    await probe.bad(ann, "SendFriendRequest", personId=nobody, note=MARKER)
    await probe.bad(ann, "SendFriendRequest", personId=ann, note=MARKER)
    await probe.bad(ann, "SendFriendRequest", personId=ben, note=long[:301])
    await probe.bad(ann, "SendFriendRequest", personId=ben, note=f"{MARKER}\0")
    await probe.bad(stranger, "SendFriendRequest", personId=ben, note=MARKER)
    await probe.bad(ann, "AcceptFriendRequest", requestId=MARKER)
    message = {"channelId": channel_id, "text": MARKER}
    await probe.bad(ann, "SendMessage", **{**message, "text": long})
    await probe.bad(ann, "SendMessage", **{**message, "text": f"{MARKER}\0"})
    await probe.bad(ann, "SendMessage", **message, attachmentIds=[MARKER])
    await probe.bad(ann, "SendMessage", **message, clientMessageId="1")
    await probe.bad(ann, "SendMessage", **message, clientMessageId=f"{MARKER} {MARKER}")
    await probe.bad(stranger, "SendMessage", **message)
    await probe.bad(ann, "SendMessage", channelId=MARKER, text=MARKER)
    await probe.bad(ben, "EditMessage", **message, seq=1)
    await probe.bad(ann, "EditMessage", **message, seq=99)
    await probe.bad(ann, "EditMessage", **{**message, "text": long}, seq=1)
    await probe.bad(ann, "ListMessages", channelId=channel_id, pageToken=MARKER)
    await probe.bad(ann, "WatchMessages", afterCursor=MARKER)
    await probe.bad(ann, "WatchFriendships", afterCursor=MARKER)
    await probe.good(ben, "RemoveFriend", personId=ann)
    await probe.bad(ann, "SendMessage", **message, clientMessageId="2")
    await probe.bad(ann, "EditMessage", **message, seq=1)


_UNREADABLE_JSON = [
    f'{{"text": "{MARKER}"',
    f"{MARKER}",
    f'"{MARKER}"',
    f'["{MARKER}"]',
    f'{{"text": {{"{MARKER}": 1}}}}',
    f'{{"text": ["{MARKER}"]}}',
    f'{{"{MARKER}": "{MARKER}"}}',
    f'{{"text": "{MARKER}", "text": "{MARKER}"}}',
    f'{{"text": "\\ud800{MARKER}"}}',
    f'{{"seq": "{MARKER}"}}',
    f'{{"box": "{MARKER}"}}',
    f'{{"pageSize": "{MARKER}"}}',
    f'{{"updateMask": "{MARKER}.{MARKER}"}}',
    f'{{"updateMask": {{"{MARKER}": "{MARKER}"}}}}',
    '{"text": ' * 200 + f'"{MARKER}"' + "}" * 200,
]


async def _nothing_can_be_read(probe: Probe, ann: str) -> None:
    """Send what is no request at all."""
    for body in _UNREADABLE_JSON:
        for method in ("SendMessage", "UpdatePerson", "ListFriendRequests", "MarkRead"):
            await probe.over_http(STUBS.paths[method], body.encode(), ann)
        await probe.over_http(
            STUBS.paths["WatchMessages"],
            envelope(body.encode()),
            ann,
            content_type="application/connect+json",
        )
        await probe.over_http("/dev/token", body.encode())
    marker = MARKER.encode()
    field = struct.pack("BB", (3 << 3) | 2, len(marker) + 1)
    for data in (marker, field + b"\xff" + marker, field + marker, b"\x1a\x7f" + marker):
        for method in ("SendMessage", "CreatePerson"):
            assert await probe.over_grpc(ann, method, data) is None
        binary = {"content_type": "application/proto"}
        await probe.over_http(STUBS.paths["SendMessage"], data, ann, **binary)
    send = STUBS.paths["SendMessage"]
    large = json.dumps({"text": MARKER * 40_000}).encode()
    await probe.over_http(send, large, ann)
    await probe.over_grpc(ann, "SendMessage", large)
    await probe.over_http(send, marker, ann, content_encoding="gzip")
    await probe.over_http(send, marker, ann, content_encoding=MARKER)
    await probe.over_http(send, marker, ann, content_type=f"text/{MARKER}")
    await probe.over_http(send, marker, ann, connect_timeout_ms=MARKER)
    await probe.over_http(f"{send}?text={MARKER}", b"{}", ann)
    await probe.over_http(f"/{MARKER}/{MARKER}", b"{}", ann)
    await probe.over_http(send, b"{}", authorization=f"Bearer {MARKER}")
    await probe.over_http(send, b"{}", authorization=MARKER)


_FILES: list[tuple[str, bytes, str]] = [
    (f"{MARKER}.txt", f"{MARKER}\0".encode(), "text/plain"),
    (f"{MARKER}.png", MARKER.encode(), "image/png"),
    (f"{MARKER}.png", photograph(MARKER)[:300], ""),
    (f"{MARKER}.jpg", photograph(MARKER)[:300], ""),
    (f"../{MARKER}", MARKER.encode(), ""),
    (f"{MARKER}%00", MARKER.encode(), ""),
    (MARKER * 40, MARKER.encode(), ""),
    (MARKER, MARKER.encode(), f"{MARKER}/{MARKER}/{MARKER}"),
    (MARKER, b"", ""),
]
"""What is no good: name, content, declared type."""


async def _files_come_and_go(
    probe: Probe, system: SystemUnderTest, ann: str, channel_id: str
) -> None:
    """Upload, send and delete files with the marker in name and content, good ones and others."""

    async def put(name: str, content: bytes, content_type: str, **headers: str) -> httpx.Response:
        response = await probe.http.put(
            "/attachments",
            content=content,
            headers={
                "authorization": f"Bearer {probe.token(ann)}",
                "content-disposition": f"attachment; filename*=UTF-8''{name}",
                "content-type": content_type,
                **headers,
            },
        )
        if response.status_code != 201:
            probe.refused += 1
            probe.said += [response.text, repr(response.headers.raw)]
        return response

    kept = [
        await put(f"{MARKER}.txt", MARKER.encode() * 1000, "text/plain"),
        await put(f"{MARKER}.jpg", photograph(MARKER), "image/jpeg"),
    ]
    ids = [response.json()["attachment"]["attachmentId"] for response in kept]
    await probe.over_both(ann, "SendMessage", channelId=channel_id, text="", attachmentIds=ids)
    before = probe.refused
    for file in _FILES:
        await put(*file)
    await put(f"{MARKER}.txt", b"x", "text/plain", **{"content-encoding": MARKER})
    assert probe.refused == before + len(_FILES) + 1
    for path in (
        f"/attachments/{MARKER}",
        f"/attachments/{ids[0]}/{MARKER}",
        f"/photos/{MARKER}/9",
    ):
        answer = await probe.http.get(path, headers={"authorization": f"Bearer {probe.token(ann)}"})
        probe.said += [answer.text, repr(answer.headers.raw)]
    folder = system.data / "attachments"
    # The picture's marker was in its EXIF.
    assert (folder / ids[0]).read_bytes() == MARKER.encode() * 1000
    assert not [path for path in folder.iterdir() if MARKER in path.name]
    assert MARKER.encode() not in (folder / ids[1]).read_bytes()


async def _nothing_can_be_stored(
    probe: Probe, system: SystemUnderTest, ben: str, channel_id: str
) -> None:
    """Write while somebody else holds the databases: it fails with the text in the statement's hands."""
    with contextlib.ExitStack() as held:
        for name in ("friendship", "messaging"):
            # Without a transaction of the driver's own.
            database = sqlite3.connect(system.data / f"{name}.db", isolation_level=None)
            held.enter_context(contextlib.closing(database))
            database.execute("BEGIN IMMEDIATE")
        profile = friendship_pb2.UpdatePersonRequest(
            person=friendship_pb2.Person(headline=f"{MARKER} unsaid")
        )
        message = messaging_pb2.SendMessageRequest(channel_id=channel_id, text=f"{MARKER} unsaid")
        answers = await asyncio.gather(
            probe.over_grpc(ben, "UpdatePerson", profile.SerializeToString()),
            probe.over_grpc(ben, "SendMessage", message.SerializeToString()),
        )
        assert list(answers) == [None, None]


@pytest.fixture
async def probe(talkative: SystemUnderTest) -> AsyncIterator[Probe]:
    async with (
        grpc.aio.insecure_channel(talkative.target) as channel,
        httpx.AsyncClient(base_url=talkative.http, trust_env=False, timeout=30) as http,
    ):
        yield Probe(channel, http, talkative.token)


async def test_what_people_write_is_in_no_log_and_no_error(
    talkative: SystemUnderTest, probe: Probe
) -> None:
    ann, ben = fresh_id("ann"), fresh_id("ben")
    channel_id = await _friends_write(probe, ann, ben)
    assert probe.refused == 0
    await _files_come_and_go(probe, talkative, ann, channel_id)
    await _nothing_can_be_stored(probe, talkative, ben, channel_id)
    await _all_goes_wrong(probe, ann, ben, channel_id)
    await _nothing_can_be_read(probe, ann)
    talkative.stop()

    assert probe.refused > 150
    assert [said for said in probe.said if MARKER in said.lower()] == []
    lines = (talkative.stdout + talkative.stderr).splitlines()
    assert [line for line in lines if MARKER in line.lower()] == []
    assert any('"write.unavailable"' in line for line in lines)
    # It was there to be found, and the logs were full of lines.
    for name in ("messaging", "friendship"):
        files = talkative.data.glob(f"{name}.db*")
        assert any(MARKER.encode() in file.read_bytes() for file in files)
        assert any(f'"process": "{name}"' in line and '"debug"' in line for line in lines)
