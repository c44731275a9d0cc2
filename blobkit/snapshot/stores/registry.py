"""Record of registries. Source: distribution 2.8.2, `registry/storage/garbagecollect.go`.

The policy `dependent` is for registries with the referrers API of OCI 1.1: there, signatures and SBOMs have no tag.
"""

from __future__ import annotations

from blobkit.oci.names import REPOSITORY_NAME, TAG_NAME
from blobkit.snapshot.dropping import Dropping
from blobkit.snapshot.records import Collector, Kind, Policy, StopRule
from blobkit.snapshot.stores.body import IN_MANIFESTS, MARKED

__all__ = ["REGISTRIES"]

_REVISIONS = frozenset({"revision", "unseen-revision"})

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
        StopRule("gc-no-repositories", "there is no directory repositories"),
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
REGISTRIES = Kind(
    "registry",
    "docker/registry/v2/repositories",
    (
        Policy("registry", "tags", frozenset({"tag"}), IN_MANIFESTS),
        Policy("registry", "revisions", _REVISIONS, IN_MANIFESTS | {"revision"}),
        Policy("registry", "gc", frozenset({"revision"}), MARKED, collector=REGISTRY, complete=True),
        Policy("registry", "gc-m", frozenset({"tagged-revision"}), MARKED, collector=REGISTRY_M, complete=True),
        Policy("registry", "dependent", frozenset({"tag"}), IN_MANIFESTS | {"referrer"}),
    ),
    scanner="blobkit.scanners.registry",
    remote={
        **dict.fromkeys(("https", "http"), "blobkit.scanners.registry_http"),
        **dict.fromkeys(("s3", "gs", "az"), "blobkit.scanners.registry_bucket"),
    },
    found_by=("docker/registry/v2/repositories/", "repositories/"),
    tools=("curl", "crane", "skopeo", "regctl"),
    collected_by={**dict.fromkeys(("tags", "dependent", "revisions", "gc"), "registry"), "gc-m": "registry-m"},
    revisions="revisions",
    dropping=Dropping(
        takes=rf"\A{REPOSITORY_NAME}(?::{TAG_NAME}|@.*)\z",
        refused="registries do not accept this name",
        alone="docker-registry 2.8.2 cannot delete {} alone (HTTP 400)",
    ),
    advice="garbage-collect has its own rules for garbage: --policy gc or gc-m applies them",
)
