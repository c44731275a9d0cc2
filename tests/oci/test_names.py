"""The names of an entry: docker's whole name before the reference name, which umoci goes by."""

from __future__ import annotations

import pytest

from blobkit.oci.names import IMAGE_NAME, REF_NAME, is_umoci_name, names_of


@pytest.mark.parametrize(
    ("whole", "ref", "name"),
    [
        (None, "1.0", "1.0"),
        ("docker.io/library/web:1.0", "1.0", "web:1.0"),
        ("docker.io/team/app:1.0", "1.0", "team/app:1.0"),
        ("reg.example.org/library/app:1.0", "1.0", "reg.example.org/library/app:1.0"),
        ("docker.io/library/web:1.0", None, "web:1.0"),
        ("", "1.0", "1.0"),
        (5, "1.0", "1.0"),
        ("docker.io/library/", "1.0", "1.0"),
        (None, 5, ""),
    ],
)
def test_names(whole: object, ref: object, name: str) -> None:
    notes = {field: value for field, value in ((IMAGE_NAME, whole), (REF_NAME, ref)) if value is not None}
    assert names_of(notes) == (name, ref if isinstance(ref, str) else "")


@pytest.mark.parametrize(
    "name", ["1", "v1.0", "a--b", "a@b+c", "reg.example.org:5000/team/core:9.0", "sha256:" + "a" * 64]
)
def test_names_that_umoci_takes(name: str) -> None:
    assert is_umoci_name(name)


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", "a---b", "a__b", "a..b", "a b", "a/", "/a", "a//b", "a\n", "\u00fc", "$(x)", "_a"]
)
def test_names_that_umoci_refuses(name: str) -> None:
    assert not is_umoci_name(name)
