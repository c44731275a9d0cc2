"""The outputs of the notebooks: execute all in one kernel, and compare or write what they show.

`python tests/notebooks.py [PATH...]` writes the outputs anew; a test compares their texts. What differs from run to run
is left out or replaced: numbers of cells, addresses of objects, temporary directories, ids of styled tables, times of
the run, sizes of pictures. So is what needs a running kernel: a widget is shown by its HTML, or not at all.
"""

from __future__ import annotations

import re
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from nbclient import NotebookClient

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = tuple(sorted((ROOT / "notebooks").glob("*.ipynb")))
SETTINGS = {"kernel_name": "python3", "timeout": 120, "record_timing": False, "coalesce_streams": True}
FRESH = """
%reset -f
%config InlineBackend.figure_format = 'retina'
"""
"""What is run before each notebook, so that all share one kernel and none sees the names of another."""
WIDGET = "application/vnd.jupyter.widget-view+json"
REPLACED = (
    (re.compile(r" at 0x[0-9a-f]+"), " at 0x0"),
    (re.compile(r"<Figure size \S+ with"), "<Figure with"),
    (re.compile(r"(/[\w.-]+)+/blobkit-demo-\w+"), "/tmp/blobkit-demo"),  # noqa: S108 (a name that is shown)
)
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?= UTC)")
INSTEAD = "2026-07-01 09:00:00"
"""What is shown for each time of the run itself."""
STYLED = re.compile(r"\bT_[0-9a-f]{5}(?=_|\b)")


def executed(paths: Iterable[Path]) -> dict[str, NotebookNode]:
    """Return these notebooks with new outputs, by name."""
    start = datetime.now(UTC).replace(microsecond=0)
    books = {path.name: nbformat.read(path, as_version=4) for path in paths}
    cells = [cell for book in books.values() for cell in (nbformat.v4.new_code_cell(FRESH), *book.cells)]
    with tempfile.TemporaryDirectory() as place:
        NotebookClient(nbformat.v4.new_notebook(cells=cells), **SETTINGS).execute(cwd=place)
    for book in books.values():
        tidy(book, start)
    return books


def tidy(book: NotebookNode, start: datetime) -> None:
    """Leave out of the outputs what differs from run to run, and what needs a running kernel."""
    book.metadata = {"kernelspec": book.metadata.kernelspec, "language_info": {"name": "python"}}
    tidied = _Tidy(start)
    for cell in code_cells(book):
        cell.execution_count = None
        cell.metadata = {}
        cell.outputs = [output for output in map(tidied.output, cell.outputs) if output is not None]


def code_cells(book: NotebookNode) -> Iterator[NotebookNode]:
    """Yield the cells of a notebook that have code."""
    return (cell for cell in book.cells if cell.cell_type == "code")


def texts(cell: NotebookNode) -> list[str]:
    """Return the texts that a cell shows, with single spaces, and the types of its pictures."""
    found = []
    for output in cell.outputs:
        data = {"text/plain": output.text} if output.output_type == "stream" else output.data
        found += [" ".join(data["text/plain"].split()), html_text(data.get("text/html", ""))]
        found += [name for name in data if name.startswith("image/")]
    return [text for text in found if text]


def html_text(page: str) -> str:
    """Return the text of a piece of HTML, with single spaces."""
    reader = _Text()
    reader.feed(page)
    return " ".join(" ".join(reader.found).split())


class _Text(HTMLParser):
    """Collects the text of a page, without styles."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._is_style = False

    def handle_starttag(self, tag: str, _attrs: object) -> None:
        self._is_style = tag == "style"

    def handle_endtag(self, _tag: str) -> None:
        self._is_style = False

    def handle_data(self, data: str) -> None:
        if not self._is_style:
            self.found.append(data)


@dataclass
class _Tidy:
    """Makes the outputs of one notebook the same in every run; `start` is when this run began."""

    start: datetime
    styled: dict[str, str] = field(default_factory=dict)

    def output(self, output: NotebookNode) -> NotebookNode | None:
        """Return an output, None for one that says nothing without a kernel."""
        if output.output_type == "stream":
            output.text = self.text(output.text)
            return output if output.name == "stdout" or "Warning" in output.text else None  # not progress
        if output.output_type == "execute_result":
            output.execution_count = None
        is_widget = output.data.pop(WIDGET, None) is not None
        if is_widget and "text/html" not in output.data:
            return None
        output.data.update({name: self.text(text) for name, text in output.data.items() if name.startswith("text/")})
        return output

    def text(self, text: str) -> str:
        """Return a text with the same words in place of those that differ from run to run."""
        for pattern, instead in REPLACED:
            text = pattern.sub(instead, text)
        return STYLED.sub(self._id, TIME.sub(self._time, text))

    def _time(self, found: re.Match[str]) -> str:
        time = datetime.fromisoformat(found[0]).replace(tzinfo=UTC)
        return INSTEAD if self.start <= time <= datetime.now(UTC) else found[0]

    def _id(self, found: re.Match[str]) -> str:
        return self.styled.setdefault(found[0], f"T_{len(self.styled):05}")


def main() -> None:
    """Write the outputs of all notebooks anew, or of those that are given."""
    for name, book in executed(map(Path, sys.argv[1:]) if sys.argv[1:] else NOTEBOOKS).items():
        nbformat.write(book, ROOT / "notebooks" / name)


if __name__ == "__main__":
    main()
