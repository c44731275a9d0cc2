"""Addresses of stores on other machines: what they name, and which are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobkit.addresses import REACHED, remote
from blobkit.errors import AddressError
from blobkit.remotes import Remote, read_remote

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("address", "kind", "transport", "place", "prefix"),
    [
        ("registry+https://harbor.example.org", "registry", "https", "harbor.example.org", ""),
        ("registry+https://harbor.example.org:8443/team/", "registry", "https", "harbor.example.org:8443", "team"),
        ("registry+http://localhost:5000/a/b", "registry", "http", "localhost:5000", "a/b"),
        ("registry+https://[::1]:5000/a", "registry", "https", "[::1]:5000", "a"),
        ("registry+s3://bucket/team-a/", "registry", "s3", "bucket", "team-a"),
        ("registry+s3://bucket//odd//prefix", "registry", "s3", "bucket", "odd//prefix"),
        ("registry+gcs://bucket", "registry", "gs", "bucket", ""),
        ("registry+abfs://container/x", "registry", "az", "container", "x"),
        ("oci+s3://bucket/layout", "oci", "s3", "bucket", "layout"),
        ("docker://ghcr.io/team/app", "registry", "https", "ghcr.io", "team/app"),
        ("docker://alpine", "registry", "https", "docker.io", "library/alpine"),
        ("docker://team/app", "registry", "https", "docker.io", "team/app"),
        ("docker://docker.io/alpine", "registry", "https", "docker.io", "library/alpine"),
        ("docker://localhost:5000/app", "registry", "https", "localhost:5000", "app"),
    ],
)
def test_an_address_names_a_place(address: str, kind: str, transport: str, place: str, prefix: str) -> None:
    assert remote(address) == Remote(kind, transport, place, prefix)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("https://harbor.example.org/team", r"give registry\+https://harbor.example.org/team"),
        ("s3://bucket/x", r"give oci\+s3://bucket/x or registry\+s3://bucket/x"),
        ("oci+https://host/x", r"no oci store is reached by https; give registry\+https://host/x"),
        ("registy+s3://bucket", r"give oci\+s3://bucket or registry\+s3://bucket"),
        ("registry+httpss://host", r"did you mean registry\+https://host\?"),
        ("registry+https://", "names no host"),
        ("registry+https://ho st/x", "names no host"),
        ("registry+s3:///x", "names no bucket"),
        ("registry+https://host/x?inventory=y", "which means nothing here"),
        ("registry+https://host/team/app:1.0", "give its repository, registry\\+https://host/team/app"),
        ("registry+s3://bucket/x#y", "which means nothing here"),
        ("docker://alpine:3", "give its repository, docker://docker.io/library/alpine"),
        ("docker://host:5000/app@sha256:00", "give its repository, docker://host:5000/app"),
        ("docker://", "names no repository"),
    ],
)
def test_other_addresses_are_refused_with_the_right_form(address: str, why: str) -> None:
    with pytest.raises(AddressError, match=why):
        remote(address)


@given(st.sampled_from(["registry+https", "registry+s3", "oci+s3", "docker", "nope"]), st.text(min_size=1))
def test_a_password_is_refused_and_not_shown(scheme: str, path: str) -> None:
    address = f"{scheme}://someone:S3CRET-S3CRET@host/{path}"
    with pytest.raises(AddressError) as error:
        read_remote(address, REACHED)
    assert "S3CRET" not in str(error.value)
    assert "user or a password" in str(error.value)


def test_what_is_asked_beside_the_path_is_no_part_of_the_address() -> None:
    there = remote("registry+s3://bucket/p?inventory=s3://other/manifest.json")
    assert there == Remote("registry", "s3", "bucket", "p", (("inventory", "s3://other/manifest.json"),))
    assert there is not None
    assert there.address == "registry+s3://bucket/p"


def test_a_path_that_exists_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docker:" / "layout").mkdir(parents=True)
    assert remote("docker://layout") is None
    assert remote("layout") is None


@pytest.mark.parametrize(
    "address", ["registry+https://h/x?token=S3CRET", "registry+s3://b/p#S3CRET", "x://h?sig=S3CRET"]
)
def test_what_follows_a_path_is_not_shown(address: str) -> None:
    with pytest.raises(AddressError) as error:
        remote(address)
    assert "S3CRET" not in str(error.value)
