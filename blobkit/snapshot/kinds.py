"""The kinds of stores, one frozen record each. Only a kind's scanner and script file also know its names.

A record tells how a store is recognised, its policies, the collectors of its tools and when these stop, the tools
that can drop references, and the advice to show. Kinds of links and pins are in `references.py`. All of this is data:
a filter in SQL can be made from it too.

To add a policy, a stop rule or a tool, add a row here. To add a kind, add a record here, a scanner, and a script file.
Sources: the OCI image and distribution specifications (1.1); distribution 2.8.2, `registry/storage/garbagecollect.go`;
umoci 0.4.7, `oci/casext/gc.go`.
"""

from __future__ import annotations

from blobkit.errors import SnapshotFormatError, UnknownPolicyError
from blobkit.oci.documents import OCI_INDEX, OCI_MANIFEST
from blobkit.oci.names import UMOCI_NAME
from blobkit.render import choices
from blobkit.snapshot.dropping import Dropping
from blobkit.snapshot.records import Collector, Kind, Policy, StopRule
from blobkit.snapshot.references import LINKS

__all__ = [
    "STORES",
    "collector",
    "collectors",
    "policy_of",
]


OCI_TYPES = frozenset({OCI_INDEX, OCI_MANIFEST})


_BODY = frozenset(kind.name for kind in LINKS if kind.contains)
_NAMED = frozenset({"entry", "later-entry"})
_ENTRIES = _NAMED | {"referrer-entry"}
_REVISIONS = frozenset({"revision", "unseen-revision"})
_MARKED = frozenset({"revision", "mark"})
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = rf"{_COMPONENT}(?:/{_COMPONENT})*"

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
REGISTRY = Collector(
    "registry",
    "registry garbage-collect",
    "2.8.2",
    (
        StopRule("gc-name", "a directory with _layers has a path that is not a repository name"),
        StopRule("gc-path", "a link file has a path that the program rejects (blanks, colons, other letters)"),
        StopRule("gc-link", "a revision link does not contain a digest"),
        StopRule("gc-file", "a file lies where it lists a directory, or a directory where it reads a file"),
        StopRule("gc-loop", "symbolic links form a circle, or a chain of more than 40"),
        StopRule("gc-unreadable", "a directory or file cannot be read"),
        StopRule("gc-manifest-json", "a manifest is not a JSON object"),
        StopRule("gc-manifest-version", "a manifest has a schemaVersion other than 1 and 2"),
        StopRule("gc-manifest-type", "a manifest has a media type that it does not know"),
        StopRule("gc-manifest-field", "a field of a manifest has another type than it expects"),
        StopRule("gc-manifest-crash", "manifests has a wrong type in a manifest without a media type: it crashes"),
        StopRule("gc-manifest-size", "a manifest is larger than 4 MiB"),
        StopRule("gc-manifest-unread", "a manifest cannot be read"),
        StopRule("gc-no-blobs", "the directory blobs is absent"),
        StopRule("gc-data", "a file named data below blobs/ has a path that does not name a digest"),
        StopRule("gc-data-crash", "a file named data lies below a name of one character: it crashes"),
        StopRule("gc-elsewhere", "a blob to remove is not at the path of its digest", late=True),
        StopRule("gc-manifest-many", "a manifest has more elements than blobkit reads", unsure=True),
        StopRule("gc-behind-link", "a file or directory lies behind a symbolic link that is not followed", unsure=True),
    ),
)
REGISTRY_M = Collector(
    "registry-m",
    "registry garbage-collect -m",
    "2.8.2",
    (
        *REGISTRY.stops,
        StopRule("gc-m-no-tags", "a repository has a manifest and no directory tags"),
        StopRule("gc-m-path", "a tag has a name that the program rejects"),
        StopRule("gc-m-link", "the current link of a tag does not contain a digest"),
        StopRule("gc-m-file", "a file lies where a directory of tags is, or a directory where a link is"),
        StopRule("gc-m-loop", "symbolic links among the tags form a circle"),
        StopRule("gc-m-unreadable", "a directory or link of tags cannot be read"),
        StopRule("gc-m-gone", "the directory of an untagged manifest is gone before it is to be removed"),
        StopRule("gc-m-elsewhere", "a blob to remove is not at the path of its digest", late=True),
        StopRule("gc-m-behind-link", "tags lie behind a symbolic link that is not followed", unsure=True),
    ),
)

