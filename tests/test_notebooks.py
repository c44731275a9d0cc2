"""The notebooks are the manual: they show what blobkit answers now, are easy to read, and name all that is public."""

from __future__ import annotations

import re
from itertools import zip_longest
from pathlib import Path

import nbformat
import pytest

import blobkit
from notebooks import NOTEBOOKS, code_cells, executed, texts

README = (Path(__file__).parents[1] / "README.md").read_text()
BOOKS = {path.name: nbformat.read(path, as_version=4) for path in NOTEBOOKS}
CODE = {name: "\n".join(cell.source for cell in code_cells(book)) for name, book in BOOKS.items()}
MANUAL = README + "\n".join(cell.source for book in BOOKS.values() for cell in book.cells)
SCAFFOLDING = re.compile(r"\b(assert|tempfile|mkdtemp|TemporaryDirectory|utime|sha256|write_bytes|unlink)\b")
INNER = frozenset({"adopted", "caption", "counted", "details", "find", "graph", "holding", "identity", "key", "keys"})
INNER |= {
    "pins_of",
    "rule",
    "sections",
    "shows_tags",
    "snapshot",
    "store",
    "tables",
    "title",
    "with_files",
    "with_notices",
}
"""Public methods of stores and snapshots that other parts of blobkit call, and no reader needs."""


def shown(book: nbformat.NotebookNode) -> str:
    """Return all HTML that a notebook shows."""
    outputs = (output for cell in code_cells(book) for output in cell.outputs)
    return "".join(output.data.get("text/html", "") for output in outputs if "data" in output)


@pytest.mark.slow
def test_the_notebooks_show_what_they_showed() -> None:
    """After a change on purpose: python tests/notebooks.py."""
    changed = []
    for name, book in executed(NOTEBOOKS).items():
        for old, new in zip_longest(code_cells(BOOKS[name]), code_cells(book)):
            pairs = zip_longest(texts(old), texts(new))
            changed += [f"{name}: {new.source}\n  was {was}\n  is {now}" for was, now in pairs if was != now]
    assert "\n".join(changed) == ""


@pytest.mark.parametrize("name", BOOKS)
def test_every_notebook_is_committed_with_its_outputs_and_without_traces_of_a_run(name: str) -> None:
    book = BOOKS[name]
    assert set(book.metadata) == {"kernelspec", "language_info"}
    assert [cell.id for cell in code_cells(book) if cell.execution_count or cell.metadata] == []
    outputs = [output for cell in code_cells(book) for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"stream", "display_data", "execute_result"}
    assert len(outputs) >= 2


@pytest.mark.parametrize("name", BOOKS)
def test_every_notebook_starts_with_a_place_for_your_own_address(name: str) -> None:
    first = next(code_cells(BOOKS[name])).source
    assert re.search(r"^[A-Z, ]+ = .*demo|^days = demo", first, re.MULTILINE)
    assert "# or " in first


@pytest.mark.parametrize("name", BOOKS)
def test_no_notebook_has_scaffolding(name: str) -> None:
    assert SCAFFOLDING.findall(CODE[name]) == []


@pytest.mark.parametrize("name", BOOKS)
def test_every_table_is_short(name: str) -> None:
    tables = re.findall(r"<table.*?</table>", shown(BOOKS[name]), re.DOTALL)
    assert [table for table in tables if table.count("<tr") - 2 >= 15] == []


def test_the_notebooks_are_small() -> None:
    assert sum(path.stat().st_size for path in NOTEBOOKS) < 2_500_000


def test_links_between_notebooks_lead_to_files() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", "".join(cell.source for book in BOOKS.values() for cell in book.cells))
    assert links
    assert [link for link in links if not (NOTEBOOKS[0].parent / link).exists()] == []


def test_every_public_name_is_in_the_manual() -> None:
    public = [*blobkit.__all__, *(f"plot.{name}" for name in blobkit.plot.__all__)]
    public.remove("hash_for_label")  # for those who come from the original package
    assert missing(public) == []


@pytest.mark.parametrize("kind", [blobkit.LocalStore, blobkit.Snapshot])
def test_every_method_of_stores_and_snapshots_is_in_the_manual(kind: type) -> None:
    assert missing([name for name in dir(kind) if not name.startswith("_") and name not in INNER]) == []


@pytest.mark.parametrize("kind", [getattr(blobkit, name) for name in blobkit.__all__ if name[0].isupper()])
def test_what_one_does_with_an_answer_is_in_the_manual(kind: type) -> None:
    assert missing([name for name in ("exceeds", "plot", "preview", "script", "verify") if hasattr(kind, name)]) == []


def missing(names: list[str]) -> list[str]:
    """Return the names that occur neither in a notebook nor in the README."""
    return [name for name in names if not re.search(rf"\b{re.escape(name)}\b", MANUAL)]
