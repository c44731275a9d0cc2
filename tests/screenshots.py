"""The pictures of the explorer for README.md and the notebooks, as JupyterLab shows it in chromium.

`python tests/screenshots.py` writes them anew.
"""

from __future__ import annotations

import io
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from PIL import Image

from browsing import Visit, browsing, running_book, running_lab
from notebooks import NOTEBOOKS, ROOT, code_cells

if TYPE_CHECKING:
    from playwright.sync_api import Locator

SHOWN = ("data/train:1", "data/train:2", "shop/web:1.1")
"""The tags that are ticked in the picture of the explorer."""


def main() -> None:
    """Write notebooks/explorer.png and notebooks/dashboard.png."""
    (book,) = (nbformat.read(path, as_version=4) for path in NOTEBOOKS if path.stem.endswith("explore"))
    cells = [cell.source for cell in code_cells(book)]
    with tempfile.TemporaryDirectory() as place, running_lab(Path(place)) as lab, browsing() as browser:
        page = browser.new_context(viewport={"width": 1350, "height": 2400}, device_scale_factor=1.5).new_page()
        with running_book(lab, Visit(page), *cells) as running:
            first, *_, board = (page.locator(".jp-OutputArea-output:has(.bkx)").nth(which) for which in range(3))
            board.locator(".say").wait_for()
            for _ in range(6):
                board.locator(".noUi-handle").press("ArrowLeft")
            board.locator(".widget-readout", has_text=re.compile("^60$")).wait_for()
            board.locator(".blobkit", has_text=running.evaluate("board.result.title()")).wait_for()
            _save(board, "dashboard")
            running.run(f"explorer.value = {SHOWN}")
            first.locator(".say", has_text=f"{len(SHOWN)} tags").wait_for()
            _save(first, "explorer")


def _save(what: Locator, name: str) -> None:
    """Write a picture with 256 colours: a third of the bytes."""
    picture = Image.open(io.BytesIO(what.screenshot(animations="disabled")))
    picture.convert("RGB").quantize(256).save(ROOT / f"notebooks/{name}.png", optimize=True)


if __name__ == "__main__":
    main()
