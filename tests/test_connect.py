"""Addresses: which store is at a path, and what is said where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

import blobkit
from blobkit import connect
from blobkit.errors import AddressError, UnknownPolicyError, UnreadableStoreError
from layouts import Layout, Registry


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "layout")
    layout.image("x", "content")
    return layout


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    registry = Registry(tmp_path / "registry")
    registry.push("r", "1", "content")
    return registry


@pytest.mark.parametrize("form", [str, Path])
def test_a_bare_path_is_recognised(layout: Layout, registry: Registry, form: type) -> None:
    assert blobkit.scan(form(layout.root), progress=False).kind == "oci"
    assert blobkit.scan(form(registry.root), progress=False).kind == "registry"
    assert blobkit.scan(form(registry.v2), progress=False).kind == "registry"


def test_a_kind_and_a_path(layout: Layout, registry: Registry) -> None:
    assert blobkit.scan(f"oci:{layout.root}", progress=False).kind == "oci"
    assert blobkit.scan(f"registry:{registry.root}", progress=False).kind == "registry"


def test_the_address_is_absolute_and_says_where_it_came_from(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(layout.root.parent)
    assert blobkit.scan("layout", progress=False).address == str(layout.root)
    assert blobkit.scan("oci:layout", progress=False).address == str(layout.root)


def test_paths_with_colons_are_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Layout(tmp_path / "a:b")
    Layout(tmp_path / "with space")
    monkeypatch.chdir(tmp_path)
    assert blobkit.scan("a:b", progress=False).kind == "oci"
    assert blobkit.scan("oci:a:b", progress=False).kind == "oci"
    assert blobkit.scan("with space", progress=False).kind == "oci"


def test_a_saved_snapshot_is_an_address(layout: Layout, tmp_path: Path) -> None:
    layout.scan().save(tmp_path / "x.blobkit")
    layout.scan().to_parquet(tmp_path / "parquet")
    for address in ("x.blobkit", "parquet"):
        for kind in ("", "snapshot:"):
            found = blobkit.scan(f"{kind}{tmp_path / address}", policy="strong")
            assert (found.kind, found.policy, found.blobs) == ("oci", "strong", 3)


@pytest.mark.parametrize("kind", ["", "oci:", "registry:", "snapshot:"])
def test_a_path_that_does_not_exist(tmp_path: Path, kind: str) -> None:
    with pytest.raises(AddressError, match=r"nothing does not exist: give"):
        blobkit.scan(f"{kind}{tmp_path}/nothing")


@pytest.mark.parametrize("address", ["", "oci:", "registry:", "snapshot:"])
def test_an_empty_path(address: str, layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(layout.root)
    with pytest.raises(AddressError, match="empty"):
        blobkit.scan(address, progress=False)


def test_a_directory_that_is_no_store_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(AddressError, match="is not a store that blobkit knows; looked for") as error:
        blobkit.scan(tmp_path)
    assert all(kind in str(error.value) for kind in ("blobkit", "oci", "registry", "snapshot"))


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    with pytest.raises(AddressError, match="is a file, and neither a saved snapshot"):
        blobkit.scan(tmp_path / "file")
    for kind in ("oci", "registry"):
        with pytest.raises(AddressError, match="is a file, not a directory"):
            blobkit.scan(f"{kind}:{tmp_path}/file")


def test_an_unknown_kind_lists_those_that_there_are() -> None:
    with pytest.raises(AddressError, match="the kind 'jar' is not known") as error:
        blobkit.scan("jar:/somewhere")
    assert "oci, registry" in str(error.value)


def test_a_store_of_another_kind(layout: Layout, registry: Registry) -> None:
    with pytest.raises(UnreadableStoreError, match="is not a registry"):
        blobkit.scan(f"registry:{layout.root}")
    with pytest.raises(UnreadableStoreError, match=r"index\.json is missing"):
        blobkit.scan(f"oci:{registry.root}")


def test_the_first_policy_is_picked_or_refused(layout: Layout) -> None:
    assert blobkit.scan(layout.root, policy="ignore", progress=False).policy == "ignore"
    with pytest.raises(UnknownPolicyError, match="use one of dependent"):
        blobkit.scan(layout.root, policy="gc", progress=False)


def test_options_of_stores_that_are_not_local_are_refused(layout: Layout) -> None:
    with pytest.raises(AddressError, match=r"is a local path.*leave out storage_options \(key\)"):
        blobkit.scan(layout.root, storage_options={"key": "secret"})


def test_errors_show_hostile_paths_harmlessly(tmp_path: Path) -> None:
    with pytest.raises(AddressError) as error:
        blobkit.scan(f"{tmp_path}/\x1b[31m\n")
    assert str(error.value).isprintable()


def test_verifying_a_local_store_is_refused_not_ignored(tmp_path: Path) -> None:
    with blobkit.LocalStore(tmp_path / "s", durability="off") as store:
        blob = store.put(b"good", tag="t:1")
    with pytest.raises(blobkit.AddressError, match="verify its blobs as oci:"):
        blobkit.scan(tmp_path / "s", verify=True)
    path = tmp_path / "s" / "blobs" / blob.digest.replace(":", "/")
    path.chmod(0o644)
    path.write_bytes(b"evil")
    notices = blobkit.scan(f"oci:{tmp_path / 's'}", verify=True).notices.to_pylist()
    assert ("digest-mismatch", blob.digest) in {(notice["code"], notice["key"]) for notice in notices}


def test_a_path_that_is_two_kinds_is_read_as_the_richer_one_and_says_so(layout: Layout) -> None:
    (layout.root / "manifests").mkdir()
    snapshot = blobkit.scan(layout.root)
    assert snapshot.kind == "oci"
    assert f"ollama:{layout.root}" in str(snapshot.notices["message"].to_pylist())
    assert "also-kind" in str(snapshot.audit())
    assert "also-kind" not in blobkit.scan(f"oci:{layout.root}").notices["code"].to_pylist()


def test_only_an_audit_looks_at_every_file_of_a_registry(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.push("team/app", "1", "layer")
    address = f"registry:{tmp_path}"
    assert connect.facts(address).disk is None
    assert connect.scan(address, every_file=False, progress=False).disk is None
    found = {connect.scan(address, progress=False).disk, connect.surveyed(address).disk}
    assert [disk.files for disk in found] == [sum(path.is_file() for path in tmp_path.rglob("*"))]
