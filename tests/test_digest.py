"""Digests become paths only where they are digests."""

from __future__ import annotations

import pytest

from blobkit.digest import blob_path
from blobkit.errors import InvalidDigestError


@pytest.mark.parametrize(("label", "length"), [("sha256", 64), ("sha384", 96), ("sha512", 128)])
def test_a_digest_becomes_a_path_in_a_layout(label: str, length: int) -> None:
    assert blob_path(f"{label}:{'0a' * (length // 2)}") == f"blobs/{label}/{'0a' * (length // 2)}"


@pytest.mark.parametrize(
    "text",
    [
        "../../victim",
        "sha256:../../victim",
        "sha256:" + "A" * 64,
        "sha256:" + "a" * 63,
        "sha256:" + "a" * 64 + "\n",
        "\nsha256:" + "a" * 64,
        "sha256:" + "a" * 64 + "/..",
        "r@sha256:" + "a" * 64,
        "md5:" + "a" * 32,
        "",
        None,
        7,
        b"sha256:" + b"a" * 64,
    ],
)
def test_nothing_else_does(text: object) -> None:
    with pytest.raises(InvalidDigestError):
        blob_path(text)
