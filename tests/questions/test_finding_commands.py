"""Each finding has a command, and the command line accepts it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import numpy as np
import pytest

import blobkit
from blobkit import demo
from blobkit.cli import cli
from blobkit.questions.findings.commands import Shell
from blobkit.questions.findings.finding import FINDINGS, Finding
from blobkit.snapshot.snapshot import build
from layouts import Layout, Registry

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot


def parsed(typed: str) -> str:
    """Parse a command as the shell and the command line do, without running it; return its name."""
    program, name, *words = shlex.split(typed)
    found = cli.get_command(None, name)
    assert program == "blobkit"
    assert found is not None
    found.make_context(name, words)
    return name


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Snapshot]:
    """A snapshot of each kind of store that has different collectors."""
    root = tmp_path_factory.mktemp("commands")
    Layout(root / "layout").image("a:1", "layer")
    Registry(root / "registry").push("a", "1", "layer")
    return {
        "store": demo.small().snapshot(),
        "layout": blobkit.scan(root / "layout"),
        "registry": blobkit.scan(root / "registry"),
    }


@pytest.mark.parametrize("code", FINDINGS)
def test_every_finding_has_a_command_that_is_accepted(code: str, snapshots: dict[str, Snapshot]) -> None:
    for snapshot in snapshots.values():
        for policy in snapshot.policies:
            shell = Shell(snapshot.with_policy(policy), "a store")
            for names in ((), ("a:1",), ("--help",), ("two\nlines",)):
                for nodes in ([], [0]):
                    parsed(shell.about(Finding(code, np.array(nodes, np.int32), 0, names)))


def test_garbage_is_collected_by_the_tool_or_listed(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    layout.image("a:1", "layer")
    layout.blob("garbage")
    registry = Registry(tmp_path / "registry")
    registry.push("a", "1", "layer")
    registry.blob("garbage")
    finding = Finding("garbage", np.array([0], np.int32), 0)
    expected = {
        layout.scan(): "audit x --script umoci",
        layout.scan("strong"): "audit x --script umoci --policy strong",
        registry.scan(): "untagged x --script curl",
        registry.scan("gc"): "audit x --script curl --policy gc",
        demo.small().snapshot(): "ls x --status garbage",
    }
    assert {snapshot: Shell(snapshot, "x").about(finding) for snapshot in expected} == {
        snapshot: f"blobkit {words}" for snapshot, words in expected.items()
    }


def test_a_digest_is_short_if_no_other_one_starts_so() -> None:
    start = "sha256:0123456789ab"
    for keys, shown in (((start + "0" * 52, start[:-1] + "c" * 53), start), ((start + "0" * 52, start + "1" * 52), "")):
        nodes = {"key": [*keys], "size": [1, 1], "kind": ["layer", "layer"]}
        none: dict[str, list[object]] = {"source": [], "target": [], "kind": []}
        snapshot = build("oci", "x", nodes=nodes, links=none, pins={"node": [], "name": [], "group": [], "kind": []})
        finding = Finding("suspect", np.array([0], np.int32), 0)
        assert Shell(snapshot, "x").about(finding) == f"blobkit why x {shown or keys[0]}"
