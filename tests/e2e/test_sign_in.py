"""A person signs in at an OpenID Connect provider: real processes, and a real browser."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from bench.system import free_port
from tests.support.browser import a_chromium
from tests.support.provider import a_provider, sign_in_options
from tests.support.system import a_system

CALL = """
path => fetch(path, {
  method: "POST", headers: {"content-type": "application/json"}, body: "{}"
}).then(response => response.status)
"""
SEARCH = "/paperplane.friendship.v1.PeopleService/SearchPeople"


async def test_a_development_system_offers_the_people_it_has(http: httpx.AsyncClient) -> None:
    people = (await http.get("/session")).json()["people"]
    assert people == ["alice", "bob", "chloe", "david", "emma"]

    for person_id in people:
        await http.post("/session", json={"personId": person_id})
        path, own = (
            "/paperplane.friendship.v1.PeopleService/GetPerson",
            {"origin": str(http.base_url)},
        )
        found = await http.post(path, json={"personId": person_id}, headers=own)
        assert found.json()["person"]["relationship"] == "RELATIONSHIP_SELF"


@pytest.mark.prove
async def test_a_person_signs_in_with_a_browser_and_out_again(data: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a-secret")
    port = free_port()
    async with a_chromium() as browser, a_provider() as address:
        # By another name than ours, so that browsers see two sites.
        issuer = address.replace("127.0.0.1", "localhost")
        options = sign_in_options(
            tmp_path,
            issuer,
            public_url=f"http://127.0.0.1:{port}",
            http_port=str(port),
            development="false",
            oidc_client_secret=str(tmp_path / "secret"),
        )
        with a_system(data, **options) as system:
            page = await browser.new_page()
            await page.goto(f"{system.http}/")
            assert await page.evaluate(CALL, SEARCH) == 401

            await page.goto(f"{system.http}/sign-in?return_to=/%23/network")
            assert page.url.startswith(f"{issuer}/")
            await page.fill("input[name=sub]", "dora")
            await page.get_by_role("button", name="Authorize").click()
            await page.wait_for_url(f"{system.http}/**")

            assert page.url.startswith(f"{system.http}/#/")
            session = await page.evaluate("() => fetch('/session').then(each => each.json())")
            assert session["signIn"] == "oidc"
            assert session["person"]["personId"] == "dora"
            assert await page.evaluate(CALL, SEARCH) != 401
            assert await page.evaluate("() => document.cookie") == ""

            signed_out = await page.evaluate(
                "() => fetch('/session', {method: 'DELETE'}).then(each => each.json())"
            )
            assert signed_out["providerSignOutUrl"].startswith(f"{issuer}/")
            assert await page.evaluate(CALL, SEARCH) == 401
