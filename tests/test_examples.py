"""Examples: every public name shows how it is used, in its docstring, and pytest runs it there."""

from __future__ import annotations

import doctest
from types import ModuleType

import pytest

import blobkit

NAMES = [
    *(name for name in blobkit.__all__ if not isinstance(getattr(blobkit, name), ModuleType)),
    *(f"plot.{name}" for name in blobkit.plot.__all__),
    *(f"errors.{name}" for name in blobkit.errors.__all__),
]


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_has_a_short_example(name: str) -> None:
    home: object = blobkit
    for part in name.split("."):
        home = getattr(home, part)
    examples = doctest.DocTestParser().get_examples(str(home.__doc__))
    assert examples, f"blobkit.{name} has no example"
    assert sum(example.source.count("\n") for example in examples) <= 6
