"""The command line on a registry over HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from commands import command

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from remote_servers.fixtures import FilledRegistry

pytest.importorskip("aiohttp")


def run(cache: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return command(*words, XDG_CACHE_HOME=str(cache))


def test_an_audit(filled_registry: FilledRegistry, tmp_path: Path) -> None:
    done = run(tmp_path, "audit", f"registry+{filled_registry.url}", "--json")
    assert done.returncode == 0, done.stderr
    assert "not-visible" in {one["code"] for one in json.loads(done.stdout)["findings"]}
    assert (tmp_path / "blobkit/manifests.sqlite").is_file()


def test_named_repositories_and_options(filled_registry: FilledRegistry, tmp_path: Path) -> None:
    name = min(filled_registry.content.tags)
    (tmp_path / "names").write_text(f"# ours\n{name}\n\n")
    where = [f"registry+{filled_registry.url}", "--repositories", str(tmp_path / "names"), "-O", "configs=no"]
    done = run(tmp_path, "tags", *where, "-O", "at-once=4", "--json")
    assert done.returncode == 0, done.stderr
    assert {one["repo"] for one in json.loads(done.stdout)} == {name}


def test_a_plan_by_the_time_that_images_claim(filled_registry: FilledRegistry, tmp_path: Path) -> None:
    address = f"registry+{filled_registry.url}"
    assert (
        "--age-by created takes the time that images claim"
        in run(tmp_path, "plan", address, "--older-than", "30d").stdout
    )
    done = run(tmp_path, "plan", address, "--older-than", "30d", "--age-by", "created")
    assert "no image claims a time of creation" in done.stdout


def test_a_wrong_option(filled_registry: FilledRegistry, tmp_path: Path) -> None:
    done = run(tmp_path, "audit", f"registry+{filled_registry.url}", "-O", "at-once=many")
    assert done.returncode != 0
    assert "give a number from 1 to 256" in done.stderr
