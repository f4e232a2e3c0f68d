"""The pages that are made from the code are as the code is."""

from pathlib import Path

import pytest

from tests import pages


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.name)
def test_what_is_made_from_the_code_is_current(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "<!-- generated: " in text
    assert text == pages.made(text), "write it anew: python -m tests.pages"
