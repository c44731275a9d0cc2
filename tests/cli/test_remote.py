"""The command line on a registry over HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from commands import command
from remote_servers.scripted import Reply, scripted

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


def test_options_of_a_remote_store_for_a_local_path(tmp_path: Path) -> None:
    (tmp_path / "names").write_text("team/app\n")
    done = run(tmp_path, "audit", str(tmp_path), "--repositories", str(tmp_path / "names"), "-O", "configs=no")
    assert done.returncode == 2
    assert "leave out -O configs, --repositories" in done.stderr
    assert "storage_options" not in done.stderr


@pytest.mark.slow
def test_a_diff_and_a_report_take_the_options_for_what_is_on_another_machine(
    filled_registry: FilledRegistry, tmp_path: Path
) -> None:
    (tmp_path / "names").write_text("team0/group/app0\n")
    address, saved = f"registry+{filled_registry.url}", str(tmp_path / "part.blobkit")
    only = ["--repositories", str(tmp_path / "names"), "-O", "configs=no"]
    assert run(tmp_path, "scan", address, *only, "-o", saved).returncode == 0
    for before in (saved, address):
        done = run(tmp_path, "diff", before, address, *only, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["net"] == 0
    assert json.loads(run(tmp_path, "diff", saved, address, "--json").stdout)["net"] > 0
    done = run(tmp_path, "report", address, "--before", saved, *only, "-o", str(tmp_path / "report.html"))
    assert done.returncode == 0, done.stderr
    done = run(tmp_path, "diff", saved, saved, *only)
    assert done.returncode == 2
    assert "leave out -O configs, --repositories" in done.stderr


def test_a_repository_that_is_not_there(filled_registry: FilledRegistry, tmp_path: Path) -> None:
    names, address = tmp_path / "names", f"registry+{filled_registry.url}"
    names.write_text(f"{min(filled_registry.content.tags)}\nteam3/nosuch\n")
    done = run(tmp_path, "audit", address, "--repositories", str(names))
    assert "the registry has no repository team3/nosuch with tags" in done.stderr
    names.write_text("team3/nosuch\n")
    done = run(tmp_path, "audit", address, "--repositories", str(names))
    assert done.returncode == 2
    assert "no repository team3/nosuch with tags" in done.stderr


def test_refused_credentials_are_named_by_their_file(tmp_path: Path) -> None:
    with scripted(lambda _: Reply(401, b"{}", {"WWW-Authenticate": 'Basic realm="x"'})) as server:
        host = server.url.removeprefix("http://")
        (tmp_path / "config.json").write_text(json.dumps({"auths": {host: {"username": "u", "password": "p"}}}))
        places = {"DOCKER_CONFIG": str(tmp_path), "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
        done = command("audit", f"registry+{server.url}", **places)
    assert done.returncode == 2
    assert f"refuses the credentials from {tmp_path}/config.json (401)" in done.stderr
