"""The headers that go with files."""

from __future__ import annotations

import pytest

from gateway.file_headers import (
    Range,
    disposition,
    file_name_of,
    guarding,
    parse_range,
    unmet_condition,
)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("bytes=0-99", Range(0, 99)),
        ("bytes=5-", Range(5, None)),
        ("bytes=-7", Range(None, 7)),
        ("bytes= 1 - 2", Range(1, 2)),
        ("", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=-0", None),
        ("bytes=9-3", None),
        ("bytes=0-1,4-5", None),
        ("lines=0-1", None),
        ("bytes=" + "9" * 30 + "-", None),
    ],
)
def test_a_range_is_read_or_ignored(value: str, wanted: Range | None) -> None:
    assert parse_range(value) == wanted


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ('attachment; filename="plan B.pdf"', "plan B.pdf"),
        ("attachment; filename=plan.pdf", "plan.pdf"),
        ("attachment; filename*=UTF-8''na%C3%AFve%20%F0%9F%9B%A9.txt", "naïve 🛩.txt"),
        ("attachment; filename=\"x.txt\"; filename*=UTF-8''%C3%BC.txt", "ü.txt"),
        # UTF-8 as some clients send it, read as Latin-1
        ('attachment; filename="na\u00c3\u00afve.txt"', "naïve.txt"),
        ("attachment", ""),
        ("", ""),
        ('attachment; filename="../../etc/passwd"', "../../etc/passwd"),
        ("attachment; filename*=UTF-8''a%00b", "a\0b"),
        ("attachment; filename*=''", ""),
        ("attachment; filename*=''; filename=b.txt", "b.txt"),
    ],
)
def test_a_file_name_is_read_as_it_was_meant(value: str, name: str) -> None:
    """Whether the name is a good one is for the service to say."""
    assert file_name_of(value) == name


def test_a_name_in_two_forms_that_exclude_each_other_is_refused() -> None:
    with pytest.raises(ValueError, match="in two ways"):
        file_name_of("attachment; filename*=UTF-8''a; filename*0=b")


@pytest.mark.parametrize(
    ("if_match", "if_none_match", "status"),
    [
        ("", "", None),
        ('"a"', "", None),
        ("*", "", None),
        ('"b", "a"', "", None),
        ('"b"', "", 412),
        ('W/"a"', "", 412),
        ('"b"', '"a"', 412),
        ("", '"b"', None),
        ("", '"b" , W/"a"', 304),
        ('"a"', '"a"', 304),
        ("", "*", 304),
    ],
)
def test_conditions_are_held_against_the_tag(
    if_match: str, if_none_match: str, status: int | None
) -> None:
    assert unmet_condition(if_match, if_none_match, '"a"') == status


def test_a_header_that_is_costly_to_read_is_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        file_name_of("attachment; filename=" + ";" * 5000)


def test_a_name_can_add_no_header_and_end_no_quotes() -> None:
    header = disposition('a"\r\nx: y\\\0ü.png', "image/png")

    assert header == (
        "inline; filename=\"a___x: y___.png\"; filename*=UTF-8''a%22%0D%0Ax%3A%20y%5C%00%C3%BC.png"
    )
    assert file_name_of(header) == 'a"\r\nx: y\\\0ü.png'


@pytest.mark.parametrize(
    "content_type", ["text/html", "image/svg+xml", "text/plain", "application/zip", "video/mp4", ""]
)
def test_what_could_run_is_only_ever_saved(content_type: str) -> None:
    headers = dict(guarding(content_type))

    assert disposition("x", content_type).startswith("attachment;")
    assert headers[b"content-type"] == b"application/octet-stream"
    assert b"sandbox" in headers[b"content-security-policy"]
    assert headers[b"x-content-type-options"] == b"nosniff"


def test_pictures_and_pdf_are_shown_and_confined() -> None:
    for content_type in ("image/jpeg", "image/png", "image/gif", "image/webp", "application/pdf"):
        headers = dict(guarding(content_type))

        assert disposition("x", content_type).startswith("inline;")
        assert headers[b"content-type"].decode() == content_type
        assert b"default-src 'none'" in headers[b"content-security-policy"]
