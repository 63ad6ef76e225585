"""Which files become part of the page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from gateway.page import FOLDER, page_files


async def content_type(folder: Path, path: str) -> str:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    await page_files(folder, https=False)[path]({"method": "GET", "headers": []}, receive, send)
    headers: dict[bytes, bytes] = dict(sent[0]["headers"])
    return headers[b"content-type"].decode()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("app.js", "text/javascript; charset=utf-8"),
        ("parts/app.mjs", "text/javascript; charset=utf-8"),
        ("style.css", "text/css; charset=utf-8"),
        ("plane.svg", "image/svg+xml"),
        ("favicon.ico", "image/x-icon"),
        ("plane.png", "image/png"),
        ("app.webmanifest", "application/manifest+json"),
    ],
)
async def test_each_file_has_its_media_type(tmp_path: Path, name: str, expected: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"x")

    assert await content_type(tmp_path, f"/web/{name}") == expected


def test_only_the_outermost_start_page_is_at_the_root(tmp_path: Path) -> None:
    for name in ("index.html", "parts/index.html"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")

    assert page_files(tmp_path, https=False).keys() == {"/", "/web/parts/index.html"}


def test_what_has_no_known_type_stays_where_it_is(tmp_path: Path) -> None:
    for name in (".app.js.swp", "app.js~", "README.md", "app.py"):
        (tmp_path / name).write_bytes(b"x")

    assert page_files(tmp_path, https=False) == {}


def test_the_page_of_this_repository_is_served_whole() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    served = [path for path in files if path.name != "LICENSE" and path.suffix != ".md"]

    assert len(page_files(https=False)) == len(served)


def imported(module: Path) -> set[Path]:
    names = re.findall(r'^(?:import|export)\b[^;]*?"(\.[^"]+)"', module.read_text(), re.MULTILINE)
    return {(module.parent / name).resolve() for name in names}


def test_all_that_the_first_paint_waits_for_is_asked_for_at_once() -> None:
    start = FOLDER.resolve() / "app.js"
    needed: set[Path] = set()
    fresh = {start}
    while fresh:
        needed |= fresh
        fresh = {module for known in fresh for module in imported(known)} - needed
    links = re.findall(
        r'<link rel="modulepreload" href="/web/([^"]+)">', (FOLDER / "index.html").read_text()
    )

    assert sorted(links) == sorted(
        module.relative_to(FOLDER.resolve()).as_posix() for module in needed - {start}
    )
    assert all((FOLDER / link).is_file() for link in links)
