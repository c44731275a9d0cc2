"""Inventories of S3, written in each of their formats: the same listing as that of the keys themselves."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from pyarrow import parquet as pq

from blobkit.buckets.keys import Key
from blobkit.errors import UnreadableStoreError
from blobkit.sources.buckets.inventory import Inventory, Noncurrent, read_inventory
from inventories import FORMATS, MODIFIED, TIME, Version, table_of, written

if TYPE_CHECKING:
    from typing import BinaryIO


VERSIONS: list[Version] = [
    ("p/a b+c", 5, "etag-1", True, False),
    ("p/a b+c", 50, "etag-0", False, False),
    ('p/dir/naïve,"quoted"', 7, "etag-2", True, False),
    ("p/dir/x", 1, "etag-3", True, False),
    ("p/gone", 0, "", True, True),
    ("p/gone", 30, "etag-4", False, False),
    ("p/z", 9, "etag-5", True, False),
    ("other", 4, "etag-6", True, False),
]


def read(objects: dict[str, bytes], prefix: str = "p/", bucket: str = "shop") -> Inventory:
    def opened(key: str) -> BinaryIO:
        if key not in objects:
            raise FileNotFoundError(2, "there is no such object", key)
        return io.BytesIO(objects[key])

    return read_inventory("s3://inventories/inventory/manifest.json", "inventory/manifest.json", bucket, prefix, opened)


@pytest.mark.parametrize("form", FORMATS)
def test_an_inventory_lists_the_current_keys(form: str) -> None:
    found = read(written(form, VERSIONS))
    modified = round(MODIFIED.timestamp() * 1_000_000)
    rows = [(key, Key(size, modified, etag, "STANDARD")) for key, size, etag, latest, gone in VERSIONS if latest > gone]
    below = sorted(row for row in rows if row[0].startswith("p/"))
    assert found.time == TIME
    assert found.first("p/") == (below, True)
    assert [row for page in found.all("p/") for row in page] == below
    assert [row for page in found.all("p/", after="p/a b+c") for row in page] == below[1:]
    assert found.folder("p/") == (["dir"], [below[0], below[-1]])
    assert found.folder("p/dir/")[0] == []
    assert found.first("absent/") == ([], True)
    assert found.noncurrent == Noncurrent(2, 80, modified)


@pytest.mark.parametrize("form", FORMATS)
def test_an_empty_inventory(form: str) -> None:
    found = read(written(form, VERSIONS), prefix="nothing/")
    assert found.first("nothing/") == ([], True)
    assert read(written(form, [])).first("p/") == ([], True)


def test_an_inventory_of_current_versions_does_not_know_the_others() -> None:
    table = table_of(VERSIONS[:1], "shop").drop_columns(
        ["is_latest", "is_delete_marker", "version_id", "storage_class"]
    )
    objects = written("Parquet", VERSIONS[:1])
    pq.write_table(table, file := io.BytesIO())
    found = read(objects | {"inventory/data/0.parquet": file.getvalue()})
    assert found.noncurrent is None
    assert found.first("p/")[0][0][1].storage == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"inventory/manifest.json": b"[]"}, "is not the manifest of an S3 Inventory"),
        ({"inventory/manifest.json": b"\xff"}, "is not the manifest of an S3 Inventory"),
        ({"inventory/data/0.parquet": b"no parquet"}, "names a file that is not of its format"),
        ({"inventory/data/0.parquet": b""}, "names a file that is not of its format"),
    ],
)
def test_what_is_no_inventory(change: dict[str, bytes], said: str) -> None:
    with pytest.raises(UnreadableStoreError, match=said):
        read(written("Parquet", VERSIONS) | change)


def test_an_inventory_that_is_not_of_this_bucket_or_not_there() -> None:
    with pytest.raises(UnreadableStoreError, match="is the inventory of the bucket shop, not of store"):
        read(written("CSV", VERSIONS), bucket="store")
    with pytest.raises(UnreadableStoreError, match="cannot be read: there is no such object"):
        read({})
    objects = written("CSV", VERSIONS)
    del objects["inventory/data/1.csv"]
    with pytest.raises(UnreadableStoreError, match="names a file that cannot be read"):
        read(objects)
