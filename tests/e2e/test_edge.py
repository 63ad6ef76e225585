"""One TLS port in front of everything: each kind of client gets through it to what it came for."""

from __future__ import annotations

from pathlib import Path

import grpc
import httpx

from tests.support.clients import STUBS, ConnectClient, GrpcClient, fresh_id, watching
from tests.support.edge import an_edge
from tests.support.system import SystemUnderTest


async def test_every_client_gets_through_one_port(system: SystemUnderTest, tmp_path: Path) -> None:
    ann_id, bob_id = fresh_id("ann"), fresh_id("bob")
    async with an_edge(system, tmp_path) as edge:
        credentials = grpc.ssl_channel_credentials(edge.certificate)
        async with (
            grpc.aio.secure_channel(f"localhost:{edge.port}", credentials) as channel,
            httpx.AsyncClient(base_url=edge.url, verify=edge.trust, trust_env=False) as http,
        ):
            ann = GrpcClient(channel, STUBS, system.token(ann_id))
            bob = ConnectClient(http, STUBS.paths, system.token(bob_id))
            await ann.call("CreatePerson", handle=ann_id, displayName="Ann")
            await bob.call("CreatePerson", handle=bob_id, displayName="Bob")
            async with watching(bob, "WatchFriendships") as told:
                await told.until_caught_up()
                asked = await ann.call("SendFriendRequest", personId=bob_id)
                received = (await told.next())["friendRequest"]
                assert received["requestId"] == asked["friendRequest"]["requestId"]
            await bob.call("AcceptFriendRequest", requestId=asked["friendRequest"]["requestId"])
            channel_id = (await ann.call("GetChannel", personId=bob_id))["channel"]["channelId"]
            async with watching(ann, "WatchMessages") as told:
                await told.until_caught_up()
                await bob.call("SendMessage", channelId=channel_id, text="through the edge")
                assert (await told.next())["message"]["text"] == "through the edge"

            # The page, a file of some size both ways, and gRPC-Web, which is not gRPC.
            assert "<title>Paperplane" in (await http.get("/")).text
            signed = {"authorization": f"Bearer {system.token(bob_id)}"}
            named = {**signed, "content-disposition": "attachment; filename=a.bin"}
            content = bytes(range(256)) * 20_000
            uploaded = await http.put("/attachments", content=content, headers=named)
            attachment_id = uploaded.json()["attachment"]["attachmentId"]
            part = {**signed, "range": "bytes=1000000-"}
            answer = await http.get(f"/attachments/{attachment_id}", headers=part)
            assert (answer.status_code, answer.content) == (206, content[1_000_000:])
            web = await http.post(
                STUBS.paths["ListFriends"],
                content=b"\0\0\0\0\0",
                headers={**signed, "content-type": "application/grpc-web+proto"},
            )
            assert web.headers["content-type"].startswith("application/grpc-web")
            assert web.headers["strict-transport-security"] == "max-age=31536000"
