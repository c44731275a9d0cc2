"""The same widget in marimo, without change."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit import demo
from browsing import Explorer, free_port, serving, visiting

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

BOOK = """
import marimo
app = marimo.App()

@app.cell
def _():
    import marimo as mo, blobkit
    from blobkit import demo
    w = mo.ui.anywidget(blobkit.explore(demo.small()))
    w
    return mo, w
"""


@pytest.mark.slow
def test_in_marimo(browser: Browser, tmp_path: Path) -> None:
    pytest.importorskip("marimo", reason="pip install '.[browser]'")
    (tmp_path / "book.py").write_text(BOOK)
    port = free_port()
    command = [sys.executable, "-m", "marimo", "run", "book.py", "--headless", "--no-token", "--host", "127.0.0.1"]
    env = {**os.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}
    url = f"http://127.0.0.1:{port}"
    with (
        serving([*command, "--port", str(port)], url, tmp_path / "log", env, cwd=tmp_path),
        visiting(browser) as visit,
    ):
        visit.page.goto(url)
        shown = Explorer(visit.page.locator(".bkx").first)
        shown.box.locator(".row").first.wait_for()
        shown.tick("shop/web")
        expected = blobkit.simulate_deref(demo.small(), "shop/web:*")
        assert shown.freed == expected.bytes
        assert f"{len(expected)} blobs" in shown.text(".say")
        visit.check()