BLOBKIT = Kind(
    "blobkit",
    ".blobkit/index.sqlite",
    (Policy("blobkit", "counts", frozenset({"pin", "tag"}), _BODY | {"subject", "link"}, counting=True),),
    tools=("blobkit",),
    advice="blobkit fsck says why they are here",
    leftovers="blobkit fsck --repair moves them to quarantine, blobkit fsck --purge empties that",
    note="read from its index: content, twins and claims of images are not checked (blobkit fsck reads content)",
    shown=Policy("blobkit", "shown", frozenset({"tag"}), _BODY | {"subject"}, sources=OCI_TYPES, collector=UMOCI),
)
OCI = Kind(
    "oci",
    "oci-layout, or index.json and blobs/",
    (
        Policy("oci", "dependent", _NAMED, _BODY | {"referrer"}),
        Policy(
            "oci",
            "strong",
            _ENTRIES | {"read-entry", "unread", "unswept"},
            _BODY | _MARKED | {"subject"},
            sources=OCI_TYPES,
            collector=UMOCI,
        ),
        Policy("oci", "ignore", _ENTRIES, _BODY),
    ),
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
REGISTRIES = Kind(
    "registry",
    "docker/registry/v2/repositories",
    (
        Policy("registry", "tags", frozenset({"tag"}), _BODY),
        Policy("registry", "revisions", _REVISIONS, _BODY | {"revision"}),
        Policy("registry", "gc", frozenset({"revision"}), _MARKED, collector=REGISTRY, complete=True),
        Policy("registry", "gc-m", frozenset({"tagged-revision"}), _MARKED, collector=REGISTRY_M, complete=True),
    ),
    tools=("curl", "crane", "skopeo", "regctl"),
    collected_by={"tags": "registry", "revisions": "registry", "gc": "registry", "gc-m": "registry-m"},
    revisions="revisions",
    dropping=Dropping(
        takes=rf"\A{_REPOSITORY}(?::[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}}|@.*)\z",
        refused="registries do not accept this name",
        alone="docker-registry 2.8.2 cannot delete {} alone (HTTP 400)",
    ),
    advice="garbage-collect has its own rules for garbage: --policy gc or gc-m applies them",
)
GO_BLOBSTORE = Kind(
    "go-blobstore",
    "blobs/<digest>/info.json",
    (Policy("go-blobstore", "counts", frozenset({"pin"}), frozenset({"link"}), counting=True),),
    advice="no program removes them: delete their directories",
)

STORES = {kind.name: kind for kind in (BLOBKIT, OCI, REGISTRIES, GO_BLOBSTORE)}
"""Every kind of store, by name."""


def policy_of(store: str, name: str) -> Policy:
    """Return the policy of this name ("": the default) for a kind of store.

    SnapshotFormatError if the kind is unknown, UnknownPolicyError if it does not have the policy.
    """
    if store not in STORES:
        msg = f"no policy is known for stores of the kind {store!r}: it needs a newer blobkit"
        raise SnapshotFormatError(msg)
    policies = STORES[store].policies
    for policy in policies:
        if name in (policy.name, ""):
            return policy
    msg = f"no policy {name!r} for {store} stores"
    raise UnknownPolicyError(msg, hint=choices(name, [policy.name for policy in policies], use="use one of"))


def collectors() -> tuple[str, ...]:
    """Return the names of all collectors."""
    return tuple(dict.fromkeys(one.name for kind in STORES.values() for one in kind.collectors))


def collector(name: str) -> Collector:
    """Return the collector of this name; KeyError if it is unknown."""
    return {one.name: one for kind in STORES.values() for one in kind.collectors}[name]
