"""The program and the style of the page: the files in `page/`, joined to one module without imports."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

__all__ = ["program", "style"]

PARTS = ("text", "talk", "result", "picture", "table", "filters", "view")
"""The files of the program; the last one exports the widget."""


@cache
def program() -> str:
    """Return the program: one JavaScript module."""
    return "\n".join(_read(f"{part}.js") for part in PARTS)


@cache
def style() -> str:
    """Return the style sheet."""
    return _read("view.css")


def _read(name: str) -> str:
    return files(__package__).joinpath("page", name).read_text(encoding="utf-8")
