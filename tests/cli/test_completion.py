"""The TAB key, through the protocol of click: the shell asks a process for what could stand at the cursor."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit import demo
from blobkit.commands.table import COMMANDS
from blobkit.questions.inputs.grouping import named_by
from commands import command
from layouts import Registry
from patience import HANG

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("complete") / "store"
    with blobkit.LocalStore(root, durability="off") as made:
        demo.fill(made)
    return str(root)


def new_process(**environment: str) -> subprocess.CompletedProcess[str]:
    """Complete as a shell does: in a new interpreter."""
    line = [sys.executable, "-m", "blobkit"]
    whole = {**os.environ, **environment}
    return subprocess.run(line, env=whole, capture_output=True, text=True, check=False, timeout=HANG)


def offered(
    *words: str, where: str = "bash", run: Callable[..., subprocess.CompletedProcess[str]] = command
) -> list[str]:
    """What is offered where the last of these words is being typed; nothing else may be printed."""
    asked = {"_BLOBKIT_COMPLETE": f"{where}_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    done = run(**asked)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    return lines[1::3] if where == "zsh" else [line.partition(",")[2] for line in lines]


def test_commands_without_loading_them() -> None:
    assert offered("blobkit", "", run=new_process) == list(COMMANDS)
    assert offered("blobkit", "us") == ["usage"]


@pytest.mark.slow
def test_names_in_bash_and_zsh(store: str) -> None:
    with blobkit.LocalStore(store) as opened:
        names = sorted(opened.tags())
    web = [name for name in names if name.startswith("shop/web:")]
    versions = [name.removeprefix("shop/web:") for name in web]
    assert offered("blobkit", "simulate", store, "", run=new_process) == names
    assert offered("blobkit", "simulate", store, "shop/web:1.0", "data") == ["data/etl:1", "data/etl:2"]
    assert offered("blobkit", "simulate", store, "shop/w", where="zsh") == [*web, "shop/worker:1"]
    assert offered("blobkit", "why", store, "shop/web:1", where="zsh") == ["shop/web:1.0", "shop/web:1.1"]
    assert offered("blobkit", "why", store, "shop/web", ":") == versions  # bash: a colon is a word
    assert offered("blobkit", "why", store, "shop/web", ":", "1") == ["1.0", "1.1"]
    assert offered("blobkit", "plan", store, "--keep", "base") == ["base/debian:12", "base/python:3.12"]
    assert offered("blobkit", "export", store, "data/etl", ":", "1") == ["1"]


def test_schemes_of_addresses_beside_the_paths_that_begin_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "registry").mkdir()
    (tmp_path / "registry.blobkit").touch()
    (tmp_path / "other").touch()
    web = ["registry+https://", "registry+http://"]
    for asked in (["audit"], ["why"], ["diff", "x"], ["report", "x", "--before"]):
        assert offered("blobkit", *asked, "d") == ["docker://"]
        found = offered("blobkit", *asked, "reg")
        assert found[:2] == ["registry.blobkit", "registry/"]
        assert set(found) == {*found[:2], *web, "registry+s3://", "registry+gs://", "registry+az://"}
        assert offered("blobkit", *asked, "registry+h", where="zsh") == web
    assert offered("blobkit", "audit", "registry+https", ":") == ["//"]
    for typed in ("", "othe", "./reg"):
        assert offered("blobkit", "audit", typed) == [typed]  # a path: bash completes it itself


@pytest.mark.slow
def test_digests_once_their_beginning_is_typed(store: str) -> None:
    digest = blobkit.to_frame(store)["size"].idxmax()
    assert offered("blobkit", "why", store, digest[:12], where="zsh") == [digest]
    assert offered("blobkit", "why", store, "sha256", ":", digest[7:12]) == [digest.removeprefix("sha256:")]


@pytest.mark.slow
def test_options_and_their_words(store: str, tmp_path: Path) -> None:
    Registry(tmp_path / "r").push("app", "1", "base", "content")
    registry = str(tmp_path / "r")
    assert "--where" in offered("blobkit", "ls", store, "--")
    groupings = offered("blobkit", "usage", store, "--by", "")
    assert [named_by(word) for word in groupings] == groupings
    assert len(groupings) == 6
    assert offered("blobkit", "ls", store, "--sort", "re") == ["retained", "refcount"]
    assert offered("blobkit", "ls", store, "--kind", "l") == ["layer"]
    assert offered("blobkit", "ls", store, "--status", "g") == ["garbage"]
    assert offered("blobkit", "audit", store, "--policy", "") == ["counts"]
    assert offered("blobkit", "audit", registry, "--policy", "") == ["tags", "revisions", "gc", "gc-m", "dependent"]
    assert offered("blobkit", "simulate", registry, "app:1", "--script", "c", where="zsh") == ["curl", "crane"]
    assert offered("blobkit", "compare-gc", registry, "") == ["registry", "registry-m"]
    assert offered("blobkit", "untagged", registry, "--group", "") == ["app"]


@pytest.mark.slow
def test_where_nothing_can_be_read_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "cut.blobkit").write_bytes(b"PK\x03\x04")
    for address in ("/no/such", str(tmp_path), str(tmp_path / "cut.blobkit"), "s3://bucket"):
        assert offered("blobkit", "simulate", address, "a", where="zsh") == []
        assert offered("blobkit", "untagged", address, "--group", "a", where="zsh") == []


@pytest.mark.slow
def test_paths_are_left_to_bash_itself(tmp_path: Path, store: str) -> None:
    """In a real bash: the function of click, the shell's own files for ADDRESS, the tags of the store after it."""
    if shutil.which("bash") is None:
        pytest.skip("bash is not here")
    (tmp_path / "blobkit").write_text(f'#!/bin/sh\nexec {sys.executable} -m blobkit "$@"\n')
    (tmp_path / "blobkit").chmod(0o755)
    script = f"""
PATH={tmp_path}:$PATH
eval "$(_BLOBKIT_COMPLETE=bash_source blobkit)"
COMP_WORDS=(blobkit audit stor) COMP_CWORD=2
_blobkit_completion blobkit 2>/dev/null
echo "paths: ${{COMPREPLY[*]}}"
compopt() {{ echo "compopt $2"; }}
COMP_WORDS=(blobkit audit registry+http : ) COMP_CWORD=3
_blobkit_completion blobkit
echo "schemes: ${{COMPREPLY[*]}}"
COMPREPLY=()
COMP_WORDS=(blobkit why {store} shop/web : 1) COMP_CWORD=5
_blobkit_completion blobkit
echo "names: ${{COMPREPLY[*]}}"
complete -p blobkit
"""
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, timeout=HANG)
    assert "paths: \n" in done.stdout, done
    assert "compopt nospace\nschemes: //\n" in done.stdout, done
    assert "names: 1.0 1.1\n" in done.stdout, done
    assert "-F _blobkit_completion blobkit" in done.stdout
