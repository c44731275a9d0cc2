"""The documents tell the truth: every command is in them, and what they show runs."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import blobkit.demo
from blobkit.cli import cli
from blobkit.snapshot.kinds import STORES
from readme import PLACE, prepared, shown

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
ARCHITECTURE = (ROOT / "blobkit/README.md").read_text()


def test_the_architecture_page_names_every_folder_and_only_what_is_there() -> None:
    spans = (span.partition(":")[0] for span in re.findall(r"`([^`\n]+)`", ARCHITECTURE))
    named = {span for span in spans if re.fullmatch(r"\w[\w/]*(/|\.py)", span)}
    package = ROOT / "blobkit"
    assert {name for name in named if not ((package / name).exists() or (ROOT / name).exists())} == set()
    folders = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    files = {path.name for path in package.glob("[a-z]*.py")}
    assert folders | files <= named


def test_the_readme_stays_short() -> None:
    assert README.count("\n") < 150
    assert ARCHITECTURE.count("\n") <= 100
    assert (ROOT / "CONTRIBUTING.md").read_text().count("\n") <= 60


def test_links_lead_to_files() -> None:
    for page in (README, (ROOT / "CONTRIBUTING.md").read_text()):
        assert [link for link in re.findall(r"\]\(([^)#]+)\)", page) if not (ROOT / link).exists()] == []


@pytest.mark.slow
def test_the_shown_commands_print_what_the_readme_shows() -> None:
    """After a change on purpose: python tests/readme.py."""
    with prepared() as place:
        assert len(str(place)) == len(PLACE)
        assert shown(README, place) == README


def test_every_command_is_in_the_readme() -> None:
    assert [name for name in cli.list_commands(None) if f"blobkit {name}" not in README] == []


def test_every_command_in_the_readme_exists() -> None:
    named = re.findall(r"(?:^\$ |`)blobkit ([a-z][\w-]+)", README, re.MULTILINE)
    assert set(named) <= set(cli.list_commands(None))


def test_every_policy_is_in_the_readme() -> None:
    policies = [policy.name for kind in STORES.values() for policy in kind.policies]
    assert [name for name in policies if f"`{name}`" not in README] == []


@pytest.mark.parametrize("kind", ["containerd", "ctr", "podman", "ollama", "huggingface"])
def test_no_kind_is_promised_that_cannot_be_scanned(kind: str) -> None:
    promises = (
        README
        + "".join(str(cli.get_command(None, name).help) for name in cli.list_commands(None))
        + str(blobkit.compare_gc.__doc__)
    )
    promises += str(blobkit.Preview.script.__doc__)
    known = {*STORES, *(alias for one in STORES.values() for alias in one.aliases)}
    assert kind in known or not re.search(rf"\b{kind}\b", "".join(promises))


@pytest.mark.slow
def test_the_store_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = (block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "LocalStore(" in block)
    made = "import blobkit, blobkit.demo\nwith blobkit.LocalStore('s') as s: blobkit.demo.fill(s, unit=1)\n"
    example = example.replace("/var/lib/registry", "s").replace("team/app:1.0", blobkit.demo.TARGET)
    check = "assert blobkit.tags_frame('store').index.equals(blobkit.tags_frame('s').index)"
    monkeypatch.chdir(tmp_path)
    exec(f"{made}{example}{check}\n", {})  # noqa: S102 (our own)
    assert (tmp_path / "app.tar").is_file()


@pytest.mark.slow
def test_the_notebook_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = (block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "scan(" in block)
    made = "import blobkit, blobkit.demo\nwith blobkit.LocalStore('s') as s: blobkit.demo.fill(s)\n"
    example = example.replace("/var/lib/registry", "s").replace("team/app", "shop/web")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    exec(made + example, {})  # noqa: S102 (our own)
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
