"""Sessions by cookie: who is signed in, what counts as our own page, and what a stranger may try."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import grpc
import httpx
import jwt
import pytest

from tests.support.gateway import (
    GET_PERSON,
    WATCH_MESSAGES,
    GatewayUnderTest,
    Issuer,
    a_gateway,
    envelope,
    envelopes,
    http_reason,
    json_reason,
    reason_of,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

OWN = {"sec-fetch-site": "same-origin"}
OWN_RAW = [(b"sec-fetch-site", b"same-origin")]


async def sign_in(gateway: GatewayUnderTest, person_id: str = "alice") -> str:
    """Sign a person in, and return the cookie as their browser would send it."""
    response = await gateway.http.post("/session", json={"personId": person_id})
    assert response.status_code == 200
    gateway.http.cookies.clear()
    return response.headers["set-cookie"].partition(";")[0]


async def call(gateway: GatewayUnderTest, cookie: str, **headers: str) -> httpx.Response:
    """Call a method with a cookie alone, as the page does."""
    given = {"cookie": cookie, **OWN, **{key.replace("_", "-"): v for key, v in headers.items()}}
    return await gateway.http.post(GET_PERSON, json={}, headers=given)


async def person(gateway: GatewayUnderTest, cookie: str) -> Any:
    response = await gateway.http.get("/session", headers={"cookie": cookie})
    assert response.status_code == 200
    return response.json()["person"]


class TestSigningIn:
    async def test_nobody_is_signed_in_at_first(self) -> None:
        async with a_gateway(development_people="alice, bob") as gateway:
            response = await gateway.http.get("/session")

        assert response.json() == {
            "signIn": "development",
            "person": None,
            "people": ["alice", "bob"],
        }
        assert response.headers["cache-control"] == "no-store"

    async def test_a_cookie_says_who_calls(self, gateway: GatewayUnderTest) -> None:
        cookie = await sign_in(gateway, "bob")

        response = await call(gateway, cookie)

        assert response.status_code == 200
        assert gateway.does.received[0].metadata["x-paperplane-person"] == "bob"
        assert "cookie" not in gateway.does.received[0].metadata

    async def test_the_answer_tells_who_and_until_when(self, gateway: GatewayUnderTest) -> None:
        response = await gateway.http.post("/session", json={"personId": "bob"})

        later = await gateway.http.get("/session")
        gateway.http.cookies.clear()
        assert response.json() == later.json()
        assert later.json()["person"]["personId"] == "bob"
        assert later.json()["person"]["expireTime"].endswith("Z")

    async def test_no_script_reads_the_cookie_and_no_other_site_sends_it(
        self, gateway: GatewayUnderTest
    ) -> None:
        response = await gateway.http.post("/session", json={"personId": "alice"})
        gateway.http.cookies.clear()

        pair, *attributes = response.headers["set-cookie"].split("; ")
        assert pair.startswith("paperplane=")
        assert "alice" not in pair
        assert attributes == ["Path=/", "Max-Age=43200", "HttpOnly", "SameSite=Strict"]

    async def test_over_tls_the_cookie_is_this_very_hosts(self) -> None:
        async with a_gateway(public_url="https://chat.example.org") as gateway:
            response = await gateway.http.post("/session", json={"personId": "alice"})

        cookie = response.headers["set-cookie"]
        assert cookie.startswith("__Host-paperplane=")
        assert cookie.endswith("; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict; Secure")

    @pytest.mark.parametrize(
        "headers",
        [
            {"origin": "https://evil.example"},
            {"origin": "null"},
            {"origin": "http://127.0.0.1:1"},
            {"host": "evil.example"},
            {"content-type": "text/plain"},
            {"content-type": "application/x-www-form-urlencoded"},
        ],
    )
    async def test_a_page_of_another_site_signs_nobody_in(
        self, gateway: GatewayUnderTest, headers: dict[str, str]
    ) -> None:
        response = await gateway.http.post("/session", json={"personId": "eve"}, headers=headers)

        assert response.status_code in (403, 415)
        assert "set-cookie" not in response.headers

    @pytest.mark.parametrize(
        "body",
        [
            {},
            [],
            {"personId": "two words"},
            {"personId": "a;b=c\r\n"},
            {"personId": "x" * 256},
            {"personId": "alice", "lifetimeSeconds": 60},
        ],
    )
    async def test_bad_wishes_are_refused(self, gateway: GatewayUnderTest, body: Any) -> None:
        response = await gateway.http.post("/session", json=body)

        assert response.status_code == 400
        assert "set-cookie" not in response.headers

    async def test_every_possible_id_can_sign_in(self, gateway: GatewayUnderTest) -> None:
        for person_id in ('";,\\%{}', "~" * 255):
            cookie = await sign_in(gateway, person_id)
            assert (await person(gateway, cookie))["personId"] == person_id

    @pytest.mark.parametrize("verb", ["PUT", "PATCH", "OPTIONS"])
    async def test_other_verbs_are_refused(self, gateway: GatewayUnderTest, verb: str) -> None:
        response = await gateway.http.request(verb, "/session")

        assert response.status_code == 405
        assert response.headers["allow"] == "GET, POST, DELETE"


class TestSigningOut:
    async def test_it_takes_the_cookie_away(self, gateway: GatewayUnderTest) -> None:
        await gateway.http.post("/session", json={"personId": "alice"})

        response = await gateway.http.delete("/session", headers=OWN)

        assert response.status_code == 204
        assert "content-length" not in response.headers
        assert not gateway.http.cookies
        assert (await gateway.http.get("/session")).json()["person"] is None

    async def test_another_site_signs_nobody_out(self, gateway: GatewayUnderTest) -> None:
        cookie = await sign_in(gateway)

        response = await gateway.http.delete(
            "/session", headers={"cookie": cookie, "sec-fetch-site": "cross-site"}
        )

        assert response.status_code == 403
        assert http_reason(response) == "CROSS_SITE_REQUEST"
        assert "set-cookie" not in response.headers


class TestForgery:
    async def test_a_changed_cookie_is_refused(self, gateway: GatewayUnderTest) -> None:
        name, _, value = (await sign_in(gateway)).partition("=")
        middle = len(value) // 2
        other = "A" if value[middle] != "A" else "B"
        for forged in (
            value[:-2],
            value[:middle] + other + value[middle + 1 :],
            value + "A",
            "",
            "x",
            "x" * 5000,
            "%00",
        ):
            response = await call(gateway, f"{name}={forged}")
            assert (response.status_code, http_reason(response)) == (401, "TOKEN_INVALID")
            assert await person(gateway, f"{name}={forged}") is None
        assert gateway.does.received == []

    async def test_a_cookie_of_another_key_is_refused(self, gateway: GatewayUnderTest) -> None:
        async with a_gateway() as other:
            cookie = await sign_in(other)

        response = await call(gateway, cookie)

        assert http_reason(response) == "TOKEN_INVALID"
        assert await person(gateway, cookie) is None

    async def test_a_session_ends_in_time_and_so_do_its_streams(self) -> None:
        async with a_gateway(session_lifetime="1") as gateway:
            cookie = await sign_in(gateway)
            gateway.does.hang = True
            stream = await gateway.http.post(
                WATCH_MESSAGES,
                content=envelope(b"{}"),
                headers={"content-type": "application/connect+json", "cookie": cookie, **OWN},
            )
            late = await call(gateway, cookie)

            (_, end) = envelopes(stream.content)[-1]
            assert json_reason(json.loads(end)["error"]) == "TOKEN_EXPIRED"
            assert (late.status_code, http_reason(late)) == (401, "TOKEN_EXPIRED")
            assert await person(gateway, cookie) is None

    async def test_a_cookie_is_no_bearer_token(self, gateway: GatewayUnderTest) -> None:
        value = (await sign_in(gateway)).partition("=")[2]

        response = await gateway.post(GET_PERSON, {}, authorization=f"Bearer {value}")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await gateway.get_person(authorization=f"Bearer {value}")

        assert http_reason(response) == reason_of(caught.value) == "TOKEN_INVALID"

    async def test_a_bearer_token_is_no_cookie(self, gateway: GatewayUnderTest) -> None:
        now = int(time.time())
        claims = {"sub": "alice", "exp": now + 60, "iss": "paperplane", "aud": "paperplane"}
        unsigned = jwt.encode(claims, "", algorithm="none")
        confused = jwt.encode(claims, "k" * 32, algorithm="HS256")
        for token in (gateway.issuer.token("alice"), unsigned, confused):
            response = await call(gateway, f"paperplane={token}")
            assert http_reason(response) == "TOKEN_INVALID"

    async def test_of_two_cookies_none_counts(self, gateway: GatewayUnderTest) -> None:
        own, tossed = await sign_in(gateway, "alice"), await sign_in(gateway, "eve")

        for both in (f"{own}; {tossed}", f"{tossed}; {own}", f"{own}; {own}"):
            assert http_reason(await call(gateway, both)) == "TOKEN_INVALID"

    async def test_other_cookies_are_passed_over(self, gateway: GatewayUnderTest) -> None:
        cookie = await sign_in(gateway, "bob")

        for crowd in (f'a=1; {cookie}; paperplanes="x, y"', f"{cookie};b", f";;=; {cookie}"):
            assert (await person(gateway, crowd))["personId"] == "bob"

    async def test_a_neighbours_odd_cookie_is_no_obstacle(self, gateway: GatewayUnderTest) -> None:
        cookie = await sign_in(gateway, "bob")

        for odd in ("a=zoë".encode(), b"a=\xff"):
            response = await gateway.http.post(
                GET_PERSON, json={}, headers=[(b"cookie", odd + b"; " + cookie.encode()), *OWN_RAW]
            )
            assert response.status_code == 200

    async def test_a_name_that_only_looks_like_ours_is_a_neighbours(
        self, gateway: GatewayUnderTest
    ) -> None:
        """Browsers bind a name by its first bytes: what they see as another's must not become ours."""
        cookie = (await sign_in(gateway)).encode()
        odd = [prefix + cookie for prefix in (b"\xa0", b"\x85", b"\xc2\xa0", b"\xe2\x80\x80")]
        odd.append(cookie[:4] + b"\xff" + cookie[4:])

        for each in odd:
            headers = [(b"cookie", each), *OWN_RAW]
            response = await gateway.http.post(GET_PERSON, json={}, headers=headers)
            assert response.status_code == 401, each
            session = await gateway.http.get("/session", headers=headers)
            assert session.json()["person"] is None, each

    async def test_a_huge_cookie_harms_nobody(self, gateway: GatewayUnderTest) -> None:
        cookie = await sign_in(gateway)

        huge = await gateway.http.get(
            "/session", headers={"cookie": f"{cookie}; a={'x' * 200_000}"}
        )

        assert huge.status_code in (400, 431)
        assert (await person(gateway, cookie))["personId"] == "alice"

    async def test_the_grpc_port_reads_no_cookie(self, gateway: GatewayUnderTest) -> None:
        cookie = await sign_in(gateway)

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await gateway.get_person(("cookie", cookie), authorization="")

        assert reason_of(caught.value) == "TOKEN_MISSING"

    async def test_a_token_counts_before_a_cookie(self, gateway: GatewayUnderTest) -> None:
        cookie = await sign_in(gateway, "bob")

        good = await call(gateway, cookie, authorization=gateway.authorization("alice"))
        bad = await call(gateway, cookie, authorization="Bearer x")

        assert good.status_code == 200
        assert gateway.does.received[0].metadata["x-paperplane-person"] == "alice"
        assert http_reason(bad) == "TOKEN_INVALID"


