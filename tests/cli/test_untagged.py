"""The commands about untagged manifests and collectors, and errors in the words of the shell."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

import blobkit
from blobkit.cli import cli
from layouts import INDEX, Layout, Registry

if TYPE_CHECKING:
    from pathlib import Path


def said(*arguments: str) -> str:
    """What a command prints, which must not fail."""
    return CliRunner().invoke(cli, arguments, catch_exceptions=False, standalone_mode=False).stdout


def refused(*arguments: str) -> str:
    """What the command line says of an error of the library."""
    with pytest.raises(blobkit.BlobkitError) as caught:
        said(*arguments)
    return caught.value.in_shell()


@pytest.fixture
def registry(tmp_path: Path) -> tuple[str, str, str]:
    """The address of a registry, a free untagged manifest, and one that an index needs."""
    made = Registry(tmp_path / "r")
    made.push("app", "1", "base", "tagged")
    free, platform = (made.revision("app", made.manifest(made.blob(text))) for text in ("free", "platform"))
    made.tag("app", "multi", made.revision("app", made.index(platform)))
    made.revision("other", made.manifest(made.blob("elsewhere")))
    for path in made.root.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    return str(made.root), free, platform


def test_untagged(registry: tuple[str, str, str]) -> None:
    address, free, platform = registry
    text = said("untagged", address)
    assert text.startswith("Dropping 2 untagged manifests frees ")
    assert [line.split()[0] for line in text.splitlines() if "sha256:" in line] == ["app", "app", "other"]
    assert f"{platform}  manifest" in text
    assert "platform of app:multi" in text
    assert "Dropping 1 untagged manifest frees" in said("untagged", address, "--group", "app")
    body = json.loads(said("untagged", address, "--group", "app", "--json"))
    assert {row["digest"]: row["needed_by"] for row in body["untagged"]} == {
        free: "",
        platform: "platform of app:multi",
    }
    assert body["targets"] == [f"app@{free}"]
    assert body["collected"]["bytes"] == body["bytes"] > 0
    script = said("untagged", address, "--script", "skopeo")
    assert f"\ndrop app {free}\n" in script
    assert platform not in script


def test_plan_untagged(registry: tuple[str, str, str]) -> None:
    address, free, _ = registry
    text = said("plan", address, "--untagged", "--keep", free)
    assert text.startswith("Dropping 1 untagged manifest frees ")
    assert "untagged and kept: 1 keep, 1 platform of app:multi" in text
    assert json.loads(said("plan", address, "--untagged", "--group", "app", "--json"))["tags"] == [f"app@{free}"]
    assert "do not give --free with --untagged" in refused("plan", address, "--untagged", "--free", "1")
    assert "do not give --policy gc with --untagged" in refused("plan", address, "--untagged", "--policy", "gc")
    assert "give --untagged too" in refused("plan", address, "--keep-last", "1", "--group", "app")


def test_the_script_of_an_audit(registry: tuple[str, str, str], tmp_path: Path) -> None:
    assert said("audit", registry[0], "--script", "curl").splitlines()[-1] == 'registry garbage-collect "$CONFIG"'
    assert "would delete" in refused("audit", registry[0], "--policy", "gc-m", "--script", "curl")
    layout = Layout(tmp_path / "l")
    layout.image("one", "content")
    assert said("audit", str(layout.root), "--script", "umoci").splitlines()[-1] == "umoci gc --layout ."
    with blobkit.LocalStore(tmp_path / "s", durability="off") as store:
        store.put(b"content", tag="t:1")
    assert "a blobkit store has no garbage collector" in refused("audit", str(tmp_path / "s"), "--script", "blobkit")


def test_errors_in_the_words_of_the_shell(registry: tuple[str, str, str], tmp_path: Path) -> None:
    address = registry[0]
    assert "or --group REPOSITORY" in refused("simulate", address)
    assert "give --free 20GiB, --until 500GiB, or a rule (--older-than 30d, --keep-last 3)" in refused("plan", address)
    assert refused("plan", address, "--free", "1", "--until", "1").endswith(
        "cannot be given together: give --free or --until"
    )
    layout = Layout(tmp_path / "l")
    layer = layout.blob("layer")
    layout.add(layout.index(layout.manifest(layer)), "x", INDEX)
    assert f"blobkit why ADDRESS {layer} shows what holds it" in refused("simulate", str(layout.root), layer)
    with blobkit.LocalStore(tmp_path / "s", durability="off") as store:
        digest = store.put(b"content", tag="t:1").digest
    assert refused("simulate", str(tmp_path / "s"), digest).endswith("give the name, or --all-pins")
