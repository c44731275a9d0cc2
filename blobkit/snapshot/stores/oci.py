"""Record of OCI image layouts. Sources: OCI image specification 1.1; umoci 0.4.7, `oci/casext/gc.go`."""

from __future__ import annotations

from blobkit.oci.names import UMOCI_NAME
from blobkit.snapshot.dropping import Dropping
from blobkit.snapshot.records import Collector, Kind, Policy, StopRule
from blobkit.snapshot.stores.body import IN_MANIFESTS, MARKED, OCI_TYPES

__all__ = ["OCI", "UMOCI"]

NAMED = frozenset({"entry", "later-entry"})
ENTRIES = NAMED | {"referrer-entry"}

UMOCI = Collector(
    "umoci",
    "umoci gc",
    "0.4.7",
    (
        StopRule("layout-file", "oci-layout is absent or not of version 1.0.0, or blobs is not a directory"),
        StopRule("index-undecoded", "it cannot decode index.json"),
        StopRule("undecoded", "it reaches a document that it cannot decode"),
        StopRule("no-digest", "it reaches a descriptor without a digest"),
        StopRule("other-algorithm", "it reaches a blob of another algorithm than sha256"),
        StopRule("other-size", "it reaches a blob of another size than the descriptor says"),
        StopRule("missing", "it reaches a blob that is not stored"),
        StopRule("foreign", "it reaches a layer that is stored elsewhere"),
        StopRule("inline", "it reaches a blob that only its descriptor carries"),
        StopRule("dangling-subject", "it reaches a subject that is not stored"),
        StopRule("unopened", "it reaches a blob that is not a readable file"),
        StopRule("unreadable", "it reaches a blob that cannot be read", keyed=True),
        StopRule("digest-mismatch", "it reaches a blob whose content does not match its digest"),
        StopRule("too-large", "it reaches a document that is too large for blobkit to follow", unsure=True),
        StopRule("behind-link", "it reaches a blob behind a symbolic link that leaves the store", unsure=True),
        StopRule("sweep", "a name in blobs/sha256 is not the name of a blob", late=True),
        StopRule("path", "the path of the layout is not a valid glob pattern", late=True),
    ),
)
OCI = Kind(
    "oci",
    "oci-layout, or index.json and blobs/",
    (
        Policy("oci", "dependent", NAMED, IN_MANIFESTS | {"referrer"}),
        Policy(
            "oci",
            "strong",
            ENTRIES | {"read-entry", "unread", "unswept"},
            IN_MANIFESTS | MARKED | {"subject"},
            sources=OCI_TYPES,
            collector=UMOCI,
        ),
        Policy("oci", "ignore", ENTRIES, IN_MANIFESTS),
    ),
    scanner="blobkit.scanners.oci_layout",
    remote=dict.fromkeys(("s3", "gs", "az"), "blobkit.scanners.oci_bucket"),
    found_by=("oci-layout", "index.json blobs/"),
    tools=("umoci", "rm"),
    collected_by={"dependent": "umoci", "strong": "umoci", "ignore": "umoci"},
    dropping=Dropping(
        takes=rf"\A(?:{UMOCI_NAME})\z",
        refused="umoci does not accept this name",
        nameless="umoci drops names only",
        partly="umoci drops all entries of a name",
    ),
    by_hand="rm",
    advice="umoci gc has its own rules for garbage: --policy strong applies them",
)
