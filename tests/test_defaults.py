"""The name of a kind alone finds the store where its tool keeps it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.addresses import parse, recognise
from blobkit.defaults import default_path
from blobkit.errors import AddressError, UnreadableStoreError
from blobkit.recognising import kinds_at
from blobkit.snapshot.kinds import STORES
from unprivileged import barred, common

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["common"]

VARIABLES = """
    OLLAMA_MODELS HF_HOME HF_HUB_CACHE HUGGINGFACE_HUB_CACHE XDG_CACHE_HOME XDG_DATA_HOME XDG_CONFIG_HOME
    CONTAINERS_STORAGE_CONF
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in VARIABLES.split():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def made(root: Path, *directories: str) -> Path:
    for one in directories:
        (root / one).mkdir(parents=True)
    return root


def test_a_store_in_the_home_directory(home: Path) -> None:
    root = made(home / ".ollama/models", "manifests", "blobs")
    assert parse("ollama") == ("ollama", root)


def test_a_variable_of_the_tool_comes_first(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(home / ".ollama/models", "manifests", "blobs")
    root = made(tmp_path / "other", "manifests", "blobs")
    monkeypatch.setenv("OLLAMA_MODELS", str(root))
    assert parse("ollama") == ("ollama", root)


def test_a_configuration_file_names_the_place(home: Path, tmp_path: Path) -> None:
    root = made(tmp_path / "graph", "overlay-layers")
    made(home, ".config/containers")
    (home / ".config/containers/storage.conf").write_text(f'[storage]\ndriver = "overlay"\ngraphroot = "{root}"\n')
    assert parse("podman") == ("containers-storage", root)
    assert parse("containers-storage") == ("containers-storage", root)


@pytest.mark.parametrize("text", ["", "not toml [", '[storage]\ngraphroot = ["x"]', "storage = 3", "\x00" * 100])
def test_a_damaged_configuration_file_is_passed_over(home: Path, text: str) -> None:
    root = made(home / ".local/share/containers/storage", "overlay-images")
    made(home, ".config/containers")
    (home / ".config/containers/storage.conf").write_text(text)
    assert default_path("podman") == root


def test_an_existing_path_of_that_name_wins(home: Path, tmp_path: Path) -> None:
    made(home / ".ollama/models", "manifests", "blobs")
    made(tmp_path / "ollama", "manifests", "blobs")
    kind, path = parse("ollama")
    assert (kind, str(path)) == ("", "ollama")
    assert recognise(path) == "ollama"


def test_what_was_looked_at_is_said(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "set"))
    with pytest.raises(AddressError, match="looked in") as found:
        parse("ollama")
    assert str(tmp_path / "set") in str(found.value)
    assert str(home / ".ollama/models") in str(found.value)
    assert "ollama:PATH" in str(found.value)


def test_json_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = made(tmp_path / "data", "image/overlay2/layerdb")
    config = tmp_path / "daemon.json"
    config.write_text(json.dumps({"data-root": str(root)}))
    docker = STORES["docker"]
    monkeypatch.setitem(STORES, "docker", _with(docker, (f"{config}#data-root",)))
    assert default_path("docker") == root


def _with(kind: object, places: tuple[str, ...]) -> object:
    from dataclasses import replace  # noqa: PLC0415 (of one test)

    return replace(kind, places=places)  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        (["oci-layout"], "oci"),
        (["index.json", "blobs/"], "oci"),
        (["docker/registry/v2/repositories/"], "registry"),
        (["io.containerd.metadata.v1.bolt/meta.db"], "containerd"),
        (["image/overlay2/layerdb/"], "docker"),
        (["overlay-layers/"], "containers-storage"),
        (["models--acme--x/snapshots/"], "huggingface"),
        (["manifests/", "blobs/"], "ollama"),
        (["snapshot.json", "nodes.parquet"], "snapshot"),
        (["oci-layout", ".blobkit/index.sqlite"], "blobkit"),
    ],
)
def test_each_kind_is_recognised_by_its_files(tmp_path: Path, files: list[str], kind: str) -> None:
    root = tmp_path / "store"
    for name in files:
        path = root / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.touch()
    assert kinds_at(root)[0] == kind
    assert recognise(root) == kind


@pytest.mark.parametrize("files", [[], ["blobs/"], ["index.json"], ["models--x"], ["manifests/"], ["image/overlay2/"]])
def test_other_directories_are_not(tmp_path: Path, files: list[str]) -> None:
    root = tmp_path / "store"
    root.mkdir()
    for name in files:
        (root / name).mkdir(parents=True) if name.endswith("/") else (root / name).touch()
    assert kinds_at(root) == []


def test_a_place_that_this_user_may_not_enter_is_found(common: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = made(common / "docker", "image/overlay2/layerdb")
    monkeypatch.setenv("XDG_DATA_HOME", str(common))
    monkeypatch.chdir("/")
    with barred(root, 0o700):
        assert parse("docker") == ("docker", root)
        with pytest.raises(UnreadableStoreError, match=r"docker cannot be read by user .*sudo -u root blobkit"):
            blobkit.scan("docker", progress=False)
