"""What an audit makes of single facts and notices, which need no store on a disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import blobkit
from blobkit.snapshot.disk import Disk
from blobkit.snapshot.notices import PARTS, leftover, upload
from blobkit.snapshot.snapshot import build
from layouts import nowhere

if TYPE_CHECKING:
    from typing import Any

    from blobkit.questions.audit import Audit


def row(audit: Audit, code: str) -> Any:  # noqa: ANN401 (a row of a frame)
    return audit.findings.set_index("code").loc[code]


def test_opaque_blobs_are_told_by_digest_and_what_is_hidden_by_name() -> None:
    """Of an opaque blob there is a digest to restore; a virtual node for what cannot be seen has a name only."""
    snapshot = build(
        "oci",
        "x",
        nodes={
            "key": [nowhere(1), nowhere(2), "index.json"],
            "size": [5, 0, 0],
            "stored": ["yes", "missing", "virtual"],
            "opaque": [True, True, True],
        },
        links={"source": [], "target": []},
        pins={"node": [0, 1, 2], "name": ["a", "b", None], "kind": ["entry"] * 3},
    )
    opaque = row(blobkit.audit(snapshot), "opaque")
    assert (opaque["digests"], opaque["names"]) == ((nowhere(1), nowhere(2)), ("index.json",))
    assert opaque[["blobs", "bytes"]].tolist() == [2, 5]


def test_a_layer_that_its_repository_does_not_link_cannot_be_pulled() -> None:
    layer = nowhere(1)
    places = (f"/r/docker/registry/v2/repositories/{repo}/_layers" for repo in ("a/_x", "repositories/b"))
    snapshot = build(
        "registry",
        "/r",
        nodes={"key": [layer], "size": [7]},
        links={"source": [], "target": []},
        pins={"node": []},
        notices=[("layer-unlinked", layer, place, f"{layer} has no link in {place}") for place in places],
    )
    unlinked = row(blobkit.audit(snapshot, min_age=0), "unlinked-layer")
    assert unlinked[["severity", "blobs", "bytes"]].tolist() == ["error", 1, 7]
    assert unlinked["names"] == (f"a/_x@{layer}", f"repositories/b@{layer}")
    assert "404" in unlinked["advice"]


def test_the_total_of_a_bucket_has_uploads_in_parts_and_old_versions_once() -> None:
    """An upload that has files is a part of the files; one in parts, and old versions, are in no listing."""
    address = "registry+s3://bucket"
    told = {
        f"{address}/hashstate": ("upload", upload("the upload u to shop/web", 40, 0)),
        f"{address}/data": (PARTS, upload("the upload u to shop/web in parts", 3000, 0)),
        address: ("noncurrent", leftover("2 versions that are not current, in the bucket bucket,", 500, 0)),
    }
    snapshot = build(
        "registry",
        address,
        nodes={"key": [nowhere(1)], "size": [7]},
        links={"source": [], "target": []},
        pins={"node": []},
        notices=[(code, "", path, message) for path, (code, message) in told.items()],
        disk=Disk(3, 60, 1, 13),
    )
    audit = blobkit.audit(snapshot)
    assert row(audit, "stale-upload")["bytes"] == 3040
    assert audit.bytes == 7 + 40 + 13 + 3000 + 500
    assert audit.to_dict()["beyond_files"] == {
        "unfinished uploads in parts": 3000,
        "versions that are not current": 500,
    }
    lines = str(audit).splitlines()
    assert "3 files in all, 60 B: 7 B blobs, 40 B uploads, 13 B metadata" in lines
    assert (
        "stored in all: 3.5 KiB: 60 B files, 2.9 KiB unfinished uploads in parts, 500 B versions that are not current"
        in lines
    )
