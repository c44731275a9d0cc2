"""Each room knows what it should: only records (snapshot/stores/) name kinds of stores, policies and tools."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.snapshot.kinds import RECORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(blobkit.__file__).parent
NAMES = {
    name
    for kind in RECORDS
    for name in (
        kind.name,
        *(policy.name for policy in kind.policies),
        *kind.tools,
        *(collector.name for collector in kind.collectors),
        *(collector.command for collector in kind.collectors),
    )
}
OPENERS = ("What ", "Who ", "Whoever ", "Whatever ", "Where ", "How ", "Why ", "Say ", "Hold that ")
"""Words that no docstring opens with: it opens with a verb or a noun."""
COLUMNS = {"tags"}
"""Names of policies that are names of columns of frames too."""


def keyed(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the texts that a program compares with, looks up, or has as keys and cases."""
    for node in ast.walk(tree):
        parts: list[ast.expr | None] = []
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.Subscript):
            parts = [node.slice]
        elif isinstance(node, ast.Dict):
            parts = list(node.keys)
        elif isinstance(node, ast.MatchValue):
            parts = [node.value]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            parts = node.args if node.func.attr in {"get", "index", "startswith", "with_policy", "policy_for"} else []
        for part in parts:
            for inner in ast.walk(part) if part is not None else ():
                if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                    yield inner.lineno, inner.value


@pytest.mark.slow
@pytest.mark.parametrize("room", ["questions", "analysis", "views"])
def test_readers_name_no_kind_policy_or_tool(room: str) -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line}: {text}"
        for path in sorted((PACKAGE / room).rglob("*.py"))
        for line, text in keyed(ast.parse(path.read_text()))
        if text in NAMES - COLUMNS
    ]
    assert found == []


def test_a_name_in_a_comparison_or_a_key_is_found() -> None:
    program = 'a == "oci"; b["registry"]; {"umoci": 1}; c in ("gc", "x"); d.with_policy("strong"); print("ignore")'
    assert {text for _, text in keyed(ast.parse(program))} & NAMES == {"oci", "registry", "umoci", "gc", "strong"}


def test_every_policy_belongs_to_its_kind_and_scripts_end_with_a_known_collector() -> None:
    for kind in RECORDS:
        assert {policy.store for policy in kind.policies} == {kind.name}
        assert set(kind.collected_by) <= {policy.name for policy in kind.policies}
        assert set(kind.collected_by.values()) <= {collector.name for collector in kind.collectors}
        assert kind.revisions in ("", *(policy.name for policy in kind.policies))


@pytest.mark.slow
def test_docstrings_open_with_a_verb_or_a_noun() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}: {text.splitlines()[0]}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and (text := ast.get_docstring(node) or "").startswith(OPENERS)
    ]
    assert found == []
