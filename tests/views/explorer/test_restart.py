"""A kernel that is restarted under the explorer: this file is the last that uses the notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from browsing import Book


@pytest.mark.slow
def test_after_a_restart_the_page_says_what_to_do(book: Book) -> None:
    shown = book.explorer("mouse")
    book.restart()
    box = shown.box.locator(".row input").first
    before = box.is_checked()
    box.click()
    shown.box.locator(".trouble").filter(has_text="run the cell again").wait_for()
    assert shown.box.locator(".row input").first.is_checked() == before
    book.visit.check()
