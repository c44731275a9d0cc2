"""The packages that a release would bring: what is in them, and that they work where nothing else of blobkit is."""

from __future__ import annotations

import email
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import blobkit

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[1]
CLEAN = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}


def run(command: Sequence[object], *, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run a program and return what it printed; fail with its errors."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the sdist, and the wheel that was built from the sdist."""
    for tool in ("build", "hatchling"):
        pytest.importorskip(tool, reason=f"pip install {tool}, or '.[test]'")
    target = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", target, ROOT], cwd=target)
    return target


def installed(built: Path, pattern: str, place: Path) -> Path:
    """Make an environment with blobkit from a package. It sees the libraries of this one, but not its blobkit."""
    run([sys.executable, "-m", "venv", "--without-pip", place], cwd=built)
    libraries = {str(Path(str(import_module(name).__file__)).parents[1]) for name in ("click", "pandas", "hatchling")}
    (packages,) = place.glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text("\n".join(sorted(libraries)))  # a .pth file in those is not obeyed
    (package,) = built.glob(pattern)
    pip = [sys.executable, "-m", "pip", "--python", place / "bin/python", "install", "--quiet", "--no-cache-dir"]
    how = ["--no-deps", "--no-build-isolation", "--no-index", "--no-compile"]
    run([*pip, *how, package], cwd=built, env=CLEAN)
    return packages / "blobkit"


@pytest.fixture(scope="module")
def environment(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with blobkit from the wheel."""
    place = tmp_path_factory.mktemp("installed") / "venv"
    installed(built, "*.whl", place)
    return place


def test_version_and_changelog_agree() -> None:
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest
    assert newest[1] == blobkit.__version__


def test_the_version_is_one_that_installers_can_order() -> None:
    version = pytest.importorskip("packaging.version")
    assert str(version.Version(blobkit.__version__)) == blobkit.__version__


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (place,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        about = email.message_from_bytes(archive.read(place))
    suffixes = {".py", ".js", ".css"}
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "blobkit").rglob("*") if path.suffix in suffixes}
    inside = {name for name in names if ".dist-info/" not in name}
    assert inside == sources | {"blobkit/py.typed", "blobkit/README.md", "blobkit/store/README.md"}
    assert {"blobkit/views/explorer/page/view.js", "blobkit/views/explorer/page/view.css"} <= inside
    assert about["Version"] == blobkit.__version__
    assert about["Requires-Python"] == ">=3.11"
    text = about.get_payload(decode=True)
    assert isinstance(text, bytes)
    assert text.decode().strip() == (ROOT / "README.md").read_text().strip()
    assert any(name.endswith("/licenses/LICENSE") for name in names)


@pytest.mark.slow
def test_the_sdist_holds_what_the_tests_need(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    documents = {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "pyproject.toml", "conftest.py"}
    assert documents | {"blobkit/py.typed", "tests/test_packaging.py", "notebooks/01-audit-a-store.ipynb"} <= names


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_wheel_and_sdist_install_the_same_files(environment: Path, built: Path, tmp_path: Path) -> None:
    """Where one of them works, so does the other."""
    (wheel,) = environment.glob("lib/python*/site-packages/blobkit")
    sdist = installed(built, "*.tar.gz", tmp_path / "venv")
    mine = {name: data for name, data in files(wheel).items() if not name.endswith(".pyc")}
    assert files(sdist) == mine
    assert len(mine) > 100
    assert (tmp_path / "venv/bin/blobkit").exists()


@pytest.mark.slow
def test_the_demo_and_what_it_says_to_try_next_work_in_an_empty_directory(environment: Path, tmp_path: Path) -> None:
    here = tmp_path / "empty"
    here.mkdir()
    shell = {**CLEAN, "PATH": f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    where = "import blobkit; print(blobkit.__file__, blobkit.__version__)"
    home, version = run([environment / "bin/python", "-c", where], cwd=here, env=shell).split()
    assert Path(home).is_relative_to(environment)
    assert version == blobkit.__version__
    _, _, following = run([environment / "bin/blobkit", "demo"], cwd=here, env=shell).partition("Try next:\n")
    commands = [line.strip() for line in following.splitlines() if line.startswith("  ")]
    assert len(commands) >= 3
    for command in commands:
        run(["sh", "-c", command], cwd=here, env=shell)
