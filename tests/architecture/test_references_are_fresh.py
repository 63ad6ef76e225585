"""The generated pages of the documentation say what the code says today."""

from types import ModuleType

import pytest

from tools import error_reference, option_reference


@pytest.mark.parametrize(
    "reference", [error_reference, option_reference], ids=lambda it: it.__name__
)
def test_page_is_what_its_tool_would_write(reference: ModuleType) -> None:
    committed = reference.PAGE.read_text(encoding="utf-8")

    assert committed == reference.page(), f"run: python -m {reference.__name__}"