class TestOtherSites:
    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
            {"sec-fetch-site": "none"},
            {"sec-fetch-site": ""},
            {"sec-fetch-site": "same-site", "origin": "{own}"},
            {"origin": "null"},
            {"origin": ""},
            {"origin": "https://evil.example"},
            {"origin": "http://127.0.0.1:1"},
            {"origin": "{own}.evil.example"},
            {"origin": "{own}/"},
        ],
    )
    async def test_with_a_cookie_they_can_do_nothing(
        self, gateway: GatewayUnderTest, headers: dict[str, str]
    ) -> None:
        cookie = await sign_in(gateway)
        own = str(gateway.http.base_url).rstrip("/")
        sent = {name: value.replace("{own}", own) for name, value in headers.items()}

        response = await gateway.http.post(GET_PERSON, json={}, headers={"cookie": cookie, **sent})

        assert response.status_code == 403
        assert http_reason(response) == "CROSS_SITE_REQUEST"
        assert gateway.does.received == []

    async def test_an_old_browser_is_known_by_its_origin(self, gateway: GatewayUnderTest) -> None:
        cookie = await sign_in(gateway)
        own = str(gateway.http.base_url).rstrip("/")

        response = await gateway.http.post(
            GET_PERSON, json={}, headers={"cookie": cookie, "origin": own}
        )

        assert response.status_code == 200

    async def test_behind_a_proxy_our_origin_is_the_public_one(self) -> None:
        async with a_gateway(public_url="https://chat.example.org:443/") as gateway:
            cookie = await sign_in(gateway)
            origins = ("https://chat.example.org", "http://chat.example.org", "http://127.0.0.1")
            answers = [
                await gateway.http.post(
                    GET_PERSON, json={}, headers={"cookie": cookie, "origin": origin}
                )
                for origin in origins
            ]

        assert [answer.status_code for answer in answers] == [200, 403, 403]

    async def test_with_a_token_it_does_not_matter_where_one_is(
        self, gateway: GatewayUnderTest
    ) -> None:
        response = await gateway.post(GET_PERSON, {}, sec_fetch_site="cross-site")

        assert response.status_code == 200

    async def test_grpc_web_is_refused_in_its_own_form(self, gateway: GatewayUnderTest) -> None:
        cookie = await sign_in(gateway)

        response = await gateway.http.post(
            GET_PERSON,
            content=envelope(b""),
            headers={"cookie": cookie, "content-type": "application/grpc-web+proto"},
        )

        ((_, trailers),) = envelopes(response.content)
        assert f"grpc-status: {grpc.StatusCode.PERMISSION_DENIED.value[0]}" in trailers.decode()


async def test_where_nobody_can_sign_in_a_cookie_is_nothing(tmp_path: Path) -> None:
    issuer = Issuer()
    (tmp_path / "jwks").write_bytes(issuer.key_set())
    async with (
        a_gateway() as development,
        a_gateway(
            jwks=str(tmp_path / "jwks"), issuer=issuer.issuer, audience=issuer.audience
        ) as gateway,
    ):
        cookie = await sign_in(development)

        state = await gateway.http.get("/session", headers={"cookie": cookie})
        wish = await gateway.http.post("/session", json={"personId": "alice"})
        end = await gateway.http.delete("/session", headers=OWN)
        refused = await call(gateway, cookie)

    assert state.json() == {"signIn": "none", "person": None, "people": []}
    assert (wish.status_code, wish.headers["allow"]) == (405, "GET")
    assert end.status_code == 405
    assert http_reason(refused) == "TOKEN_MISSING"
