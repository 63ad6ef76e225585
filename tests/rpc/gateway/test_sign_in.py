"""Signing in at an OpenID Connect provider, a real one and one that misbehaves."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import pytest
import pytest_asyncio

from chassis.process import StartError
from gateway.keys import FixedKeys, parse_key_set
from gateway.oidc import Client, RelyingParty, SignInFailed, discover
from tests.support.gateway import GET_PERSON, GatewayUnderTest, Issuer, a_gateway
from tests.support.provider import (
    Misbehaving,
    a_misbehaving_provider,
    a_provider,
    consent,
    decline,
    query_of,
    sign_in_options,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

OWN = {"sec-fetch-site": "same-origin"}


@dataclass
class Browser:
    """As much of a browser as signing in takes: it keeps cookies and follows no redirect by itself."""

    http: httpx.AsyncClient

    async def begin(self, return_to: str = "/") -> str:
        """Go to `/sign-in`, and return where it leads."""
        response = await self.http.get("/sign-in", params={"return_to": return_to})
        assert response.status_code == 303
        return response.headers["location"]

    async def finish(self, url: str) -> str:
        """Come back from the provider, and return where that leads."""
        response = await self.come_back(url)
        assert response.status_code == 303
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["referrer-policy"] == "no-referrer"
        return response.headers["location"]

    async def come_back(self, url: str) -> httpx.Response:
        """Come back from the provider."""
        parts = urlsplit(url)
        return await self.http.get(f"{parts.path}?{parts.query}")

    async def who(self) -> str | None:
        """Return who is signed in."""
        state = (await self.http.get("/session")).json()
        assert state["signIn"] == "oidc"
        return state["person"]["personId"] if state["person"] else None

    def cookies(self) -> list[str]:
        """Return the names of its cookies."""
        return sorted(self.http.cookies)


@asynccontextmanager
async def a_browser(gateway: GatewayUnderTest) -> AsyncGenerator[Browser]:
    async with httpx.AsyncClient(base_url=gateway.http.base_url, trust_env=False) as http:
        yield Browser(http)


@pytest_asyncio.fixture(loop_scope="module")
async def browser(gateway: GatewayUnderTest) -> AsyncGenerator[Browser]:
    async with a_browser(gateway) as browser:
        yield browser


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("secrets") / "client-secret"
    path.write_text("a-secret\n")
    return str(path)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def issuer() -> AsyncGenerator[str]:
    async with a_provider() as issuer:
        yield issuer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_gateway(
    issuer: str, secret: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[GatewayUnderTest]:
    options = sign_in_options(tmp_path_factory.mktemp("key"), issuer, oidc_client_secret=secret)
    async with a_gateway(**options, rate_limit="off") as running:
        yield running


class TestAtARealProvider:
    async def test_a_person_signs_in_calls_and_signs_out(
        self, gateway: GatewayUnderTest, browser: Browser, issuer: str
    ) -> None:
        back = await consent(await browser.begin("/#/people/bob"), "carol")
        assert await browser.finish(back) == "/#/people/bob"

        assert await browser.who() == "carol"
        assert browser.cookies() == ["paperplane"]
        called = await browser.http.post(GET_PERSON, json={}, headers=OWN)
        assert called.status_code == 200
        assert gateway.does.received[0].metadata["x-paperplane-person"] == "carol"

        out = await browser.http.delete("/session", headers=OWN)
        assert out.json() == {
            "providerSignOutUrl": f"{issuer}/oauth2/end_session?client_id=paperplane"
        }
        assert await browser.who() is None

    async def test_who_declines_is_told_so(self, browser: Browser) -> None:
        back = await decline(await browser.begin())

        assert await browser.finish(back) == "/#/sign-in?error=cancelled"
        assert await browser.who() is None

    async def test_two_tabs_do_not_disturb_each_other(self, browser: Browser) -> None:
        first, second = await browser.begin("/#/1"), await browser.begin("/#/2")

        assert await browser.finish(await consent(second, "bob")) == "/#/2"
        assert await browser.finish(await consent(first, "alice")) == "/#/1"

        assert await browser.who() == "alice"

    async def test_what_was_used_once_is_used_up(self, browser: Browser) -> None:
        start = await browser.http.get("/sign-in")
        name, _, value = start.headers["set-cookie"].partition(";")[0].partition("=")
        back = await consent(start.headers["location"], "alice")
        await browser.finish(back)
        browser.http.cookies.clear()

        again = await browser.finish(back)
        browser.http.cookies.set(name, value)
        with_the_old_cookie = await browser.finish(back)

        assert again == "/#/sign-in?error=expired"
        assert with_the_old_cookie == "/#/sign-in?error=failed"
        assert await browser.who() is None

    async def test_what_another_has_begun_signs_nobody_in(
        self, gateway: GatewayUnderTest, browser: Browser
    ) -> None:
        async with a_browser(gateway) as attacker:
            back = await consent(await attacker.begin(), "attacker")
        state = query_of(back)["state"]
        without_any = await browser.finish(back)
        own_state = query_of(await browser.begin())["state"]

        assert without_any == "/#/sign-in?error=expired"
        assert await browser.finish(back) == "/#/sign-in?error=expired"
        mixed = back.replace(state, own_state[:8] + state[8:])
        assert await browser.finish(mixed) == "/#/sign-in?error=expired"
        # The code is for another attempt, as its ID token says.
        own_state = query_of(await browser.begin())["state"]
        assert await browser.finish(back.replace(state, own_state)) == "/#/sign-in?error=failed"
        assert await browser.who() is None

    @pytest.mark.parametrize(
        "answer",
        [
            "",
            "code=x",
            "code=x&state=",
            "code=x&state=" + "a" * 43,
            "code=x&state=%00%0d%0aset-cookie:a=b",
            "error=access_denied%0d%0a&state=x",
            "error=%3Cscript%3E",
            "&".join(["code=x"] * 50),
            "%ff=%ff",
        ],
    )
    async def test_a_made_up_answer_signs_nobody_in(self, browser: Browser, answer: str) -> None:
        response = await browser.http.get(f"/sign-in/callback?{answer}")

        assert response.headers["location"] in (
            "/#/sign-in?error=expired",
            "/#/sign-in?error=failed",
        )
        assert "paperplane" not in browser.cookies()

    @pytest.mark.parametrize(
        "return_to",
        [
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "/\r\nset-cookie: a=b",
            "https://evil.example",
            "javascript:alert(1)",
            "evil.example",
            "/" + "x" * 1000,
            "/ü",
            "/%2f\\evil.example",
            "",
        ],
    )
    async def test_nobody_is_led_to_another_site(self, browser: Browser, return_to: str) -> None:
        back = await consent(await browser.begin(return_to), "alice")

        assert await browser.finish(back) == "/"

    @pytest.mark.parametrize("return_to", ["/#/network?query=a%20b", "/methods", "/?a=b#c"])
    async def test_one_comes_back_where_one_was(self, browser: Browser, return_to: str) -> None:
        back = await consent(await browser.begin(return_to), "alice")

        assert await browser.finish(back) == return_to

    async def test_attempts_that_lead_nowhere_do_not_pile_up(self, browser: Browser) -> None:
        urls = [await browser.begin(f"/#/{number}") for number in range(30)]

        assert len(browser.cookies()) == 5
        assert await browser.finish(await consent(urls[-1], "alice")) == "/#/29"
        assert await browser.finish(await consent(urls[0], "bob")) == "/#/sign-in?error=expired"

    async def test_an_attempt_shows_nothing_of_itself(self, browser: Browser) -> None:
        response = await browser.http.get("/sign-in?return_to=/%23/secret")

        cookie = response.headers["set-cookie"]
        asked = query_of(response.headers["location"])
        assert asked["scope"] == "openid"
        assert asked["code_challenge_method"] == "S256"
        assert "a-secret" not in response.headers["location"]
        assert cookie.endswith("; Path=/; Max-Age=600; HttpOnly; SameSite=Lax")
        assert asked["nonce"] not in cookie
        assert "secret" not in cookie

    @pytest.mark.parametrize("path", ["/sign-in", "/sign-in/callback"])
    async def test_one_only_goes_there(self, browser: Browser, path: str) -> None:
        assert (await browser.http.post(path)).status_code == 405
        assert (await browser.http.head(path)).status_code == 405

    async def test_nobody_signs_in_by_wishing(self, browser: Browser) -> None:
        response = await browser.http.post("/session", json={"personId": "alice"})

        assert (response.status_code, response.headers["allow"]) == (405, "GET, DELETE")

    async def test_over_tls_attempts_are_this_very_hosts(self, issuer: str, tmp_path: Path) -> None:
        options = sign_in_options(tmp_path, issuer, public_url="https://chat.example.org")
        async with a_gateway(**options) as gateway:
            response = await gateway.http.get("/sign-in")

        assert response.headers["set-cookie"].startswith("__Host-paperplane-sign-in-")
        assert response.headers["set-cookie"].endswith("; SameSite=Lax; Secure")
        redirect_uri = query_of(response.headers["location"])["redirect_uri"]
        assert redirect_uri == "https://chat.example.org/sign-in/callback"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_misbehaving(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncGenerator[tuple[Misbehaving, GatewayUnderTest]]:
    async with a_misbehaving_provider() as provider:
        options = sign_in_options(tmp_path_factory.mktemp("key"), provider.url, rate_limit="off")
        async with a_gateway(**options) as running:
            yield provider, running


@pytest.fixture
def misbehaving(shared_misbehaving: tuple[Misbehaving, GatewayUnderTest]) -> Misbehaving:
    provider, _ = shared_misbehaving
    provider.forget()
    return provider


@pytest_asyncio.fixture(loop_scope="module")
async def wary(
    shared_misbehaving: tuple[Misbehaving, GatewayUnderTest],
) -> AsyncGenerator[Browser]:
    async with a_browser(shared_misbehaving[1]) as browser:
        yield browser


OTHER = Issuer()
WRONG_CLAIMS: dict[str, dict[str, Any]] = {
    "of another issuer": {"iss": "https://evil.example"},
    "for another client": {"aud": "paperplane-api"},
    "for several, naming none": {"aud": ["paperplane", "other"]},
    "for several, naming another": {"aud": ["paperplane", "other"], "azp": "other"},
    "issued to another": {"azp": "other"},
    "expired": {"exp": int(time.time()) - 120},
    "not valid yet": {"nbf": int(time.time()) + 3600},
    "of another attempt": {"nonce": "x"},
    "of no attempt": {"nonce": None},
    "about nobody": {"sub": None},
    "about an empty name": {"sub": ""},
    "about a number": {"sub": 7},
    "about two words": {"sub": "a b\r\nset-cookie: c=d"},
    "about a long name": {"sub": "x" * 256},
    "without an end": {"exp": None},
    "ending never": {"exp": float("inf")},
    "ending in words": {"exp": "tomorrow"},
}
FORGERIES: dict[str, Callable[[Issuer, dict[str, Any]], str]] = {
    "unsigned": lambda _, claims: jwt.encode(claims, "", algorithm="none"),
    "signed with the public key as a secret": lambda issuer, claims: jwt.encode(
        claims, issuer.entry("EdDSA")["x"], algorithm="HS256", headers={"kid": "EdDSA"}
    ),
    "signed with another key": lambda _, claims: OTHER.token(**claims),
    "no token": lambda _, __: "x",
    "nothing": lambda _, __: "",
}


class TestAtAMisbehavingProvider:
    async def test_a_good_answer_of_it_is_believed(
        self, misbehaving: Misbehaving, wary: Browser
    ) -> None:
        assert await wary.finish(misbehaving.consent(await wary.begin("/#/1"))) == "/#/1"
        assert await wary.who() == "alice"

    @pytest.mark.parametrize("audience", [["paperplane"], ["paperplane", "other"]])
    async def test_a_token_for_several_may_name_us(
        self, misbehaving: Misbehaving, wary: Browser, audience: list[str]
    ) -> None:
        misbehaving.claims = {"aud": audience, "azp": "paperplane"}

        assert await wary.finish(misbehaving.consent(await wary.begin())) == "/"

    async def test_a_clock_that_is_a_little_off_does_not_matter(
        self, misbehaving: Misbehaving, wary: Browser
    ) -> None:
        now = int(time.time())
        misbehaving.claims = {"iat": now + 30, "nbf": now + 30, "exp": now - 5}

        assert await wary.finish(misbehaving.consent(await wary.begin())) == "/"

    @pytest.mark.parametrize("kind", WRONG_CLAIMS)
    async def test_an_id_token_that_says_something_else_signs_nobody_in(
        self, misbehaving: Misbehaving, wary: Browser, kind: str
    ) -> None:
        misbehaving.claims = WRONG_CLAIMS[kind]

        ended = await wary.finish(misbehaving.consent(await wary.begin()))

        assert ended == "/#/sign-in?error=failed"
        assert await wary.who() is None
        assert wary.cookies() == []

    @pytest.mark.parametrize("kind", FORGERIES)
    async def test_a_forged_id_token_signs_nobody_in(
        self, misbehaving: Misbehaving, wary: Browser, kind: str
    ) -> None:
        misbehaving.forge = FORGERIES[kind]

        ended = await wary.finish(misbehaving.consent(await wary.begin()))

        assert ended == "/#/sign-in?error=failed"
        assert await wary.who() is None

    async def test_a_token_endpoint_that_never_answers_is_given_up(
        self, misbehaving: Misbehaving
    ) -> None:
        misbehaving.hang = True
        client = Client("paperplane", "", "http://127.0.0.1:8080/sign-in/callback", "openid")
        keys = FixedKeys(parse_key_set(misbehaving.issuer.key_set()))
        provider = await discover(misbehaving.url)
        party = RelyingParty(provider, client, keys, 0, timeout=0.2)
        url, attempt = party.begin()

        with pytest.raises(SignInFailed) as caught:
            await party.finish(attempt, query_of(misbehaving.consent(url))["code"])

        assert caught.value.failure == "unavailable"

    @pytest.mark.parametrize(
        ("status", "content", "told"),
        [
            (500, b"{}", "unavailable"),
            (503, b"<html>", "unavailable"),
            (200, b"<html>", "failed"),
            (200, b"[" * 100_000, "failed"),
            (200, b"[]", "failed"),
            (200, b"{}", "failed"),
            (200, b'{"id_token": 7}', "failed"),
            (400, b'{"error": "invalid_grant"}', "failed"),
            (401, b'{"error": "<script>"}', "failed"),
            (302, b"", "failed"),
            (429, b"slow down", "failed"),
        ],
    )
    async def test_a_token_endpoint_that_fails_is_told_from_one_that_is_away(
        self, misbehaving: Misbehaving, wary: Browser, status: int, content: bytes, told: str
    ) -> None:
        misbehaving.answer = status, content

        ended = await wary.finish(misbehaving.consent(await wary.begin()))

        assert ended == f"/#/sign-in?error={told}"

    async def test_a_public_client_proves_itself_by_pkce_alone(
        self, misbehaving: Misbehaving, wary: Browser
    ) -> None:
        await wary.finish(misbehaving.consent(await wary.begin()))

        ((headers, asked),) = misbehaving.redeemed
        assert asked["client_id"] == "paperplane"
        assert "client_secret" not in asked
        assert "authorization" not in headers

    @pytest.mark.parametrize(
        ("methods", "in_header"),
        [
            (None, True),
            (["client_secret_post", "client_secret_basic"], True),
            (["client_secret_post"], False),
        ],
    )
    async def test_the_secret_goes_where_the_provider_wants_it(
        self, tmp_path: Path, secret: str, methods: list[str] | None, in_header: bool
    ) -> None:
        async with a_misbehaving_provider() as provider:
            provider.description = {"token_endpoint_auth_methods_supported": methods}
            options = sign_in_options(tmp_path, provider.url, oidc_client_secret=secret)
            async with a_gateway(**options) as gateway, a_browser(gateway) as browser:
                assert await browser.finish(provider.consent(await browser.begin())) == "/"

        ((headers, asked),) = provider.redeemed
        assert ("authorization" in headers) is in_header
        assert ("client_secret" in asked) is not in_header

    async def test_where_its_own_session_cannot_be_ended_nothing_is_said_of_it(
        self, misbehaving: Misbehaving, wary: Browser
    ) -> None:
        await wary.finish(misbehaving.consent(await wary.begin()))

        response = await wary.http.delete("/session", headers=OWN)

        assert (response.status_code, response.content) == (204, b"")
        assert await wary.who() is None

    async def test_replicas_with_the_same_key_believe_each_other(
        self, misbehaving: Misbehaving, wary: Browser, tmp_path: Path
    ) -> None:
        url = await wary.begin("/#/1")
        async with (
            a_gateway(**sign_in_options(tmp_path, misbehaving.url)) as replica,
            a_browser(replica) as elsewhere,
        ):
            elsewhere.http.cookies.update(wary.http.cookies)
            assert await elsewhere.finish(misbehaving.consent(url)) == "/#/1"
            wary.http.cookies.update(elsewhere.http.cookies)

        assert await wary.who() == "alice"


class TestStarting:
    @pytest.mark.parametrize(
        ("description", "complaint"),
        [
            ({"issuer": "https://evil.example"}, "describes another issuer"),
            ({"authorization_endpoint": "http://idp.example/a"}, "no authorization_endpoint"),
            ({"token_endpoint": None}, "no token_endpoint"),
            ({"jwks_uri": "file:///etc/passwd"}, "no jwks_uri"),
        ],
    )
    async def test_a_provider_that_makes_no_sense_is_named_at_start(
        self, tmp_path: Path, description: dict[str, Any], complaint: str
    ) -> None:
        async with a_misbehaving_provider() as provider:
            provider.description = description

            with pytest.raises(StartError, match=f"PAPERPLANE_ISSUER: http.*{complaint}"):
                await _start(sign_in_options(tmp_path, provider.url))

    async def test_a_provider_that_is_away_is_named_at_start(self, tmp_path: Path) -> None:
        with pytest.raises(StartError, match=r"PAPERPLANE_ISSUER: http://127\.0\.0\.1:1/"):
            await _start(sign_in_options(tmp_path, "http://127.0.0.1:1"))

    @pytest.mark.parametrize("content", ["", "short", "a good key of thirty-two characters\nshort"])
    async def test_a_session_key_that_could_be_guessed_is_refused(
        self, tmp_path: Path, content: str
    ) -> None:
        async with a_misbehaving_provider() as provider:
            options = sign_in_options(tmp_path, provider.url, session_key=str(tmp_path / "key"))
            (tmp_path / "key").write_text(content)

            with pytest.raises(StartError, match="PAPERPLANE_SESSION_KEY: the file must"):
                await _start(options)

    @pytest.mark.parametrize("option", ["session_key", "oidc_client_secret"])
    async def test_a_secret_given_for_its_file_is_not_printed(
        self, tmp_path: Path, option: str
    ) -> None:
        async with a_misbehaving_provider() as provider:
            options = sign_in_options(tmp_path, provider.url, **{option: "the-secret-itself"})

            with pytest.raises(StartError, match=f"PAPERPLANE_{option.upper()}") as caught:
                await _start(options)

        assert "the-secret-itself" not in str(caught.value)


async def _start(options: dict[str, str]) -> None:
    async with a_gateway(**options):
        pass
