"""Blobs and links that are read many at once give the same facts as those that are read one by one."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import blobkit
import registry_documents
import registry_links
from blobkit.errors import BlobkitError
from blobkit.scanners.hashes import HASH, HashTable, hashes_of, texts_of
from blobkit.scanners.registries import prefixes
from blobkit.scanners.registries.linkfiles import LinkFiles
from layouts import DOCKER_MANIFEST, Registry, nowhere, sha
from random_registries import sound
from real_registry_gc import readable, write
from registry_damage import DAMAGES

if TYPE_CHECKING:
    from pathlib import Path

    from random_registries import Storage


ALL = (registry_documents, registry_links)
"""Modules that add damages."""


def storage_of(number: int) -> Storage:
    """A storage with three sorts of damage, which have their turn."""
    rng, names = Random(number), sorted(DAMAGES)  # noqa: S311 (no secret)
    storage = sound(rng)
    for name in (names[(3 * number + at) % len(names)] for at in range(3)):
        DAMAGES[name](rng, storage)
    return storage


def scan(root: Path, *, every_file: bool, cache: Path | None = None) -> list[object]:
    try:
        found = blobkit.scan(f"registry:{root}", progress=False, every_file=every_file, cache=cache or False)
    except BlobkitError as error:
        return [str(error)]
    tables = [getattr(found, table).to_pylist() for table in ("nodes", "links", "pins", "notices")]
    return [*tables, found.disk]


def check(root: Path, cache: Path) -> None:
    """Compare the scans of one storage: one by one, many at once, first with a cache, and again."""
    for every_file in (True, False):
        with pytest.MonkeyPatch.context() as one_by_one:
            one_by_one.setattr(prefixes, "SMALL", -1)
            one_by_one.setattr(LinkFiles, "revisions", lambda *_: None)
            one_by_one.setattr(LinkFiles, "tags", lambda *_: None)
            plain = scan(root, every_file=every_file)
        assert scan(root, every_file=every_file) == plain
        for _ in range(2):
            assert scan(root, every_file=every_file, cache=cache / str(every_file)) == plain


def check_damaged(number: int, directory: Path, cache: Path) -> None:
    storage = storage_of(number)
    try:
        check(write(storage, directory), cache)
    finally:
        readable(storage, directory)


def test_claims_of_manifests_and_configs(quick_path: Path, tmp_path: Path) -> None:
    """Times, platforms, twins, a config of several, and a manifest that is the config of another one."""
    made = Registry(quick_path)
    created = {"org.opencontainers.image.created": "2024-01-02T03:04:05Z"}
    config = made.config(
        created="2023-01-01T00:00:00Z", architecture="arm64", os="linux", rootfs={"diff_ids": [sha(b"x")]}
    )
    made.push("a", "1", "one", config=config, annotations=created)
    made.push("a", "2", "two", config=config)
    image = made.push("a", "3", "one", "three", config=made.config(architecture="amd64", os="linux"))
    made.push("a", "4", "one", config=made.config(created="no time"), mediaType=DOCKER_MANIFEST)
    for number in range(3):
        made.push("b", str(number), f"layer {number}", config=image, annotations=created if number % 2 else {})
    made.push("c", "1", "absent", config=nowhere(1))
    made.path(sha(b"absent")).unlink()
    check(made.root, tmp_path)
    found = blobkit.scan(f"registry:{made.root}", progress=False)
    assert {"recompressed", "missing"} <= {row["code"] for row in found.notices.to_pylist()}


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(DAMAGES) // 3))
def test_all_sorts_of_damage(quick_path: Path, tmp_path: Path, number: int) -> None:
    check_damaged(number, quick_path / "registry", tmp_path)


HASHES = st.binary(min_size=HASH - 7, max_size=HASH - 7).flatmap(
    lambda end: st.sampled_from([bytes(7) + end, bytes([*range(7)]) + end, end + bytes(7)])
)
"""Hashes of which many begin alike."""


@given(st.lists(HASHES, unique=True, max_size=8), st.lists(HASHES, max_size=8))
def test_hashes_are_found_or_not_there(inside: list[bytes], others: list[bytes]) -> None:
    table = HashTable(hashes_of([one.hex() for one in inside]))
    wanted = inside + others
    starts = [one[:8] for one in inside]
    for one, row in zip(wanted, table.find(hashes_of([one.hex() for one in wanted])).tolist(), strict=True):
        if row >= 0:
            assert inside[row] == one
        else:
            assert one not in inside or starts.count(one[:8]) > 1
    assert list(texts_of(table.hashes)) == [f"sha256:{one.hex()}" for one in inside]


@given(st.lists(HASHES, unique=True, max_size=8), st.integers(0, 255))
def test_the_part_of_a_first_byte(inside: list[bytes], byte: int) -> None:
    ordered = sorted(inside)
    first, end = HashTable(hashes_of([one.hex() for one in ordered])).part(byte, byte + 1)
    assert ordered[first:end] == [one for one in ordered if one[0] == byte]
    assert np.array_equal(HashTable(hashes_of([])).part(0, 256), (0, 0))
