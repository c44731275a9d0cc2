"""Inventories of S3 in each of their formats, as the objects that they are."""

from __future__ import annotations

import gzip
import io
import json
from datetime import UTC, datetime
from urllib.parse import quote_plus

import pyarrow as pa
from pyarrow import orc
from pyarrow import parquet as pq

Version = tuple[str, int, str, bool, bool]
"""Key, bytes, ETag, whether it is the latest version, and whether it is a delete marker."""
TIME = datetime(2026, 11, 29, tzinfo=UTC)
MODIFIED = datetime(2026, 11, 28, 12, 30, 0, 123000, tzinfo=UTC)
FORMATS = ("CSV", "CSV.gz", "Parquet", "ORC")


def written(form: str, versions: list[Version], *, bucket: str = "shop", split: int = 3) -> dict[str, bytes]:
    """Return the objects of an inventory of these keys, in several files."""
    kind = form.partition(".")[0]
    objects: dict[str, bytes] = {}
    for number, first in enumerate(range(0, len(versions), split)):
        name = f"inventory/data/{number}.{form.lower()}"
        objects[name] = {"CSV": _csv, "Parquet": _parquet, "ORC": _orc}[kind](versions[first : first + split], bucket)
        if form.endswith(".gz"):
            objects[name] = gzip.compress(objects[name])
    schema = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass"
    manifest = {
        "sourceBucket": bucket,
        "destinationBucket": "arn:aws:s3:::inventories",
        "version": "2016-11-30",
        "creationTimestamp": str(int(TIME.timestamp() * 1000)),
        "fileFormat": kind,
        "fileSchema": schema if kind == "CSV" else "message s3.inventory { required binary bucket (UTF8); ... }",
        "files": [{"key": name, "size": len(data), "MD5checksum": ""} for name, data in objects.items()],
    }
    return {**objects, "inventory/manifest.json": json.dumps(manifest).encode()}


def _csv(versions: list[Version], bucket: str) -> bytes:
    lines = []
    for key, size, etag, latest, deleted in versions:
        cells = [bucket, quote_plus(key), "v1", str(latest).lower(), str(deleted).lower(), "" if deleted else str(size)]
        cells += [f"{MODIFIED:%Y-%m-%dT%H:%M:%S}.123Z", etag, "" if deleted else "STANDARD"]
        lines.append(",".join(f'"{cell}"' for cell in cells))
    return "\n".join([*lines, ""]).encode()


def table_of(versions: list[Version], bucket: str) -> pa.Table:
    """Return the rows of a file in Parquet or ORC."""
    keys, sizes, etags, latest, deleted = (list(column) for column in zip(*versions, strict=True))
    return pa.table(
        {
            "bucket": [bucket] * len(keys),
            "key": keys,
            "version_id": ["v1"] * len(keys),
            "is_latest": pa.array(latest, pa.bool_()),
            "is_delete_marker": pa.array(deleted, pa.bool_()),
            "size": pa.array([None if gone else size for size, gone in zip(sizes, deleted, strict=True)], pa.int64()),
            "last_modified_date": pa.array([MODIFIED.replace(tzinfo=None)] * len(keys), pa.timestamp("ms")),
            "e_tag": etags,
            "storage_class": ["STANDARD"] * len(keys),
        }
    )


def _parquet(versions: list[Version], bucket: str) -> bytes:
    pq.write_table(table_of(versions, bucket), file := io.BytesIO())
    return file.getvalue()


def _orc(versions: list[Version], bucket: str) -> bytes:
    orc.write_table(table_of(versions, bucket), file := io.BytesIO())
    return file.getvalue()
