"""The page and its files: what is served, with which headers, and that nothing else can be had."""

from __future__ import annotations

import asyncio

import pytest

from gateway.page import FOLDER
from tests.support.gateway import GatewayUnderTest, a_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_page_is_served_with_a_strict_policy(gateway: GatewayUnderTest) -> None:
    response = await gateway.http.get("/")

    assert response.status_code == 200
    assert response.content == (FOLDER / "index.html").read_bytes()
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-frame-options"] == "DENY"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cross-origin-opener-policy"] == "same-origin"
    assert response.headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in response.headers["permissions-policy"]
    assert "strict-transport-security" not in response.headers
    policy = {
        name: value
        for name, _, value in (
            each.partition(" ") for each in response.headers["content-security-policy"].split("; ")
        )
    }
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert not {word for value in policy.values() for word in value.split()} - {
        "'none'",
        "'self'",
        "'script'",
        "blob:",
        "paperplane",
    }


async def test_what_a_browser_has_is_not_sent_again(gateway: GatewayUnderTest) -> None:
    first = await gateway.http.get("/")
    tag = first.headers["etag"]

    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        response = await gateway.http.get("/", headers={"if-none-match": known})
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["etag"] == tag
        assert response.headers["cache-control"] == "no-cache"
    assert (await gateway.http.get("/", headers={"if-none-match": '"other"'})).status_code == 200


async def test_head_tells_what_get_would(gateway: GatewayUnderTest) -> None:
    get, head = await gateway.http.get("/"), await gateway.http.head("/")

    assert head.status_code == 200
    assert head.content == b""
    assert {**head.headers, "date": ""} == {**get.headers, "date": ""}


@pytest.mark.parametrize("verb", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
async def test_the_page_is_only_read(gateway: GatewayUnderTest, verb: str) -> None:
    response = await gateway.http.request(verb, "/")

    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "target",
    [
        "/web/../page.py",
        "/web/../../pyproject.toml",
        "/web/%2e%2e/page.py",
        "/web/..%2fpage.py",
        "/web/%2e%2e%2f%2e%2e%2fetc/passwd",
        "/web//etc/passwd",
        "/web/..\\page.py",
        "/web/index.html%00.js",
        "//etc/passwd",
        "/web",
        "/web/",
        "/web/index.html",
        "/web/missing.js",
    ],
)
async def test_no_path_leads_out_of_the_folder(gateway: GatewayUnderTest, target: str) -> None:
    # By hand, since clients tidy paths up before they send them.
    port = gateway.gateway.http_port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()

    assert answer.split(b" ")[1] == b"404"


async def test_over_tls_browsers_are_told_to_keep_to_it() -> None:
    async with a_gateway(public_url="https://chat.example.org") as gateway:
        response = await gateway.http.get("/")

    assert response.headers["strict-transport-security"] == "max-age=31536000"
